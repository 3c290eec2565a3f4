"""API keys: who may use the service, told in constant time; keys in a file rotate without a restart."""

from __future__ import annotations

import hashlib
import hmac
import logging
import time
from typing import TYPE_CHECKING

from bentorank.errors import ConfigurationError, UnauthorizedError
from bentorank.http.edge.key_rule import KEY_RULE, is_usable_key

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from starlette.types import Scope

logger = logging.getLogger(__name__)

# Where published clients put their key; `Authorization` with the scheme Bearer or with the bare key.
KEY_HEADERS = (b"authorization", b"x-api-key", b"api-key")
BEARER = b"bearer "

PLAYGROUND = "/playground"
PLAYGROUND_ASSETS = "/playground-assets/"

# What a client may see before it has shown a key: probes, what the service is, its documentation, and a page to try it
# on, which has to show one for all that it asks.
PUBLIC_PATHS = frozenset(
    {
        "/",
        "/docs",
        "/health",
        "/healthz",
        "/infinity/health",
        "/livez",
        "/openapi.json",
        "/ping",
        PLAYGROUND,
        "/readyz",
        "/v1/cluster/auth",
        "/v1/health/live",
        "/v1/health/ready",
    }
)
PUBLIC_PREFIXES = ("/docs-assets/", PLAYGROUND_ASSETS)
METRICS_PATH = "/metrics"

FILE_CHECK_INTERVAL_S = 1.0
MAX_FILE_BYTES = 1_000_000


class KeyRing:
    """The keys that are good now: some fixed, some from a file that is read again when it changes.

    Keeps digests only: all of one length, so that a comparison tells nothing of a key, not even how long it is.
    """

    def __init__(self, keys: Iterable[str], file: Path | None = None, *, guards_metrics: bool = False) -> None:
        """Raises ConfigurationError if the file cannot be read or has no key."""
        self._fixed = tuple(map(_digest, (key.encode() for key in keys)))
        self._file = file
        self._guards_metrics = guards_metrics
        self._from_file: tuple[bytes, ...] = ()
        self._seen: object = None
        self._checked_at = time.monotonic()
        if file is not None:
            try:
                self._seen = _version_of(file)
                self._from_file = _read_keys(file)
            except (OSError, ValueError) as error:
                raise ConfigurationError(f"BENTORANK_API_KEYS_FILE: {_reason(error)}") from None

    @property
    def is_required(self) -> bool:
        """Whether requests need a key at all."""
        return bool(self._fixed) or self._file is not None

    @property
    def count(self) -> int:
        """How many are good now."""
        return len(self._fixed) + len(self._from_file)

    def check(self, scope: Scope) -> bytes | None:
        """The digest of the key shown, None where none is needed.

        Raises UnauthorizedError if the path is guarded and no header has a good key.
        """
        if not self.is_required or self._is_public(scope["path"]):
            return None
        shown = [_digest(_key_in(value)) for name, value in scope["headers"] if name in KEY_HEADERS]
        if not shown:
            raise UnauthorizedError("an API key is required: send Authorization: Bearer <key>, or x-api-key")
        self._read_again_if_changed()
        # No shortcut at the first match: how long it takes must not tell which key it was.
        good = [digest for digest in shown if self._is_good(digest)]
        if not good:
            raise UnauthorizedError("this API key is not valid here")
        return good[0]

    def _is_public(self, path: str) -> bool:
        if path == METRICS_PATH:
            return not self._guards_metrics
        return path in PUBLIC_PATHS or path.startswith(PUBLIC_PREFIXES)

    def _is_good(self, digest: bytes) -> bool:
        return bool(sum([hmac.compare_digest(digest, good) for good in (*self._fixed, *self._from_file)]))

    def _read_again_if_changed(self) -> None:
        """At most once a second. A file that cannot be read locks nobody out: the keys stay as they were."""
        now = time.monotonic()
        if self._file is None or now - self._checked_at < FILE_CHECK_INTERVAL_S:
            return
        self._checked_at = now
        try:
            version = _version_of(self._file)
            if version == self._seen:
                return
            self._from_file = _read_keys(self._file)
            self._seen = version
            logger.info("read the API keys again: %d in the file", len(self._from_file))
        except (OSError, ValueError) as error:
            logger.warning("BENTORANK_API_KEYS_FILE: %s; the keys stay as they were", _reason(error))


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


def _key_in(header: bytes) -> bytes:
    return header[len(BEARER) :].strip() if header[: len(BEARER)].lower() == BEARER else header.strip()


def _version_of(file: Path) -> object:
    """What changes whenever the file does, be it written to, replaced, or a link that now points elsewhere."""
    status = file.stat()
    return status.st_mtime_ns, status.st_ino, status.st_size


def _read_keys(file: Path) -> tuple[bytes, ...]:
    """One key a line; blank lines and those that begin with # are not keys. Raises OSError or ValueError."""
    with file.open("rb") as stream:
        content = stream.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise ValueError(f"is larger than {MAX_FILE_BYTES} bytes")
    lines = (line.strip() for line in content.splitlines())
    keys = [line for line in lines if line and not line.startswith(b"#")]
    if not keys:
        raise ValueError("has no key in it")
    if not all(map(is_usable_key, keys)):
        raise ValueError(f"has an unusable key in it: {KEY_RULE}")
    return tuple(map(_digest, keys))


def _reason(error: OSError | ValueError) -> str:
    """Why, without the path, which is nobody's business who reads the log."""
    return (error.strerror or "cannot be read") if isinstance(error, OSError) else str(error)
