"""Ranks two documents through the Service and looks at their order: what `helm test` runs."""

import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

QUERY = "how tall is mount everest"
DOCUMENTS = ["K2 lies on the border of Pakistan and China.", "Mount Everest rises 8,849 m above sea level."]
TIMEOUT_S = 40


def main() -> str | None:
    """Why it is not in order, None if it is."""
    request = urllib.request.Request(  # noqa: S310 - an address of the chart's
        os.environ["RANK_URL"] + "/rerank",
        json.dumps({"query": QUERY, "documents": DOCUMENTS}).encode(),
        {"Content-Type": "application/json", **_key()},
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310 - as above
            answer = json.load(response)
    except urllib.error.HTTPError as error:
        return f"the service answered {error.code}: {error.read(1000).decode(errors='replace')}"
    except (OSError, ValueError) as error:
        return f"no answer from the service: {error}"
    order = [result["index"] for result in answer["results"]]
    return None if order == [1, 0] else f"the documents stand in the order {order}, which is wrong: [1, 0]"


def _key() -> dict[str, str]:
    """The first of the keys, where the service has any."""
    path = os.environ.get("RANK_KEYS_FILE")
    if path is None:
        return {}
    with Path(path).open(encoding="utf-8") as lines:
        keys = (line.strip() for line in lines)
        return {"Authorization": "Bearer " + next(key for key in keys if key and not key.startswith("#"))}


if __name__ == "__main__":
    sys.exit(main())
