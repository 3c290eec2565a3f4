"""Writes bentorank.json: `make dashboards`. The same code makes the same file, to the byte."""

from __future__ import annotations

import json
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deploy.grafana.dashboard import dashboard

FILE = Path(__file__).with_name("bentorank.json")


def text() -> str:
    """What the file is to contain."""
    return json.dumps(dashboard().build(), cls=JSONEncoder, indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
    print(f"written: {FILE.name}")
