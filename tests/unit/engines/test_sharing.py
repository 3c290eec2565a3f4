"""What the documents of a query begin with is computed once, and every score stays what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from support import varlen_kernel
from support.causal_families import CAUSAL_FAMILIES, UNLIKE_FAMILIES

from bentorank.engines import EngineKind, EngineOptions, Precision, load_engine
from bentorank.engines.checkpoint import open_checkpoint
from bentorank.engines.torch import causal_blocks, forward
from bentorank.engines.torch.causal import SharingForward
from bentorank.engines.torch.causal_packing import PackedCausalForward
from bentorank.engines.torch.causal_rows import lay_out
from bentorank.engines.torch.engine import encoder_of, load_cross_encoder, reference_forward, transformers_module
from bentorank.engines.torch.forward import choose_forward, has_packing_kernel
from bentorank.engines.torch.known_heads import KnownHeads
from bentorank.engines.warm_up import probe_pairs
from bentorank.types import EncodedPair, Pair

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

TOLERANCE = 1e-4

EACH_FAMILY = [pytest.param(name, marks=pytest.mark.families) for name in CAUSAL_FAMILIES]
EACH_FAMILY[:2] = UNLIKE_FAMILIES
pytestmark = pytest.mark.usefixtures("one_thread")

GPU_SHARES = torch.cuda.is_available() and has_packing_kernel(torch.device("cuda"), torch.bfloat16)


class Loaded:
    """A model, the padded way through it, and pairs of several queries."""

    def __init__(self, folder: Path, tiny_models: Any) -> None:
        checkpoint = open_checkpoint(str(folder))
        model = load_cross_encoder(checkpoint, device="cpu", dtype=torch.float32)
        self.encoder = encoder_of(model, checkpoint, fast=False)
        self.padded = reference_forward(model, checkpoint)
        self.module = transformers_module(model)
        self.pad_token_id = checkpoint.pad_token_id
        texts = [*tiny_models.CORPUS, " ".join(tiny_models.CORPUS), "", "x"]
        self.pairs = self.encoder.encode([Pair(q, text) for q in ("lamp", "How long?", "lamp") for text in texts])

    def choose(self) -> Any:
        return choose_forward(self.module, self.padded, self.pad_token_id, probe_pairs(self.encoder))


def batches_of(pairs: Sequence[EncodedPair]) -> Iterator[list[EncodedPair]]:
    """All of one query, mixed, backwards, alone, and all of it a second time."""
    random = np.random.default_rng(3)
    for _ in range(2):
        yield list(pairs)
        yield list(pairs[:7])
        yield list(pairs[::-1])
        for size in (1, 2, 5, 20):
            yield [pairs[place] for place in random.integers(0, len(pairs), size)]
        yield [pairs[0]] * 3


def assert_shares_and_scores_as_padded(loaded: Loaded, way: type = SharingForward) -> None:
    batches = list(batches_of(loaded.pairs))
    expected = [loaded.padded(batch).numpy() for batch in batches]
    assert np.std(np.concatenate(expected)) > 100 * TOLERANCE, "scores too close together to tell anything"
    sharing = loaded.choose()
    assert isinstance(sharing, way)
    for batch, logits in zip(batches, expected, strict=True):
        np.testing.assert_allclose(sharing(batch).numpy(), logits, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("name", EACH_FAMILY)
def test_any_batch_scores_as_padded(
    name: str, tiny_models: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is batched together, whether or not its beginnings are known, and in as many steps as a long text."""
    monkeypatch.setattr(causal_blocks, "_QUERY_STEP", 16)
    family, config = CAUSAL_FAMILIES[name]
    tiny_models.build_causal(tmp_path, family, **config)
    assert_shares_and_scores_as_padded(Loaded(tmp_path, tiny_models))


