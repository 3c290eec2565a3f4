"""The bi-encoder baseline ranks by cosine, with a model that is made here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from bentorank.evaluation.errors import EvaluationError
from bentorank.evaluation.reranking import order
from bentorank.evaluation.scorers import BiEncoderScorer

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("sentence_transformers", reason="the bi-encoder baseline needs sentence-transformers")

# Words as directions: owls and birds nearly the same, bread at a right angle to both.
VECTORS = {"[UNK]": (0.0, 0.1), "owls": (1.0, 0.0), "birds": (0.9, 0.2), "bread": (0.0, 5.0)}


@pytest.fixture
def model(tmp_path: Path) -> str:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    words = Tokenizer(WordLevel({word: place for place, word in enumerate(VECTORS)}, unk_token="[UNK]"))
    words.pre_tokenizer = Whitespace()
    weights = np.array(list(VECTORS.values()), dtype=np.float32)
    folder = tmp_path / "bi-encoder"
    SentenceTransformer(modules=[StaticEmbedding(words, embedding_weights=weights)], device="cpu").save(str(folder))
    return str(folder)


def test_passages_are_ranked_by_cosine(model: str) -> None:
    """The direction counts, not the length; a passage that comes again scores the same."""
    scorer = BiEncoderScorer(model)
    assert scorer.name == "bi-encoder (bi-encoder cosine)"
    scored = scorer.score("owls", ["bread", "birds", "owls"])
    assert order(scored.scores) == [2, 1, 0]
    assert scored.scores.tolist() == pytest.approx([0.0, 0.9 / (0.9**2 + 0.2**2) ** 0.5, 1.0], abs=1e-6)
    assert scorer.score("owls", ["birds"]).scores[0] == scored.scores[1]


def test_a_model_that_is_not_there_is_said(tmp_path: Path) -> None:
    """The option and the model are named."""
    with pytest.raises(EvaluationError, match="--bi-encoder"):
        BiEncoderScorer(str(tmp_path / "nowhere"))
