"""The documentation as a site: every page's links and headings are there, and whatever is wrong is found."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import bentorank_client
import pytest

from docs.site.links import faults
from docs.site.pages import FENCE, LINK, PICTURE, ROOT, stage

HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
WITHIN = re.compile(r"\]\(#([^)\s]+)\)")


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    stage(folder)
    return folder


def prose_of(page):
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def headings_of(page):
    words = (re.sub(r"[^\w\s-]", "", heading.lower()).strip() for heading in HEADING.findall(prose_of(page)))
    return {re.sub(r"\s", "-", heading) for heading in words}


def test_every_link_of_every_page_leads_to_a_file_and_a_heading(pages):
    """In the repository as on the site, which lays the pages as they lie."""
    wrong, followed = [], 0
    for page in sorted(pages.rglob("*.md")):
        links = [(link[2], link[3][:-1].lstrip("#")) for link in LINK.finditer(prose_of(page))]
        links += [(picture, "") for picture in PICTURE.findall(prose_of(page))]
        links += [(page.name, fragment) for fragment in WITHIN.findall(prose_of(page))]
        for name, fragment in links:
            target, followed = page.parent / name, followed + 1
            if not target.is_file() or (fragment and fragment not in headings_of(target)):
                wrong.append(f"{page.relative_to(pages)}: {name}#{fragment}")
    assert wrong == []
    assert followed > 150


def test_every_page_is_in_the_navigation_or_linked_from_one_that_is(pages):
    """None is there for those alone who guess its address."""
    seen = {"README.md"}
    waiting = set(re.findall(r'= "([^"]+\.md)"', (ROOT / "docs/site/zensical.toml").read_text(encoding="utf-8")))
    while waiting:
        name = waiting.pop()
        seen.add(name)
        links = ((pages / name).parent / link[2] for link in LINK.finditer(prose_of(pages / name)))
        found = {link.resolve().relative_to(pages).as_posix() for link in links if link.suffix == ".md"}
        waiting |= found - seen
    assert {page.relative_to(pages).as_posix() for page in pages.rglob("*.md")} - seen == set()


def test_what_is_wrong_with_a_site_is_found(tmp_path):
    """A missing page, a missing heading, a script and a font from elsewhere; what is right is not named."""
    (tmp_path / "there").mkdir()
    (tmp_path / "there/index.html").write_text('<h2 id="here">Here</h2><a href="../#up">up</a>')
    (tmp_path / "style.css").write_text('@font-face { src: url("https://fonts.example/a.woff2") }')
    (tmp_path / "index.html").write_text(
        '<a id="up"></a><a href="there/#here"></a><a href="https://elsewhere.example/"></a><link rel="next" href="x">'
        '<a href="gone/"></a><a href="there/#nowhere"></a><script src="https://cdn.example/a.js"></script>'
        '<picture><source srcset="dark.png 2x"><img src="there/index.html"></picture>'
    )
    assert list(faults(tmp_path)) == [
        "index.html: gone/: is not there",
        "index.html: there/#nowhere: has no such heading",
        "index.html: dark.png: is not there",
        "index.html: https://cdn.example/a.js: is fetched from elsewhere",
        "style.css: fetches from elsewhere",
    ]


def test_each_public_name_of_the_client_is_in_the_reference():
    """Once, and none that is not there. What the site makes of it is tested where the site is built."""
    page = (ROOT / "docs/site/reference/client.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^::: bentorank_client\.(\w+)$", page, re.MULTILINE)) == sorted(bentorank_client.__all__)


@pytest.mark.slow
@pytest.mark.skipif(find_spec("zensical") is None, reason="make docs installs zensical")
def test_the_site_is_built_without_faults_and_has_the_whole_python_interface(tmp_path):
    """Its own check finds nothing; each public name and method of the client has a heading."""
    built = subprocess.run(
        [sys.executable, "-m", "docs.site", "--folder", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    assert "0 faults" in built.stdout
    reference = (tmp_path / "site/reference/client/index.html").read_text(encoding="utf-8")
    headings = set(re.findall(r'id="bentorank_client\.([\w.]+)"', reference))
    methods = {f"{name}.rerank" for name in ("Reranker", "AsyncReranker", "RerankClient")}
    assert headings >= set(bentorank_client.__all__) | methods
    for page, name in {
        "local": "bentorank.local.LocalReranker.rerank",
        "langchain": "langchain_bentorank.BentoRerank.compress_documents",
        "llama-index": "llama_index.postprocessor.bentorank.BentoRerank.keep_retrieval_score",
        "haystack": "haystack_integrations.components.rankers.bentorank.BentoRanker.run",
    }.items():
        assert f'id="{name}"' in Path(tmp_path, "site/reference", page, "index.html").read_text(encoding="utf-8")
