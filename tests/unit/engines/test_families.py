"""Any family of sequence classifiers that reads pairs: it scores as sentence-transformers does, or is refused."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from bentorank.engines import EngineKind, EngineOptions, Precision, load_engine
from bentorank.engines.checkpoint import open_checkpoint
from bentorank.engines.openvino.conversion import convert
from bentorank.engines.openvino.ir_store import cache_folder
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
    "eurobert",
    "gemma",
    "gpt2",
    "ibert",
    "llama",
    "megatron-bert",
    "mobilebert",
    "nomic_bert",
    "opt",
    "qwen3",
    "rembert",
    "roberta",
    "roberta-prelayernorm",
    "roformer",
    "squeezebert",
)
TORCH_ALONE = ("funnel", "longformer", "xlm", "flaubert")
# Its layers do not normalise, so that other kernels for another width round by more.
COARSE = {"mobilebert": 1e-4}


def some(values: tuple[Any, ...]) -> list[Any]:
    """All of them together take minutes."""
    return [pytest.param(value, marks=pytest.mark.families) for value in values]


# Both engines refuse by the same check.
TORCH_FIRST = [EngineKind.TORCH, *some((EngineKind.OPENVINO,))]


def load(folder: Path, engine: EngineKind) -> Engine:
    """In f32. Converts in this process, which has torch already."""
    cache_dir = folder.parent / "cache"
    if engine is EngineKind.OPENVINO:
        checkpoint = open_checkpoint(str(folder))
        target = cache_folder(checkpoint, cache_dir, quantized=False)
        target.mkdir(parents=True)
        with warnings.catch_warnings(action="ignore"):  # torch comments on what it traces
            convert(checkpoint, target, quantize=False)
    options = EngineOptions(str(folder), engine, precision=Precision.F32, device="cpu", threads=1, cache_dir=cache_dir)
    return load_engine(options)


def check_scores(tiny_models: Any, folder: Path, kind: EngineKind) -> Engine:
    """Equal to CrossEncoder.predict, alone and in any company."""
    engine = load(folder, kind)
    passages = [*tiny_models.CORPUS, " ".join(tiny_models.CORPUS) * 2, "x"]
    pairs = [Pair(query, passage) for query in QUERIES for passage in passages]
    model = tiny_models.reference(folder)
    model.max_seq_length = min(model.max_seq_length or engine.info.max_tokens, engine.info.max_tokens)
    expected = model.predict([tuple(pair) for pair in pairs], activation_fn=torch.nn.Identity())
    encoded = engine.encode(pairs)
    tolerance = max(TOLERANCES[kind], COARSE.get(folder.name, 0))
    assert np.std(expected) > 100 * tolerance, "scores too close together to tell anything"
    np.testing.assert_allclose(engine.forward(encoded), expected, rtol=0, atol=tolerance)
    alone = np.concatenate([engine.forward([pair]) for pair in encoded])
    np.testing.assert_allclose(alone, expected, rtol=0, atol=tolerance)
    return engine


def forget_limit(folder: Path, limit: int | None = None) -> None:
    """Let the tokenizer state another limit, or none."""
    file = folder / "tokenizer_config.json"
    settings = json.loads(file.read_text())
    del settings["model_max_length"]
    file.write_text(json.dumps(settings if limit is None else settings | {"model_max_length": limit}))


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


@pytest.mark.parametrize("family", ["convbert", *some(("xlnet",))])
def test_a_family_that_reads_padding_all_the_same_is_refused(tiny_models, tmp_path, family):
    """Found by trying: a convolution sees what a mask hides from attention, and some heads read the last token."""
    folder = tmp_path / family
    tiny_models.build_any(folder, family)
    with pytest.raises(ConfigurationError, match=r"beside a longer one than alone, as if padding were text"):
        load(folder, EngineKind.TORCH)


@pytest.mark.parametrize("kind", ENGINES)
@pytest.mark.parametrize("family", ["roberta", *some(("data2vec-text", "ibert", "xlm-roberta"))])
def test_positions_after_the_padding_id_are_read_to_the_last(tiny_models, tmp_path, family, kind):
    """The table has two rows more than the window, which the tokenizer does not state; the longest pair fills it."""
    folder = tmp_path / family
    tiny_models.build_any(folder, family, of_bytes=True, max_position_embeddings=tiny_models.WINDOW + 2)
    forget_limit(folder)
    assert check_scores(tiny_models, folder, kind).info.max_tokens == tiny_models.WINDOW


@pytest.mark.parametrize("kind", TORCH_FIRST)
def test_a_window_beyond_the_positions_is_refused(tiny_models, tmp_path, kind):
    """GPT-2 calls its positions otherwise than most, and the tokenizer promises more of them."""
    folder = tmp_path / "gpt2"
    tiny_models.build_any(folder, "gpt2")
    forget_limit(folder, 1000)
    with pytest.raises(ConfigurationError, match=r"positions for 104 tokens.*1000: set BENTORANK_MAX_PAIR_TOKENS=104"):
        load(folder, kind)


@pytest.mark.parametrize("kind", TORCH_FIRST)
def test_a_model_without_a_padding_token_is_refused(tiny_models, tmp_path, kind):
    """Its head looks for the last token that is no padding."""
    folder = tmp_path / "gpt2"
    tiny_models.build_any(folder, "gpt2")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"pad_token_id": None}))
    with pytest.raises(ConfigurationError, match=r"cannot score pairs together: ValueError: .*no padding token"):
        load(folder, kind)


def test_a_head_that_counts_tokens_of_a_text_is_refused(tiny_models, tmp_path):
    """BART's wants as many `</s>` in each pair of a batch, and a passage may contain one."""
    folder = tmp_path / "bart"
    tiny_models.build_any(folder, "bart")
    with pytest.raises(ConfigurationError, match="cannot score pairs together: ValueError: All examples must have"):
        load(folder, EngineKind.TORCH)


@pytest.mark.parametrize("kind", TORCH_FIRST)
def test_segments_that_the_model_has_no_row_for_are_refused(tiny_models, tmp_path, kind):
    """A tokenizer that marks the passage, and a model with one segment: sentence-transformers raises an IndexError."""
    folder = tmp_path / "roberta"
    tiny_models.build_any(folder, "roberta", type_vocab_size=1)
    with pytest.raises(ConfigurationError, match="its tokenizer gives tokens, segments or positions that it has no"):
        load(folder, kind)
