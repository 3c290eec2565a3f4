"""A GET without the start-up costs of a client library."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit


def fetch(url: str, timeout_s: float = 30) -> tuple[int, bytes]:
    """Status and body. Raises OSError or HTTPException if there is no answer."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=timeout_s)
    try:
        connection.request("GET", parts.path or "/")
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
