"""Status 0 if the service in this container answers that it is ready. Takes and imports next to nothing."""

import http.client
import os
import sys

TIMEOUT_S = 4


def is_ready() -> bool:
    """Whether /readyz says so."""
    port = os.environ.get("PORT") or os.environ.get("BENTOML_PORT") or os.environ.get("BENTORANK_PORT") or "3000"
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(not is_ready())
