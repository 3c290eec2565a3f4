"""Installs with uv, in a fifth of its time, what pip would install beside this Python; with pip where uv cannot.

Takes requirements, --editable and --constraint. pip's settings count, which uv does not read itself.
"""

from __future__ import annotations

import argparse
import ast
import os
import subprocess
import sys
from pathlib import Path

# Settings of pip, and the variables that tell uv the same.
VARIABLES = {
    "cert": "SSL_CERT_FILE",
    "default-timeout": "UV_HTTP_TIMEOUT",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "index-url": "UV_DEFAULT_INDEX",
    "no-cache-dir": "UV_NO_CACHE",
    "timeout": "UV_HTTP_TIMEOUT",
    "trusted-host": "UV_INSECURE_HOST",
}
COMMA_SEPARATED = {"UV_FIND_LINKS"}
# What changes nothing about what is installed.
OTHERS_OF_PIP = {
    "cache-dir",
    "config-file",
    "disable-pip-version-check",
    "no-color",
    "no-input",
    "no-warn-script-location",
    "progress-bar",
    "quiet",
    "require-virtualenv",
    "retries",
    "root-user-action",
    "verbose",
}
# As pip's: the best version of all indexes, where uv would take the first index that has the package.
BEST_OF_ALL = {"UV_INDEX_STRATEGY": "unsafe-best-match"}
NONE = {"", "0", "false", "no", "off"}
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
UV = Path(sys.executable).with_name("uv")


def pip_settings() -> dict[str, str]:
    """What files and the environment tell `pip install`; the later section wins."""
    command = [*PIP, "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603 - our own arguments
    found: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}
    for line in listed.splitlines():
        name, _, value = line.partition("=")
        section, _, key = name.rpartition(".")
        if section in found:
            found[section][key] = ast.literal_eval(value)
    return found["global"] | found["install"] | found[":env:"]


def as_uv_reads(settings: dict[str, str]) -> tuple[list[str], dict[str, str]] | None:
    """uv's options and variables that say the same; None if a setting has no equal."""
    options: list[str] = []
    variables = dict(BEST_OF_ALL)
    for key, value in settings.items():
        words = value.split()
        if key == "constraint":
            options += [word for path in words for word in ("--constraint", path)]
        elif key == "no-index":
            options += [] if value.lower() in NONE else ["--no-index"]
        elif key in VARIABLES:
            name = VARIABLES[key]
            if words:
                variables[name] = ("," if name in COMMA_SEPARATED else " ").join(words)
        elif key not in OTHERS_OF_PIP:
            return None
    return options, variables


def have_uv(constraints: list[str]) -> bool:
    """Whether uv is there, now at the latest."""
    # A wheel or nothing: uv's sources take a Rust compiler and minutes.
    command = [*PIP, "install", "--quiet", "--no-compile", "--only-binary", "uv", *constraints, "uv"]
    return UV.exists() or run(command) == 0


def install_with_uv(arguments: list[str]) -> bool:
    """Whether uv did it."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--constraint", action="append", default=[])
    constraints = [f"--constraint={path}" for path in parser.parse_known_args(arguments)[0].constraint]
    told = as_uv_reads(pip_settings())
    if told is None or not have_uv(constraints):
        return False
    options, variables = told
    # What somebody told uv itself stays.
    return (
        run([str(UV), "pip", "install", "--python", sys.executable, *options, *arguments], variables | os.environ) == 0
    )


def run(command: list[str], environment: dict[str, str] | None = None) -> int:
    """The status of a command."""
    return subprocess.run(command, env=environment, check=False).returncode  # noqa: S603 - what make hands over


def main() -> int:
    """Install, one way or the other."""
    arguments = sys.argv[1:]
    if install_with_uv(arguments):
        return 0
    print("installing with pip, which takes longer", flush=True)
    # What is imported is compiled when it is first used.
    return run([*PIP, "install", "--no-compile", *arguments])


if __name__ == "__main__":
    sys.exit(main())
