"""Every line that says how to install something: from a checkout it works today, and its names are ours."""

import ast
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECTS = (ROOT, *sorted(ROOT.glob("integrations/*/")), ROOT / "models" / "starter")
PAGES = [
    *(
        ROOT / name
        for name in ("README.md", "benchmarks/README.md", "docs/bulk.md", "docs/performance.md", "notebooks/README.md")
    ),
    *ROOT.glob("models/starter/README.md"),
    *ROOT.glob("integrations/*/README.md"),
]
LINE = re.compile(r"pip install ((?:'[^']*'|[^`#\n')])+)")


def metadata(folder: Path):
    """The `[project]` of a folder that has one."""
    return tomllib.loads((folder / "pyproject.toml").read_text())["project"]


PACKAGES = {metadata(folder)["name"]: folder for folder in PROJECTS if (folder / "pyproject.toml").exists()}


def requirements(text: str):
    """What the `pip install` lines of a text ask for, each as a list of words; options and their files left out."""
    for found in LINE.findall(text):
        words = shlex.split(found.replace("{", "(").replace("}", ")"))
        # Of a line that has nothing but those there is nothing to check.
        if named := [word for word in words if not word.startswith("-") and not word.endswith(".txt")]:
            yield named


def lines_of_pages():
    return [
        pytest.param(page, words, id=f"{page.relative_to(ROOT)}: {' '.join(words)}")
        for page in PAGES
        for words in requirements(page.read_text(encoding="utf-8"))
    ]


def folder_of(word: str, page: Path) -> Path:
    """Where a requirement that is a folder lies; relative to the repository, in the notebooks' page to their folder."""
    base = page.parent if page.parent.name == "notebooks" else ROOT
    return (base / word.partition("[")[0]).resolve()


def extras_of(word: str) -> set[str]:
    return {name for name in word.rpartition("[")[2].rstrip("]").split(",") if "[" in word}


@pytest.mark.parametrize(("page", "words"), lines_of_pages())
def test_a_line_names_what_there_is(page, words):
    """Folders that are projects, packages that are ours or pinned, extras that the project has."""
    for word in words:
        is_folder = word.startswith(".")
        name = re.split(r"[\[=]", word)[0]
        if not is_folder and name not in PACKAGES:
            assert re.fullmatch(r"torch==[\d.]+", word), word
            assert word in (ROOT / "constraints.txt").read_text().splitlines()
            continue
        project = metadata(folder_of(word, page) if is_folder else PACKAGES[name])
        assert extras_of(word) <= set(project.get("optional-dependencies", {}))


@pytest.mark.parametrize(("page", "words"), [line for line in lines_of_pages() if line.values[1][0].startswith(".")])
def test_a_line_for_a_checkout_brings_our_packages_that_it_needs(page, words):
    """None is on an index yet, so that a folder whose package depends on another names that one's folder too."""
    folders = {folder_of(word, page): extras_of(word) for word in words}
    installed = {metadata(folder)["name"] for folder in folders}
    for folder, extras in folders.items():
        project = metadata(folder)
        needed = [*project.get("dependencies", []), *(e for x in extras for e in project["optional-dependencies"][x])]
        ours = {name for need in needed if (name := re.split(r"[\[<>=!~]", need)[0]) in PACKAGES}
        assert ours <= installed


def test_pip_takes_every_folder_that_a_line_names():
    """Each is built and resolved, without its dependencies."""
    folders = {
        str(folder_of(word, line.values[0]))
        for line in lines_of_pages()
        for word in line.values[1]
        if word.startswith(".")
    }
    assert len(folders) >= 6
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--no-deps", "--no-build-isolation"]
    done = subprocess.run([*command, *sorted(folders)], capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr


def test_messages_name_extras_that_there_are():
    """Each extra that the source names, and each package with its folder."""
    extras, packages = set(), set()
    for file in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_extra"):
                extras.update(ast.literal_eval(word.value) for word in node.keywords if word.arg == "extra")
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and file.name != "installing.py":
                words = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
                if node.func.id == "install_extra":
                    extras.update(words)
                if node.func.id == "install_package":
                    packages.add(tuple(words))
    assert {"torch", "quantize", "eval", "parquet", "bulk"} <= extras <= set(metadata(ROOT)["optional-dependencies"])
    assert packages
    assert all(PACKAGES[name] == (ROOT / folder).resolve() for name, folder in packages)
