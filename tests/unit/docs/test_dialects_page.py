"""docs/dialects.md names every path and every module that there is."""

from pathlib import Path

from bentorank.http.dialects.selection import RERANK_PATHS
from bentorank.http.edge.model_paths import NIM_TEMPLATE

REPOSITORY = Path(__file__).parents[3]
PAGE = (REPOSITORY / "docs" / "dialects.md").read_text(encoding="utf-8")
SHARED = {
    "__init__.py",
    "dialect.py",
    "fields.py",
    "limits.py",
    "selection.py",
    "native_request.py",
    "native_response.py",
}


def test_every_path_is_named():
    """Where a dialect is spoken."""
    for path in RERANK_PATHS.keys() - {NIM_TEMPLATE}:
        assert f"`{path}`" in PAGE or f"POST {path}`" in PAGE, path


def test_every_module_is_named():
    """Where to read on."""
    modules = {path.name for path in (REPOSITORY / "src/bentorank/http/dialects").glob("*.py")} - SHARED
    for module in modules:
        assert f"`{module}`" in PAGE, module
