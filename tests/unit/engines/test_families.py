"""Any family of sequence classifiers that reads pairs: it scores as sentence-transformers does, or is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from bentorank.engines import EngineKind, EngineOptions, Precision, load_engine
from bentorank.errors import ConfigurationError
from bentorank.types import Pair

if TYPE_CHECKING:
    from pathlib import Path

    from bentorank.engines import Engine

TOLERANCES = {EngineKind.TORCH: 1e-5, EngineKind.OPENVINO: 1e-4}
ENGINES = list(TOLERANCES)
QUERIES = ("lighthouse lamp", "How long to learn?")

ALWAYS = ("mpnet",)
SERVED = (
    "albert",
    "bert",
    "big_bird",
    "camembert",
    "data2vec-text",
    "deberta",
    "electra",
    "ernie",
    "ibert",
    "megatron-bert",
    "rembert",
    "roberta",
    "roformer",
    "squeezebert",
)
TORCH_ALONE = ("longformer", "xlm", "flaubert")


def some(families: tuple[str, ...]) -> list[Any]:
    """All of them but for `ALWAYS` take minutes."""
    return [pytest.param(family, marks=pytest.mark.families) for family in families]


def load(folder: Path, engine: EngineKind) -> Engine:
    options = EngineOptions(
        model=str(folder),
        engine=engine,
        precision=Precision.F32,
        device="cpu",
        threads=1,
        cache_dir=folder.parent / "cache",
    )
    return load_engine(options)


def check_scores(tiny_models: Any, folder: Path, kind: EngineKind) -> None:
    """Equal to CrossEncoder.predict, alone and in any company."""
    engine = load(folder, kind)
    passages = [*tiny_models.CORPUS, " ".join(tiny_models.CORPUS) * 2, "x"]
    pairs = [Pair(query, passage) for query in QUERIES for passage in passages]
    model = tiny_models.reference(folder)
    model.max_seq_length = min(model.max_seq_length or engine.info.max_tokens, engine.info.max_tokens)
    expected = model.predict([tuple(pair) for pair in pairs], activation_fn=torch.nn.Identity())
    encoded = engine.encode(pairs)
    tolerance = TOLERANCES[kind]
    assert np.std(expected) > 100 * tolerance, "scores too close together to tell anything"
    np.testing.assert_allclose(engine.forward(encoded), expected, rtol=0, atol=tolerance)
    alone = np.concatenate([engine.forward([pair]) for pair in encoded])
    np.testing.assert_allclose(alone, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("of_bytes", [False, True], ids=["word-pieces", "bytes"])
@pytest.mark.parametrize("kind", ENGINES)
@pytest.mark.parametrize("family", [*ALWAYS, *some(SERVED)])
def test_a_family_scores_as_sentence_transformers_does(tiny_models, tmp_path, family, kind, of_bytes):
    """With a tokenizer that marks segments and with one that does not, whether the model takes them or not."""
    folder = tmp_path / family
    tiny_models.build_any(folder, family, of_bytes=of_bytes)
    check_scores(tiny_models, folder, kind)


@pytest.mark.parametrize("family", some(TORCH_ALONE))
def test_what_openvino_cannot_convert_is_served_by_torch(tiny_models, tmp_path, family):
    """The sentence says so, and whose fault it is."""
    folder = tmp_path / family
    tiny_models.build_any(folder, family)
    check_scores(tiny_models, folder, EngineKind.TORCH)
    with pytest.raises(ConfigurationError, match=f"OpenVINO cannot convert {family}, try the torch engine"):
        load(folder, EngineKind.OPENVINO)


@pytest.mark.parametrize("kind", ENGINES)
def test_a_family_without_an_attention_mask_is_refused(tiny_models, tmp_path, kind):
    """It reads padding as text."""
    folder = tmp_path / "fnet"
    tiny_models.build_any(folder, "fnet")
    with pytest.raises(ConfigurationError, match="takes no attention mask: it reads padding as text"):
        load(folder, kind)


@pytest.mark.parametrize("family", ["convbert", *some(("mobilebert",))])
def test_a_family_that_reads_padding_all_the_same_is_refused(tiny_models, tmp_path, family):
    """Found by trying: a convolution or a mean over the length sees what a mask hides from attention."""
    folder = tmp_path / family
    tiny_models.build_any(folder, family)
    with pytest.raises(ConfigurationError, match=r"beside a longer one than alone, as if padding were text"):
        load(folder, EngineKind.TORCH)
