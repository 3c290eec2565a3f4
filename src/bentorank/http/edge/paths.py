"""Which known path a request means: clients append their path to whatever base URL they were given.

A slash too many, a version or an endpoint twice, `/api` or the name of an API in front: all that is plain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# What base URLs end in. Of the names of APIs, `infinity` and `voyage` lead to paths of their own.
LEADING = frozenset(
    {
        *("api", "v1", "v2", "rerank", "reranking", "playground"),
        *("cohere", "infinity", "jina", "mixedbread", "nim", "tei", "vllm", "voyage", "xinference"),
    }
)
DECIDING = frozenset({"infinity", "voyage"})
# Longer than any path that means something; nobody's paths are split without end.
MAX_PATH_CHARS = 1024


def meant_path(path: str, is_known: Callable[[str], bool]) -> str:
    """The known path that `path` means, itself if it is known or means none.

    Whoever guards paths must guard what this returns, and whoever serves them must serve that.
    """
    if is_known(path) or len(path) > MAX_PATH_CHARS:
        return path
    segments = [segment for segment in path.split("/") if segment not in ("", ".")]
    # A base URL may have been the endpoint already, as in /v1/rerank/rerank.
    if len(segments) > 1 and segments[-1] == segments[-2]:
        segments.pop()
    return next(filter(is_known, _without_leading(segments)), path)


def _without_leading(segments: list[str]) -> list[str]:
    """The paths that are left when none, one, two … leading segments are dropped, as far as those mean nothing."""
    paths, prefix = ["/" + "/".join(segments)], ""
    for dropped, segment in enumerate(segments[:-1], 1):
        if segment not in LEADING:
            break
        prefix = prefix or (f"/{segment}" if segment in DECIDING else "")
        paths.append("/".join([prefix, *segments[dropped:]]))
    return paths
