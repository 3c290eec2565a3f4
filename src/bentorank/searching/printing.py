"""How hits are written: `file:line:score:text` as `grep` does, in colour on a terminal, or as JSON lines."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from bentorank.searching.scoring import Hit

FILE, LINE, SCORE, SEPARATOR, BEST = "magenta", "green", "yellow", "cyan", "bold red"  # grep's own, where it has them
# What a file could do to a terminal that shows it.
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
LEAST_IN_FULL = 0.0001


@dataclass(frozen=True, slots=True)
class Layout:
    """What of a hit is shown: with its file or not, and of `whole` files the best span in place of all."""

    with_file: bool
    whole: bool

    def plain(self, hit: Hit) -> str:
        """For a pipe or a file: the text as it is."""
        return ":".join([*self._prefix(hit), self._text(hit)])

    def coloured(self, hit: Hit) -> Text:
        """For a terminal, with the best span marked where it is not all that there is."""
        prefix = zip(self._prefix(hit), (FILE, LINE, SCORE) if self.with_file else (LINE, SCORE), strict=True)
        line = Text()
        for part, style in prefix:
            line.append(part, style).append(":", SEPARATOR)
        text = Text(CONTROLS.sub("\ufffd", self._text(hit)))
        if not self.whole and hit.excerpt != hit.passage.text.strip():
            text.stylize(BEST, hit.span.start, hit.span.end)
        return line.append_text(text)

    def as_json(self, hit: Hit) -> str:
        """One object, in one line. `span` counts code points of the line, or of the whole file."""
        text = {"excerpt": hit.excerpt} if self.whole else {"text": hit.passage.text}
        place = {"file": hit.passage.source, "line": hit.line}
        return json.dumps(
            place | {"score": hit.score, "logit": hit.logit} | text | {"span": list(hit.span)}, ensure_ascii=False
        )

    def _prefix(self, hit: Hit) -> list[str]:
        return [*([hit.passage.source] if self.with_file else []), str(hit.line), shown_score(hit.score)]

    def _text(self, hit: Hit) -> str:
        return hit.excerpt if self.whole else hit.passage.text


def shown_score(score: float) -> str:
    """Four decimals, or as many digits as tell a small score from none."""
    return f"{score:.4f}" if score >= LEAST_IN_FULL else f"{score:.1e}"
