"""Whose certificates are believed."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import httpx2

if TYPE_CHECKING:
    import ssl


@cache
def trust_store() -> ssl.SSLContext:
    """The operating system's, or what SSL_CERT_FILE names. Read once: it takes a tenth of a second."""
    return httpx2.create_ssl_context()
