"""The playground's files, read and compressed once at the start: an answer is a look into a table."""

from __future__ import annotations

import gzip
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.responses import Response

from bentorank.http.edge.keys import PLAYGROUND, PLAYGROUND_ASSETS

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

FOLDER = Path(__file__).parent / "static"
PAGE = "index.html"
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}

# What the page may do: load its own files, ask its own service. Texts can only become text: with trusted types
# required and none made, a script that wrote one as HTML would be stopped.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
# In `Accept-Encoding`, unless it is refused by a weight of nought.
GZIP = re.compile(r"\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))", re.IGNORECASE)

HEADERS = {
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    # Kept, and asked after each time: the names do not change with what is in the files.
    "cache-control": "no-cache",
    "vary": "accept-encoding",
}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file as it is sent, plain and compressed."""

    media_type: str
    plain: bytes
    compressed: bytes
    tag: str

    def answer(self, headers: Headers) -> Response:
        """The file, or 304 where the caller has it."""
        zipped = GZIP.search(headers.get("accept-encoding", "")) is not None
        tag = f'"{self.tag}{"-gzip" if zipped else ""}"'
        own = {**HEADERS, "etag": tag}
        if tag in headers.get("if-none-match", ""):
            return Response(status_code=304, headers=own)
        if zipped:
            own["content-encoding"] = "gzip"
        return Response(self.compressed if zipped else self.plain, headers=own, media_type=self.media_type)


def read_files() -> dict[str, StaticFile]:
    """Every file of the playground by the path that it is served at."""
    return {
        PLAYGROUND if file.name == PAGE else PLAYGROUND_ASSETS + file.name: _read(file)
        for file in sorted(FOLDER.iterdir())
        if file.suffix in MEDIA_TYPES
    }


def _read(file: Path) -> StaticFile:
    content = file.read_bytes()
    return StaticFile(
        MEDIA_TYPES[file.suffix],
        content,
        gzip.compress(content, mtime=0),
        hashlib.sha256(content).hexdigest()[:16],
    )


@dataclass(frozen=True, slots=True)
class PlaygroundFiles:
    """An application with the playground in front of it, where BentoML does not count each file in its metrics."""

    app: ASGIApp
    files: dict[str, StaticFile]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        file = self.files.get(scope["path"]) if scope["type"] == "http" else None
        if file is None:
            await self.app(scope, receive, send)
        else:
            await file.answer(Headers(scope=scope))(scope, receive, send)