@pytest.mark.parametrize("name", EACH_FAMILY)
def test_the_gpus_way_scores_as_padded(
    name: str, tiny_models: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that differs from a GPU is that its kernel is a plain one here."""
    family, config = CAUSAL_FAMILIES[name]
    tiny_models.build_causal(tmp_path, family, **config)
    varlen_kernel.register()
    monkeypatch.setattr(forward, "has_packing_kernel", lambda *_: True)
    assert_shares_and_scores_as_padded(Loaded(tmp_path, tiny_models), PackedCausalForward)


def test_a_torch_whose_kernel_knows_no_groups_of_heads_shares_too(
    tiny_models: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of 2.11 takes as many heads of keys as of queries; Qwen3 has fewer."""
    tiny_models.build_causal(tmp_path, "qwen3")
    varlen_kernel.register()
    varlen_kernel.forget_groups(monkeypatch)
    monkeypatch.setattr(forward, "has_packing_kernel", lambda *_: True)
    assert_shares_and_scores_as_padded(Loaded(tmp_path, tiny_models), PackedCausalForward)


@pytest.mark.families
@pytest.mark.parametrize("labels", [1, 2])
def test_a_classifier_of_the_last_token_shares_too(tiny_models: Any, tmp_path: Path, labels: int) -> None:
    """With a chat template; of two labels the second less the first."""
    from bentorank.engines.options import ModelHints

    tiny_models.build_chat_classifier(tmp_path, num_labels=labels)
    options = EngineOptions(str(tmp_path), EngineKind.TORCH, device="cpu", hints=ModelHints(two_labels=labels == 2))
    engine = load_engine(options)
    assert engine.info.padding_free


def test_a_beginning_is_computed_once(tiny_models: Any, tmp_path: Path) -> None:
    """In a batch, and not again in the next one: the model reads the rest of each pair alone."""
    tiny_models.build_causal(tmp_path)
    loaded = Loaded(tmp_path, tiny_models)
    sharing = loaded.choose()
    read: list[int] = []
    loaded.module.get_input_embeddings().register_forward_hook(lambda _, ids, __: read.append(ids[0].numel()))
    pairs = loaded.encoder.encode([Pair("a query of its own", text) for text in tiny_models.CORPUS])
    [head] = {pair.head_tokens for pair in pairs}
    rest = sum(pair.length - head for pair in pairs)
    assert head > 100
    sharing(pairs)
    sharing(pairs)
    assert read == [head + rest, rest]


def test_what_is_kept_is_bounded(tiny_models: Any, tmp_path: Path) -> None:
    """Those that were used last stay; one that is too large for all of it is not kept at all."""
    keys = torch.zeros(10, 2, 4)
    size = 2 * 2 * keys.nbytes
    known = KnownHeads(3 * size)
    for number in range(5):
        ids = np.full(10, number)
        row = lay_out([EncodedPair(np.append(ids, 99), head_tokens=10)], known.lengths)
        heads = known.keys_for(row)
        for layer in range(2):
            heads.completed(layer, torch.zeros(11, 2, 4), torch.zeros(11, 2, 4))
        known.keep(heads.computed)
        assert known.bytes_kept == size * min(number + 1, 3)
        if number == 3:
            known.keys_for(lay_out([EncodedPair(np.append(np.full(10, 1), 99), head_tokens=10)], known.lengths))
    kept = {int(np.frombuffer(ids, np.int64)[0]) for ids in known.lengths}
    assert kept == {1, 3, 4}
    small = KnownHeads(size - 1)
    small.keep(heads.computed)
    assert small.bytes_kept == 0


def test_a_model_that_cannot_share_is_padded_and_says_so_once(
    tiny_models: Any, tmp_path: Path, package_log: pytest.LogCaptureFixture
) -> None:
    """Gemma 2 caps the scores of its attention, which no kernel here does."""
    tiny_models.build_causal(tmp_path, "gemma2")
    engine = load_engine(EngineOptions(str(tmp_path), EngineKind.TORCH, precision=Precision.F32, device="cpu"))
    assert not engine.info.padding_free
    messages = [record.message for record in package_log.records if "begin with" in record.message]
    assert len(messages) == 1
    assert "capped" in messages[0]


def test_a_pair_that_is_all_beginning_is_laid_out() -> None:
    """Its last token is what the score is read at, so it is no part of a head."""
    pairs = [EncodedPair(np.array(ids), head_tokens=3) for ids in ([5, 6, 7], [5, 6, 7, 8], [5, 6, 7, 8, 9])]
    row = lay_out([*pairs, EncodedPair(np.array([4]))], {})
    assert row.input_ids.tolist() == [5, 6, 5, 6, 7, 7, 8, 8, 9, 4]
    assert row.position_ids.tolist() == [0, 1, 0, 1, 2, 2, 3, 3, 4, 0]
    assert row.input_ids[row.ends].tolist() == [7, 8, 9, 4]


@pytest.mark.gpu
@pytest.mark.skipif(not GPU_SHARES, reason="needs a GPU that torch's variable-length attention runs on")
@pytest.mark.parametrize("name", EACH_FAMILY)
def test_a_gpu_shares_and_stays_close(name: str, tiny_models: Any, tmp_path: Path) -> None:
    """In bf16 about two digits are those of the CPU in f32, whatever is batched together."""
    family, config = CAUSAL_FAMILIES[name]
    tiny_models.build_causal(tmp_path, family, **config)
    exact = Loaded(tmp_path, tiny_models)
    options = EngineOptions(
        str(tmp_path), EngineKind.TORCH, device="cuda", precision=Precision.BF16, compile_layers=False
    )
    rounded = load_engine(options)
    assert rounded.info.padding_free
    expected = exact.padded(exact.pairs).numpy()
    for order in (slice(None), slice(None, None, -1), slice(3)):
        np.testing.assert_allclose(rounded.forward(exact.pairs[order]), expected[order], rtol=0.05, atol=0.1)
