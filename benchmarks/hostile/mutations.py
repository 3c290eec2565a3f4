"""How a valid request is spoilt: each kind is a function of a seed and a source of chance, and of nothing else."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import TYPE_CHECKING, Any

import orjson

from benchmarks.hostile.seeds import JSON, Seed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CHUNKED = (b"Transfer-Encoding", b"chunked")
ODD_ENCODINGS = (
    *(b"gzip, chunked", b"chunked, gzip", b"chunked, chunked", b"identity", b"xchunked", b"chunked;q=1", b""),
    *(b"\x0bchunked", b"chunked, identity", b"Chunked", b"CHUNKED ", b'"chunked"', b"gzip"),
)
ODD_SIZES = (b"-1", b"ffffffffffffffff1", b"0x5", b"", b" 5", b"5 ;x", b"zz", b"00000000000005", b"7fffffffffffffff")
ODD_VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 2**63, 2**64, -(2**70), 0.5, 1e308, "", " ", "\x00", "\ufeff", "a" * 9000),
    *([], {}, [[]], [None], {"text": None}, [1, "a", {}], {"": ""}, ["\u202e"], "[[" * 40),
)
ODD_LITERALS = (
    b"NaN",
    b"Infinity",
    b"1e400",
    b"-0",
    b"9" * 400,
    b'"\\ud800"',
    b'"\\u0000"',
    b"[" * 200,
    b"{" * 9 + b'"',
)
ODD_NAMES = ("copy", "json", "dict", "__dict__", "model_config", "model_dump", "schema", "topk", "", "\x00", "a" * 300)
NAMES_A_FIELD = ("rank_fields", "return_documents", "model", "truncate", "score_mode", "overflow", "deadline_ms")
ODD_LINES = (
    *((b"X-Request-Timeout", value) for value in (b"-1", b"nan", b"1e999", b"0", b"0.001", b"9" * 50, b"\xff")),
    *((b"grpc-timeout", value) for value in (b"5x", b"99999999999S", b"1n", b"")),
    *((b"Content-Type", value) for value in (b"text/plain", b"application/json; charset=\xff", b"", b"a/b;" * 50)),
    *((b"Content-Type", value) for value in (b"multipart/form-data", b"multipart/form-data; boundary=x")),
    (b"Content-Type", b"application/x-www-form-urlencoded"),
    (b"Content-Type", b"application/vnd.bentoml+pickle"),
    *((b"Content-Encoding", value) for value in (b"gzip", b"br", b"identity", b"\xff")),
    *((b"Content-Length", value) for value in (b"-5", b"+5", b"5, 5", b"0x10", b"9" * 30, b"1_0", b"", b"10485761")),
    *((b"Authorization", value) for value in (b"", b"Bearer", b"Bearer \xff", b"Basic Og==", b"x" * 9000)),
    *((b"Host", value) for value in (b"", b"a, b", b"\xff", b"[::1", b"x" * 300)),
    *((b"X-Request-Id", value) for value in (b"\x00", b"a" * 5000, b"\xf0\x9f", b"' or 1=1")),
    *((b"Connection", value) for value in (b"close", b"keep-alive, close", b"Upgrade", b"\x01", b"Host")),
    *((b"Origin", value) for value in (b"null", b"http://\xff", b"*")),
    (b"traceparent", b"00-" + b"z" * 32 + b"-0-0"),
    (b"Expect", b"100-continue"),
    (b"Expect", b"something else"),
    (b"Range", b"bytes=0-0"),
    (b"X-Forwarded-For", b"1.1.1.1, \xff"),
)
UPGRADES = (
    ((b"Connection", b"Upgrade, HTTP2-Settings"), (b"Upgrade", b"h2c"), (b"HTTP2-Settings", b"AAEAAEAAAAIAAAAA")),
    ((b"Connection", b"Upgrade"), (b"Upgrade", b"websocket")),
    (
        *((b"Connection", b"Upgrade"), (b"Upgrade", b"websocket"), (b"Sec-WebSocket-Version", b"13")),
        (b"Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
    ),
)
TRAILERS = (
    *(b"Authorization: Bearer x", b"X-Request-Timeout: 0.001", b"Content-Length: 5", b"Transfer-Encoding: chunked"),
    *(b"Host: elsewhere", b"no colon", b": no name", b" folded", b"a: \xff", b"x: " + b"y" * 20_000),
)
ODD_REQUEST_LINES = (
    *(b"PRI * HTTP/2.0", b"GET / HTTP/2.0", b"GET / HTTP/0.9", b"GET /", b"OPTIONS * HTTP/1.1", b"GET  / HTTP/1.1"),
    *(b"CONNECT a:1 HTTP/1.1", b"GET http://a/livez HTTP/1.1", b"POST /rerank HTTP/1.0", b"TRACE / HTTP/1.1"),
    *(b"GET //livez HTTP/1.1", b"GET /livez/ HTTP/1.1", b"HEAD /metrics HTTP/1.1", b"POST /rerank?\xff HTTP/1.1"),
    *(b"GET /%00 HTTP/1.1", b"GET /%ff/../x HTTP/1.1", b"GET /\xff HTTP/1.1", b"get / http/1.1", b"\x16\x03\x01\x00"),
    *(b"GET /v1/models/" + b"a" * 70_000 + b" HTTP/1.1", b"DELETE /rerank HTTP/1.1", b"POST http://[ HTTP/1.1"),
)


class Ending(StrEnum):
    """What the client does once it has sent everything."""

    READ = "read"
    HALF_CLOSE = "half close"
    CLOSE = "close"
    RESET = "reset"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class Case:
    """What goes over one connection: `pieces` with `pause_s` between them, then `ending`."""

    number: int
    kind: str
    pieces: tuple[bytes, ...]
    pause_s: float
    ending: Ending
    answers: int = 1

    @property
    def data(self) -> bytes:
        """All that is sent."""
        return b"".join(self.pieces)


def case_of(number: int, seed: int, seeds: Sequence[Seed]) -> Case:
    """Case `number` of a run: the same for the same seed and the same valid requests."""
    chance = Random(f"{seed} {number}")
    kind = chance.choice(tuple(KINDS))
    data = KINDS[kind](chance, seeds)
    ending = chance.choices(tuple(Ending), weights=(80, 8, 5, 5, 2))[0]
    is_slow = kind == "slow" or chance.random() < 0.02
    pieces = split(chance, data) if is_slow else (data,)
    return Case(number, kind, pieces, chance.uniform(0.01, 0.2) if is_slow else 0.0, ending, data.count(b" HTTP/1."))


def valid_case(request: Seed) -> Case:
    """The request as it is."""
    return Case(-1, "valid", (request.message(),), 0.0, Ending.READ)


def split(chance: Random, data: bytes) -> tuple[bytes, ...]:
    """2 to 8 pieces, none of them empty unless all is."""
    count = min(chance.randint(1, 7), max(len(data) - 1, 0))
    cuts = [0, *sorted(chance.sample(range(1, len(data)), count)), len(data)] if count else [0, len(data)]
    return tuple(data[start:end] for start, end in itertools.pairwise(cuts))


def as_it_is(chance: Random, seeds: Sequence[Seed]) -> bytes:
    """Valid."""
    return chance.choice(seeds).message()


def flipped(chance: Random, seeds: Sequence[Seed]) -> bytes:
    """Up to eight bytes anywhere become others."""
    data = bytearray(as_it_is(chance, seeds))
    for _ in range(chance.randint(1, 8)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    return bytes(data)


def flipped_head(chance: Random, seeds: Sequence[Seed]) -> bytes:
    """A byte or two of the head become others."""
    head, gap, body = as_it_is(chance, seeds).partition(b"\r\n\r\n")
    spoilt = bytearray(head)
    for _ in range(chance.randint(1, 2)):
        spoilt[chance.randrange(len(spoilt))] = chance.choice(
            b"\x00\t\n\r :,;\x7f\x80\xff" + bytes([chance.randrange(256)])
        )
    return bytes(spoilt) + gap + body


def truncated(chance: Random, seeds: Sequence[Seed]) -> bytes:
    """Ends somewhere."""
    data = as_it_is(chance, seeds)
    return data[: chance.randrange(len(data))]


def inserted(chance: Random, seeds: Sequence[Seed]) -> bytes:
    """Something in the middle that does not belong there."""
    data = as_it_is(chance, seeds)
    place = chance.randrange(len(data))
    junk = chance.choice((b"\x00", b"\r\n", b"\n", b"\r", b" ", b"\r\n\r\n", chance.randbytes(chance.randint(1, 40))))
    return data[:place] + junk * chance.randint(1, 5) + data[place:]


def duplicated_lines(chance: Random, seeds: Sequence[Seed]) -> bytes:
    """A line of the head twice, perhaps with another value."""
    head, gap, body = as_it_is(chance, seeds).partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    line = chance.choice(lines[1:])
    again = line if chance.random() < 0.5 else line[: line.find(b":") + 1] + b" 7"
    lines.insert(chance.randint(1, len(lines)), again)
    return b"\r\n".join(lines) + gap + body


def odd_line(chance: Random, seeds: Sequence[Seed]) -> bytes:
    """A header with a value that it should not have, in place of the good one or beside it."""
    name, value = chance.choice(ODD_LINES)
    request = _post(chance, seeds)
    head, gap, body = request.message().partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    if chance.random() < 0.7:
        lines = [line for line in lines if not line.lower().startswith(name.lower() + b":")]
    return b"\r\n".join([*lines, name + b": " + value]) + gap + body


def odd_request_line(chance: Random, seeds: Sequence[Seed]) -> bytes:
    """A method, a target or a version that is rare or wrong."""
    _, _, rest = as_it_is(chance, seeds).partition(b"\r\n")
    return chance.choice(ODD_REQUEST_LINES) + b"\r\n" + rest


def many_lines(chance: Random, seeds: Sequence[Seed]) -> bytes:
    """A head of some thousand lines, or of one very long one."""
    request = chance.choice(seeds)
    size = chance.choice((1_000, 60_000, 70_000, 200_000))
    lines = b"x" * size + b": y\r\n" if chance.random() < 0.5 else b"x: y\r\n" * (size // 6)
    return request.head() + lines + b"\r\n" + request.body


def odd_encoding(chance: Random, seeds: Sequence[Seed]) -> bytes:
    """A transfer encoding that nobody should take, over a chunked body or a plain one."""
    request = _post(chance, seeds)
    lines = [JSON, (b"Transfer-Encoding", chance.choice(ODD_ENCODINGS))]
    if chance.random() < 0.4:
        lines.insert(chance.randint(0, 2), (b"Content-Length", b"%d" % len(request.body)))
    body = request.body if chance.random() < 0.3 else chunked(request.body, 20)
    return request.with_headers(*lines).head() + b"\r\n" + body


def odd_chunks(chance: Random, seeds: Sequence[Seed]) -> bytes:
    """Chunks of one byte, with extensions, or with a size that is none."""
    request = _post(chance, seeds)
    body = chunked(request.body, chance.randint(1, 30), chance.choice((b"", b";a=b", b";" + b"x" * 2_000, b"\t")))
    if chance.random() < 0.6:
        lines = body.split(b"\r\n")
        lines[chance.randrange(len(lines))] = chance.choice(ODD_SIZES)
        body = b"\r\n".join(lines)
    return request.with_headers(JSON, CHUNKED).head() + b"\r\n" + body


def trailers(chance: Random, seeds: Sequence[Seed]) -> bytes:
    """Headers after the last chunk."""
    request = _post(chance, seeds)
    lines = chance.choices(TRAILERS, k=chance.randint(1, 3)) * chance.choice((1, 1, 1, 2_000 // 20))
    body = chunked(request.body, 64)[: -len(b"\r\n")] + b"".join(line + b"\r\n" for line in lines) + b"\r\n"
    return request.with_headers(JSON, CHUNKED).head() + b"\r\n" + body


def pipelined(chance: Random, seeds: Sequence[Seed]) -> bytes:
    """2 to 40 requests at once, one of them perhaps spoilt."""
    messages = [chance.choice(seeds).message() for _ in range(chance.choice((2, 3, 5, 40)))]
    if chance.random() < 0.5:
        spoil = chance.choice((flipped, truncated, odd_chunks, odd_encoding, odd_request_line, duplicated_lines))
        messages[chance.randrange(len(messages))] = spoil(chance, seeds)
    return b"".join(messages)


def upgrade(chance: Random, seeds: Sequence[Seed]) -> bytes:
    """Asks for another protocol, with and without a body."""
    request = chance.choice(seeds)
    return request.with_headers(*chance.choice(UPGRADES)).message()


def odd_json(chance: Random, seeds: Sequence[Seed]) -> bytes:
    """A body that is JSON, with one value or one name replaced, dropped or added."""
    request = _post(chance, seeds)
    # The standard library's writer, which has whole numbers of any length.
    return _framed(request, json.dumps(_spoilt(chance, request.document)).encode())


def odd_literal(chance: Random, seeds: Sequence[Seed]) -> bytes:
    """A body with a number or a text that JSON has no room for, or hardly."""
    request = _post(chance, seeds)
    marked = orjson.dumps(_replaced(chance, request.document, "\x01"))
    return _framed(request, marked.replace(b'"\\u0001"', chance.choice(ODD_LITERALS)))


def many_items(chance: Random, seeds: Sequence[Seed]) -> bytes:
    """A list that is ten thousand times as long."""
    request = _post(chance, seeds)
    items = [chance.choice((1, "", [], {}, {"text": "a"}, None))] * 10_000
    if isinstance(request.document, list):
        return _framed(request, orjson.dumps(items))
    lists = [name for name, value in request.document.items() if isinstance(value, list)]
    if not lists:
        return request.message()
    return _framed(request, orjson.dumps({**request.document, chance.choice(lists): items}))


def not_json(chance: Random, seeds: Sequence[Seed]) -> bytes:
    """Bytes, UTF-16, a byte order mark, something after the end."""
    request = _post(chance, seeds)
    text = request.body.decode()
    bodies = (
        *(chance.randbytes(200), text.encode("utf-16"), b"\xef\xbb\xbf" + request.body, request.body + b"}"),
        *(b"", b"null", b"[]", b'"text"', b"\x1f\x8b" + request.body, b"--x\r\nContent-Disposition: a\r\n\r\n--x--"),
    )
    return _framed(request, chance.choice(bodies))


def form(chance: Random, seeds: Sequence[Seed]) -> bytes:
    """A form where JSON is wanted."""
    request = _post(chance, seeds)
    parts = b'--x\r\nContent-Disposition: form-data; name="pairs"\r\n\r\n[]\r\n--x--\r\n'
    kind = chance.choice(
        (b"multipart/form-data; boundary=x", b"multipart/form-data", b"multipart/form-data; boundary=")
    )
    body = chance.choice((parts, parts[: chance.randrange(len(parts))], b"pairs=1&" * 500, request.body))
    lines = ((b"Content-Type", kind), (b"Content-Length", b"%d" % len(body)))
    return request.with_headers(*lines).head() + b"\r\n" + body


KINDS: dict[str, Callable[[Random, Sequence[Seed]], bytes]] = {
    "valid": as_it_is,
    "slow": as_it_is,
    "bytes flipped": flipped,
    "head flipped": flipped_head,
    "truncated": truncated,
    "junk inserted": inserted,
    "lines duplicated": duplicated_lines,
    "odd header": odd_line,
    "odd request line": odd_request_line,
    "long head": many_lines,
    "odd transfer encoding": odd_encoding,
    "odd chunks": odd_chunks,
    "trailers": trailers,
    "pipelined": pipelined,
    "upgrade": upgrade,
    "odd JSON": odd_json,
    "odd literal": odd_literal,
    "many items": many_items,
    "not JSON": not_json,
    "form": form,
}


def chunked(body: bytes, size: int, extension: bytes = b"") -> bytes:
    """`body` in chunks of `size` bytes."""
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x%b\r\n%b\r\n" % (len(piece), extension, piece) for piece in pieces) + b"0\r\n\r\n"


def _post(chance: Random, seeds: Sequence[Seed]) -> Seed:
    return chance.choice([seed for seed in seeds if seed.document is not None])


def _framed(request: Seed, body: bytes) -> bytes:
    return request.with_headers(JSON, (b"Content-Length", b"%d" % len(body))).head() + b"\r\n" + body


def _spoilt(chance: Random, document: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(document, list):  # of requests
        return [_spoilt(chance, document[0]), *document[1:]]
    match chance.randrange(4):
        case 0:
            return {**document, chance.choice((*NAMES_A_FIELD, *ODD_NAMES)): chance.choice(ODD_VALUES)}
        case 1:
            return {**document, "rank_fields": [chance.choice(ODD_NAMES)], "documents": [{"text": "a"}, {"copy": 1}]}
        case 2 if len(document) > 1:
            dropped = chance.choice(tuple(document))
            return {name: value for name, value in document.items() if name != dropped}
        case _:
            return _replaced(chance, document, chance.choice(ODD_VALUES))


def _replaced(chance: Random, value: Any, by: Any) -> Any:  # noqa: ANN401 - any JSON
    """One value somewhere in it, or all of it, gives way to `by`."""
    if isinstance(value, dict) and value and chance.random() < 0.9:
        name = chance.choice(tuple(value))
        return {**value, name: _replaced(chance, value[name], by)}
    if isinstance(value, list) and value and chance.random() < 0.7:
        place = chance.randrange(len(value))
        return [*value[:place], _replaced(chance, value[place], by), *value[place + 1 :]]
    return by
