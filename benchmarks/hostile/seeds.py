"""Valid requests to begin with: every operation and example of a server's own OpenAPI document, and its probes."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator

UNDOCUMENTED = ("/livez", "/readyz", "/metrics", "/docs", "/openapi.json")
SCORE_PAIRS = {"pairs": [{"query": "how tall is mount everest", "passage": "Everest is 8,849 m high."}]}
JSON = (b"Content-Type", b"application/json")


@dataclass(frozen=True, slots=True)
class Seed:
    """A request before it is spoilt. `document` is its body as JSON values, None for a GET."""

    method: bytes
    target: bytes
    document: Any = None
    headers: tuple[tuple[bytes, bytes], ...] = ((b"Host", b"127.0.0.1"), (b"User-Agent", b"fuzz"))

    @property
    def body(self) -> bytes:
        """As it is sent."""
        return b"" if self.document is None else orjson.dumps(self.document)

    def with_headers(self, *lines: tuple[bytes, bytes]) -> Seed:
        """The same with further lines in its head."""
        return replace(self, headers=(*self.headers, *lines))

    def head(self, *, version: bytes = b"HTTP/1.1") -> bytes:
        """Request line and headers, without the empty line that ends them."""
        lines = [b" ".join((self.method, self.target, version)), *(b": ".join(line) for line in self.headers)]
        return b"".join(line + b"\r\n" for line in lines)

    def message(self) -> bytes:
        """The whole request, framed by its length."""
        if self.document is None:
            return self.head() + b"\r\n"
        body = self.body
        return self.with_headers(JSON, (b"Content-Length", b"%d" % len(body))).head() + b"\r\n" + body


def seeds_of(openapi: dict[str, Any]) -> tuple[Seed, ...]:
    """A request for each example of each operation, one for each GET, and those that the document leaves out."""
    found = list(_operations(openapi))
    found += [Seed(b"GET", target.encode()) for target in UNDOCUMENTED]
    found.append(Seed(b"POST", b"/bentoml/score", SCORE_PAIRS))
    return tuple(found)


def _operations(openapi: dict[str, Any]) -> Iterator[Seed]:
    for path, methods in openapi["paths"].items():
        target = re.sub(r"\{[^}]*\}", "starter", path).encode()
        for method, operation in methods.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if content is None:
                yield Seed(method.upper().encode(), target)
                continue
            for example in content["examples"].values():
                yield Seed(method.upper().encode(), target, example["value"])
