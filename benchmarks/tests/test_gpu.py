"""The formula for floating-point operations, and that the GPU benchmark runs where there is no GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pytest
import torch
import typer
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.gpu.__main__ import main
from benchmarks.harness.encoder_shapes import TINY, encoder_flops, random_cross_encoder

if TYPE_CHECKING:
    from pathlib import Path


def test_the_formula_counts_what_torch_counts() -> None:
    """But for the head, which is two products of one token with a matrix."""
    model = random_cross_encoder(TINY, torch.device("cpu"), torch.float32)
    model.set_attn_implementation("eager")  # whose products torch counts on the CPU as well
    width, (pairs, tokens) = TINY["hidden_size"], (3, 40)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model(input_ids=torch.full((pairs, tokens), 7))
    head = 2 * pairs * (width**2 + width)
    assert counter.get_total_flops() == encoder_flops(TINY, [tokens] * pairs) + head


def test_it_runs_on_the_cpu_and_publishes_nothing(tmp_path: Path) -> None:
    """A tiny run writes both files where it is told to, and refuses to write beside real results."""
    main(device="cpu", tiny=True, out=tmp_path)
    result = orjson.loads((tmp_path / "gpu.json").read_bytes())
    assert [step["batch_tokens"] for step in result["sweep"]] == [256, 1024]
    assert result["comparison"]["largest_difference"] < 1e-4
    assert "of the matrix product" in (tmp_path / "gpu.md").read_text()
    with pytest.raises(typer.BadParameter):
        main(device="cpu", tiny=True)
