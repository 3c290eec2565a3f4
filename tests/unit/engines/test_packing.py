"""A packed row scores as a padded batch does; where it would not, batches are padded."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from bentorank.engines import EngineKind, EngineOptions, Precision, load_engine
from bentorank.engines.checkpoint import open_checkpoint
from bentorank.engines.collation import pack
from bentorank.engines.torch.engine import encoder_of, load_cross_encoder, transformers_module
from bentorank.engines.torch.forward import choose_forward, has_packing_kernel, pack_if_proven
from bentorank.engines.torch.packing import PackedForward
from bentorank.engines.torch.padding import PaddedForward
from bentorank.engines.warm_up import probe_pairs
from bentorank.types import EncodedPair, Pair

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bentorank.engines.encoding import PairEncoder

ROOT = Path(__file__).parents[3]
SAMPLE = ROOT / "benchmarks" / "data" / "sample.json.gz"
WINDOW = 96

GPU_PACKS = torch.cuda.is_available() and has_packing_kernel(torch.device("cuda"), torch.float16)

BUILDS: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("bert", {}),
    "bert-one-layer": ("bert", {"num_hidden_layers": 1}),
    "xlm-roberta": ("xlm-roberta", {}),
    "modernbert": ("modernbert", {}),
    "modernbert-mean": ("modernbert", {"classifier_pooling": "mean"}),
    "modernbert-local-last": ("modernbert", {"num_hidden_layers": 2}),
}


pytestmark = pytest.mark.usefixtures("varlen_attention_on_cpu")


@pytest.fixture(scope="session")
def built(tiny_model: Any) -> Callable[[str], Path]:
    """A function from a name in BUILDS to the folder of that model."""

    def folder_of(name: str) -> Path:
        family, config = BUILDS[name]
        return tiny_model(family, **config)  # type: ignore[no-any-return]

    return folder_of


def test_positions_start_anew_with_each_pair() -> None:
    """From 0, or as RoBERTa counts: after the padding id, which itself is not counted where a text contains it."""
    batch = [EncodedPair(np.array(ids)) for ids in ([7, 8, 9], [7, 1, 8, 9], [7])]
    packed, counted = pack(batch), pack(batch, counted_after=1)
    assert packed.input_ids.tolist() == [[7, 8, 9, 7, 1, 8, 9, 7]]
    assert packed.position_ids.tolist() == [[0, 1, 2, 0, 1, 2, 3, 0]]
    assert counted.position_ids.tolist() == [[2, 3, 4, 2, 1, 3, 4, 2]]
    assert packed.bounds.tolist() == [0, 3, 7, 8]
    assert packed.token_type_ids is None


def load(folder: Path, dtype: torch.dtype = torch.float32) -> tuple[Any, PairEncoder, int]:
    """A model, its tokenizer and its padding id."""
    checkpoint = open_checkpoint(str(folder))
    model = load_cross_encoder(checkpoint, device="cpu", dtype=dtype)
    return transformers_module(model), encoder_of(model, checkpoint, fast=False), checkpoint.pad_token_id


def assert_packed_equals_padded(folder: Path, batches: Sequence[Sequence[EncodedPair]]) -> None:
    model, _, pad_token_id = load(folder)
    padded = PaddedForward(model, pad_token_id)
    expected = [padded(batch).numpy() for batch in batches]
    packed = PackedForward(model, pad_token_id)
    assert np.std(np.concatenate(expected)) > 1e-3, "scores too close together to tell anything"
    for batch, logits in zip(batches, expected, strict=True):
        np.testing.assert_allclose(packed(batch).numpy(), logits, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", BUILDS)
def test_texts_score_as_padded(name: str, built: Callable[[str], Path], tiny_models: Any) -> None:
    """Every family, texts of all lengths, some with a padding token in them, alone and in company."""
    folder = built(name)
    _, encoder, pad_token_id = load(folder)
    passages = [*tiny_models.CORPUS, " ".join(tiny_models.CORPUS) * 2, "", "x", "<pad> and [PAD] and more"]
    pairs = encoder.encode([Pair(query, text) for query in ("lighthouse lamp", "数据库") for text in passages])
    assert any(pad_token_id in pair.input_ids for pair in pairs)
    assert_packed_equals_padded(folder, [pairs, pairs[::-1], *([pair] for pair in pairs)])


@pytest.mark.parametrize("name", BUILDS)
def test_any_composition_of_a_batch_scores_as_padded(name: str, built: Callable[[str], Path]) -> None:
    """Lengths from three tokens to the window, mixed, equal, sorted, alone."""
    folder = built(name)
    model, encoder, _ = load(folder)
    random = np.random.default_rng(5)

    def pair_of(length: int) -> EncodedPair:
        ids = random.integers(5, model.config.vocab_size, length)
        ids[0] = encoder.encode([Pair("a", "b")])[0].input_ids[0]
        has_segments = encoder.encode([Pair("a", "b")])[0].token_type_ids is not None
        return EncodedPair(ids, (np.arange(length) > length // 2).astype(np.int64) if has_segments else None)

    compositions = [[3], [WINDOW], [3] * 7, [WINDOW] * 3, [3, WINDOW], [WINDOW, 3, 4, 5], range(3, WINDOW, 7)]
    compositions += [random.integers(3, WINDOW, 20).tolist() for _ in range(5)]
    assert_packed_equals_padded(folder, [[pair_of(length) for length in lengths] for lengths in compositions])


def test_the_starter_scores_as_padded() -> None:
    """The model that ships, on real text past its window."""
    folder = ROOT / "models" / "starter"
    _, encoder, _ = load(folder)
    sample = json.loads(gzip.decompress(SAMPLE.read_bytes()))
    texts = [*sample["passages"][:5], " ".join(sample["passages"][:6]), "", "[SEP] and [CLS]"]
    pairs = encoder.encode([Pair(sample["queries"][0], text) for text in texts])
    assert_packed_equals_padded(folder, [pairs, pairs[:1]])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", BUILDS)
def test_packing_is_taken_where_it_is_proven(name: str, dtype: torch.dtype, built: Callable[[str], Path]) -> None:
    """Rounding in half precision does not count as a difference."""
    model, encoder, pad_token_id = load(built(name), dtype)
    assert pack_if_proven(model, pad_token_id, probe_pairs(encoder)).padding_free


def test_a_model_that_packing_gets_wrong_is_padded(
    tiny_models: Any, tmp_path: Path, package_log: pytest.LogCaptureFixture
) -> None:
    """A BERT with causal attention: packed logits differ, one line says so, and the scores stay right."""
    tiny_models.build_bert(tmp_path, is_decoder=True)
    model, encoder, pad_token_id = load(tmp_path)
    pairs = probe_pairs(encoder)
    forward = pack_if_proven(model, pad_token_id, pairs)
    assert not forward.padding_free
    assert [record.message.partition(":")[0] for record in package_log.records] == ["batches are padded"]
    reference = AutoModelForSequenceClassification.from_pretrained(tmp_path, is_decoder=True)
    torch.testing.assert_close(forward(pairs), PaddedForward(reference, pad_token_id)(pairs))


def test_an_architecture_that_cannot_be_packed_is_padded(
    tiny_model: Any, package_log: pytest.LogCaptureFixture
) -> None:
    """DeBERTa-v2 has attention of its own; trying it all the same ends in the padded way too."""
    model, encoder, pad_token_id = load(tiny_model("deberta-v2"))
    pairs = probe_pairs(encoder)
    padded = PaddedForward(model, pad_token_id)
    expected = padded(pairs)
    assert choose_forward(model, padded, pad_token_id, pairs) is padded
    assert not package_log.records
    forward = pack_if_proven(model, pad_token_id, pairs)
    assert not forward.padding_free
    assert len(package_log.records) == 1
    torch.testing.assert_close(forward(pairs), expected)


def test_the_cpu_pads(tiny_model: Any) -> None:
    """Padded f32 on the CPU is what everything else is compared with."""
    engine = load_engine(EngineOptions(str(tiny_model("bert")), EngineKind.TORCH, device="cpu"))
    assert not engine.info.padding_free


@pytest.mark.gpu
@pytest.mark.skipif(not GPU_PACKS, reason="needs a GPU that torch's variable-length attention runs on")
@pytest.mark.parametrize("name", BUILDS)
def test_a_gpu_packs_and_stays_close(name: str, built: Callable[[str], Path], tiny_models: Any) -> None:
    """In f16 about three digits are those of the CPU in f32, whatever is batched together."""
    folder = str(built(name))
    exact = load_engine(EngineOptions(folder, EngineKind.TORCH, device="cpu"))
    rounded = load_engine(EngineOptions(folder, EngineKind.TORCH, device="cuda", precision=Precision.F16))
    assert rounded.info.padding_free
    pairs = exact.encode([Pair("lighthouse lamp", text) for text in [*tiny_models.CORPUS, "", "long " * 100]])
    expected = exact.forward(pairs)
    np.testing.assert_allclose(rounded.forward(pairs), expected, rtol=0, atol=0.02)
    np.testing.assert_allclose(rounded.forward(pairs[:1]), expected[:1], rtol=0, atol=0.02)
