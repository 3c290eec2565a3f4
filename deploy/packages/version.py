"""The version of a release: where it stands, whether it is the same everywhere, and its change (`make release`)."""

import argparse
import datetime as dt
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from deploy.packages.projects import PROJECTS, ROOT

CHANGELOG = ROOT / "CHANGELOG.md"
VERSION = r"\d+\.\d+\.\d+"
UNRELEASED = "## Unreleased\n"
NEED_THE_CLIENT = ("bentorank", "langchain-bentorank", "llama-index-postprocessor-bentorank", "bentorank-haystack")


@dataclass(frozen=True, slots=True)
class Place:
    """Lines of a file that name the version, or its first two numbers; the pattern has one group."""

    file: Path
    pattern: str
    whole: bool = True

    def found(self) -> list[str]:
        """What the lines say."""
        return re.findall(self.pattern, self.file.read_text(encoding="utf-8"), re.MULTILINE)

    def expected(self, version: str) -> str:
        """What they say in a release of this version."""
        return version if self.whole else version.rpartition(".")[0]

    def write(self, version: str) -> None:
        """Have them say it."""
        text = self.file.read_text(encoding="utf-8")

        def renewed(line: re.Match[str]) -> str:
            start, end = line.start(1) - line.start(), line.end(1) - line.start()
            return line.group()[:start] + self.expected(version) + line.group()[end:]

        self.file.write_text(re.sub(self.pattern, renewed, text, flags=re.MULTILINE), encoding="utf-8")


def places() -> list[Place]:
    """All of them, but for the changelog."""
    modules = (ROOT / "src" / "bentorank", ROOT / "integrations" / "client" / "src" / "bentorank_client")
    projects = {name: folder / "pyproject.toml" for name, folder in PROJECTS.items()}
    chart = ROOT / "deploy" / "helm" / "bentorank" / "Chart.yaml"
    compose = ROOT / "deploy" / "compose"
    images = (ROOT / "README.md", *(compose / name for name in (".env.example", "README.md", "compose.yaml")))
    return [
        *(Place(module / "__init__.py", rf'^__version__ = "({VERSION})"$') for module in modules),
        *(Place(file, rf'^version = "({VERSION})"$') for name, file in projects.items() if name != "bentorank"),
        # What a release's packages use of the client, the client of that release has.
        *(Place(projects[name], r"\bbentorank-client>=(\d+\.\d+),", whole=False) for name in NEED_THE_CLIENT),
        Place(chart, rf"^version: ({VERSION})$"),
        Place(chart, rf'^appVersion: "({VERSION})"$'),
        *(Place(file, rf"\bbentorank:({VERSION})\b") for file in (*images, compose / "compose.gpu.yaml")),
    ]


def out_of_step(version: str) -> list[str]:
    """What names another version or none, a sentence each."""
    return [
        f"{place.file.relative_to(ROOT)} says {' and '.join(said) or 'nothing'}, and not {place.expected(version)}"
        for place in places()
        if (said := sorted(set(place.found()))) != [place.expected(version)]
    ]


def main() -> int:
    """Write a new version everywhere, and give the changelog's unreleased entries its heading."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("version", help="three numbers, such as 0.2.0")
    version = parser.parse_args().version
    changes = CHANGELOG.read_text(encoding="utf-8")
    if not re.fullmatch(VERSION, version):
        parser.error(f"a version is three numbers, and not {version!r}")
    if UNRELEASED not in changes or re.search(rf"^## {re.escape(version)}\b", changes, re.MULTILINE):
        parser.error(f"the changelog has no unreleased entries, or has {version} already")
    for place in places():
        place.write(version)
    today = dt.datetime.now(tz=dt.UTC).date()
    CHANGELOG.write_text(changes.replace(UNRELEASED, f"{UNRELEASED}\n## {version} - {today}\n", 1), encoding="utf-8")
    print(f"{version} is written. What comes next: docs/releasing.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
