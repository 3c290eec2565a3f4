"""Says what happens, with the seconds since the start."""

import time
from pathlib import Path

BEGIN = time.monotonic()
LOG: list[Path] = []


def say(*parts: object) -> None:
    line = " ".join([f"[{time.monotonic() - BEGIN:6.1f} s]", *map(str, parts)])
    print(line, flush=True)
    for path in LOG:
        with path.open("a") as file:
            file.write(line + "\n")
