"""The notes of a release, drawn from CHANGELOG.md for its tag. Refuses, with a sentence, what must not be published."""

import argparse
import re
import sys

from deploy.packages.version import CHANGELOG, out_of_step


def sections(changelog: str) -> dict[str, str]:
    """What stands under each heading of the second level, by the heading's first word."""
    headings = list(re.finditer(r"^## (\S+).*\n", changelog, re.MULTILINE))
    ends = [heading.start() for heading in headings[1:]] + [len(changelog)]
    return {heading[1]: changelog[heading.end() : end].strip() for heading, end in zip(headings, ends, strict=True)}


def refusals(tag: str, written: dict[str, str]) -> list[str]:
    """Why a tag is none of a release."""
    version = tag.removeprefix("v")
    found = out_of_step(version)
    if tag != f"v{version}":
        found.append(f"a release's tag is v and its version, and not {tag}")
    if not written.get(version):
        found.append(f"CHANGELOG.md says nothing of {version}")
    if written.get("Unreleased"):
        found.append("CHANGELOG.md has entries under Unreleased, which this release would hold without saying so")
    return found


def main() -> int:
    """Print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tag", help="such as v0.2.0")
    tag = parser.parse_args().tag
    written = sections(CHANGELOG.read_text(encoding="utf-8"))
    if refused := refusals(tag, written):
        print(*refused, sep="\n", file=sys.stderr)
        return 1
    print(written[tag.removeprefix("v")])
    return 0


if __name__ == "__main__":
    sys.exit(main())
