"""What a raw path means: one of the known paths where that is plain, else itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bentorank.http.dialects.selection import RERANK_PATHS
from bentorank.http.edge.paths import DECIDING, LEADING, meant_path

KNOWN = frozenset({"/", "/health", "/v1/models", "/infinity/models", "/rerank/batch", "/metrics", *RERANK_PATHS})
PLAIN = {
    "/rerank/": "/rerank",
    "//rerank": "/rerank",
    "/./rerank": "/rerank",
    "/v1//rerank": "/v1/rerank",
    "/v1/v1/rerank": "/v1/rerank",
    "/v2/v2/rerank": "/v2/rerank",
    "/v1/v2/rerank": "/v2/rerank",
    "/rerank/rerank": "/rerank",
    "/v1/rerank/rerank": "/v1/rerank",
    "/v1/rerank/v1/rerank": "/v1/rerank",
    "/v1/ranking/ranking": "/v1/ranking",
    "/api/v1/rerank": "/v1/rerank",
    "/api/rerank": "/api/rerank",
    "/api/rerank/batch": "/rerank/batch",
    "/jina/v1/rerank": "/v1/rerank",
    "/cohere/v2/rerank": "/v2/rerank",
    "/voyage/v1/rerank": "/voyage/rerank",
    "/v1/voyage/v1/rerank/": "/voyage/rerank",
    "/infinity/v1/models": "/infinity/models",
    "//": "/",
    "": "/",
    "/v1/models/": "/v1/models",
}
MEANINGLESS = [
    "/nowhere",
    "/nowhere/rerank",
    "/rerank/nowhere",
    "/v1/../rerank",
    "/health/../rerank",
    "/RERANK",
    "/v1",
    "/voyage",
    "/voyage/health",
    "*",
    "/v1" * 600 + "/rerank",
]
words = st.sampled_from([*sorted(LEADING), "", ".", "..", "health", "metrics", "batch", "models", "x"])
paths = st.lists(words, max_size=8).map(lambda segments: "/" + "/".join(segments))


def meant(path):
    return meant_path(path, KNOWN.__contains__)


@pytest.mark.parametrize(("path", "known"), PLAIN.items())
def test_a_path_with_too_much_means_the_known_one(path, known):
    """A slash, a version or an endpoint twice; `/api` or an API's name in front."""
    assert meant(path) == known


@pytest.mark.parametrize("path", MEANINGLESS)
def test_any_other_path_stays_as_it_is(path):
    """Nothing is guessed."""
    assert meant(path) == path
    assert path not in KNOWN


@given(st.text() | paths)
def test_what_comes_out_is_known_or_what_went_in(path):
    """Never a third thing; and reading it again changes nothing."""
    assert meant(path) in KNOWN | {path}
    assert meant(meant(path)) == meant(path)


@given(paths)
def test_no_word_is_invented_and_only_leading_words_are_dropped(path):
    """What is left is the end of what was asked for, behind the name that decides if there is one."""
    known = meant(path)
    if known != path:
        asked = [word for word in path.split("/") if word not in ("", ".")]
        left = known.split("/")[1:] if known != "/" else []
        if left[:1] and left[0] in DECIDING:
            assert left[0] in asked
            left = left[1:]
        end = asked[:-1] if len(asked) > 1 and asked[-1] == asked[-2] else asked
        assert end[len(end) - len(left) :] == left
        assert set(end[: len(end) - len(left)]) <= LEADING


@given(st.sampled_from(sorted(KNOWN - {"/"})), st.lists(st.sampled_from(["", "."]), max_size=3), st.booleans())
def test_slashes_do_not_matter(known, padding, is_doubled):
    """In front, at the end or doubled within."""
    path = "/".join([*padding, *known.split("/"), *padding])
    assert meant(path.replace("/", "//") if is_doubled else path) == known
