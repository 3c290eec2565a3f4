"""The pages of the site, laid as the repository lays them, with every file that one of them links to."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

ROOT = Path(__file__).parents[2]
REFERENCE = Path(__file__).parent / "reference"
PAGES = (
    "*.md",
    "docs/*.md",
    "benchmarks/README.md",
    "benchmarks/results/*.md",
    "deploy/*/README.md",
    "deploy/helm/bentorank/README.md",
    "integrations/*/README.md",
    "models/**/README.md",
    "notebooks/README.md",
    "src/bentorank/evaluation/data/ATTRIBUTION.md",
)
FENCE = re.compile(r"^(```.*?^```$)", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(\]\()(?![a-z]+:)([^)#\s]+)((?:#[^)\s]*)?\))")
# Of pictures in HTML, one for light and one for dark.
PICTURE = re.compile(r"(?:src|srcset)=\"(?![a-z]+:)([^\"#]+)\"")
INDEX = "README.md"


def stage(pages: Path) -> None:
    """Fill the folder `pages`."""
    shutil.rmtree(pages, ignore_errors=True)
    for pattern in PAGES:
        for page in sorted(ROOT.glob(pattern)):
            _write(pages, page, _with_folders_named(page))
    shutil.copytree(REFERENCE, pages / "reference")
    for page in sorted(pages.rglob("*.md")):
        _copy_what_it_links(pages, page)


def _write(pages: Path, page: Path, text: str) -> None:
    target = pages / page.relative_to(ROOT)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")


def _with_folders_named(page: Path) -> str:
    """The page, with a link to a folder as one to the list of what is in it: a site shows no folders."""

    def named(link: re.Match[str]) -> str:
        is_folder = (page.parent / link[2]).is_dir()
        return f"{link[1]}{link[2].rstrip('/')}/{INDEX}{link[3]}" if is_folder else link[0]

    parts = FENCE.split(page.read_text(encoding="utf-8"))
    return "".join(part if part.startswith("```") else LINK.sub(named, part) for part in parts)


def _copy_what_it_links(pages: Path, page: Path) -> None:
    prose = FENCE.sub("", page.read_text(encoding="utf-8"))
    for link in [link[2] for link in LINK.finditer(prose)] + PICTURE.findall(prose):
        target = (page.parent / link).resolve()
        source = ROOT / target.relative_to(pages.resolve())
        if target.exists():
            continue
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        elif source.name == INDEX and source.parent.is_dir():
            _list_folder(source.parent, target)


def _list_folder(folder: Path, page: Path) -> None:
    """A page that links every file of `folder` that is for reading."""
    page.parent.mkdir(parents=True, exist_ok=True)
    listed = []
    for file in sorted(folder.iterdir()):
        if file.is_file() and file.suffix in {".md", ".yaml", ".yml", ".toml"}:
            listed.append(f"- [{file.name if file.suffix != '.md' else _title(file)}]({file.name})")
            if not (page.parent / file.name).exists():
                shutil.copyfile(file, page.parent / file.name)
    page.write_text(f"# {folder.relative_to(ROOT)}\n\n" + "\n".join(listed) + "\n", encoding="utf-8")


def _title(page: Path) -> str:
    return page.read_text(encoding="utf-8").split("\n", 1)[0].lstrip("# ")
