"""A converted language model: served without torch, rounded, exported, never asked otherwise than it was made for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.conversion import convert_here
from typer.testing import CliRunner

from bentorank.cli.app import app
from bentorank.engines import EngineKind, EngineOptions, Precision, load_engine
from bentorank.engines.hardware import cpu_has_native_bf16
from bentorank.engines.options import ModelHints
from bentorank.errors import ConfigurationError
from bentorank.types import LengthPolicy, Pair

if TYPE_CHECKING:
    from pathlib import Path

    from bentorank.engines import Engine

SCORE_WITHOUT_TORCH = """
import json, sys
from pathlib import Path
from bentorank.engines import EngineOptions, Precision, load_engine
from bentorank.types import LengthPolicy, Pair
engine = load_engine(EngineOptions(sys.argv[1], precision=Precision.F32, device="cpu", cache_dir=Path(sys.argv[2])))
pairs = [Pair("lamp", text) for text in json.loads(sys.argv[3])]
encoded = [chunk for (chunk,) in engine.encode_chunks(pairs, LengthPolicy(instruction=sys.argv[4]))]
print(json.dumps(engine.forward(encoded).tolist()))
heavy = {"torch", "transformers", "sentence_transformers", "nncf", "jinja2"} & set(sys.modules)
assert not heavy, heavy
"""
INSTRUCTION = " Find bread:\n"


@pytest.fixture(scope="module")
def causal(tiny_models: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small random Qwen3 with LogitScore and chat template, and its conversions in `cache` beside it."""
    folder: Path = tmp_path_factory.mktemp("causal") / "model"
    tiny_models.build_causal(folder)
    tiny_models.add_logit_score(folder, "yes", "no")
    convert_here(folder, folder.with_name("cache"))
    return folder


def load(folder: Path, precision: Precision = Precision.F32, cache: Path | None = None, **hints: Any) -> Engine:
    return load_engine(
        EngineOptions(
            str(folder),
            precision=precision,
            device="cpu",
            cache_dir=cache or folder.with_name("cache"),
            hints=ModelHints(**hints),
        )
    )


def score(engine: Engine, texts: list[str], instruction: str | None = None) -> Any:
    pairs = [Pair("lamp", text) for text in texts]
    encoded = [chunk for (chunk,) in engine.encode_chunks(pairs, LengthPolicy(instruction=instruction))]
    return engine.forward(encoded)


def test_a_converted_language_model_needs_no_torch(causal: Path, tiny_models: Any) -> None:
    """Nor transformers, nor its template's code, whatever the instruction; `auto` takes OpenVINO."""
    arguments = [str(causal), str(causal.with_name("cache")), json.dumps(tiny_models.CORPUS), INSTRUCTION]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", SCORE_WITHOUT_TORCH, *arguments]
    child = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert child.returncode == 0, child.stderr
    reference = tiny_models.reference(causal)
    pairs = [("lamp", text) for text in tiny_models.CORPUS]
    expected = reference.predict(pairs, prompt=INSTRUCTION, activation_fn=None, apply_softmax=False)
    logits = np.array(json.loads(child.stdout))
    np.testing.assert_allclose(1 / (1 + np.exp(-logits)), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    "precision",
    [
        pytest.param(Precision.INT8, marks=pytest.mark.families),
        pytest.param(
            Precision.BF16, marks=pytest.mark.skipif(not cpu_has_native_bf16(), reason="this CPU would emulate bf16")
        ),
    ],
)
def test_rounded_language_models_stay_close(causal: Path, tiny_models: Any, precision: Precision) -> None:
    """Rounding is another precision of the same model, under another fingerprint."""
    convert_here(causal, causal.with_name("cache"), quantize=precision is Precision.INT8)
    rounded, exact = load(causal, precision), load(causal)
    assert (rounded.info.engine, rounded.info.precision) == ("openvino", precision)
    assert rounded.info.fingerprint != exact.info.fingerprint
    expected = score(exact, tiny_models.CORPUS)
    assert np.corrcoef(score(rounded, tiny_models.CORPUS), expected)[0, 1] > 0.99


@pytest.mark.slow
def test_an_exported_language_model_is_asked_as_it_was_exported(
    causal: Path, tiny_models: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its prompts and answers lie beside it; with another template, or answer, it is refused."""
    monkeypatch.setenv("BENTORANK_CACHE_DIR", str(causal.with_name("cache")))
    out = tmp_path / "out"
    command = ["export", "--model", str(causal), "--out", str(out), "--min-correlation", "0.9", "--limit-queries", "2"]
    result = CliRunner().invoke(app, [*command])
    assert result.exit_code == 0, result.output
    assert "activations rounded as they come" in " ".join(result.stdout.split())
    exported = load(out, Precision.INT8, tmp_path / "unused")
    assert exported.info.takes_instruction
    expected = score(load(causal), tiny_models.CORPUS, INSTRUCTION)
    assert np.corrcoef(score(exported, tiny_models.CORPUS, INSTRUCTION), expected)[0, 1] > 0.99
    assert not (tmp_path / "unused").exists()
    template = out / "chat_template.jinja"
    template.write_text(template.read_text().replace("<Query>", "<Question>"))
    with pytest.raises(ConfigurationError, match="converted for OpenVINO with another prompt or answer"):
        load(out, Precision.INT8)
    with pytest.raises(ConfigurationError, match="converted for OpenVINO with another prompt or answer"):
        load(out, Precision.INT8, prompt_format="qwen3-reranker")


@pytest.mark.families
def test_another_prompt_or_answer_is_another_conversion(causal: Path, tiny_models: Any, tmp_path: Path) -> None:
    """One cache holds the same weights asked in several ways, and each scores as torch does."""
    folder = tmp_path / "model"
    tiny_models.build_causal(folder, max_position_embeddings=640)
    tiny_models.set_window(folder, 640)
    cases: list[tuple[str, dict[str, Any]]] = [
        ("as it is", {}),
        ("named", {"prompt_format": "qwen3-reranker"}),
        ("named otherwise", {"prompt_format": "zerank"}),
        ("another template", {}),
        ("another answer", {}),
    ]
    seen = []
    for case, hints in cases:
        if case == "another template":
            template = folder / "chat_template.jinja"
            template.write_text(template.read_text().replace("<Query>", "<Question>"))
        if case == "another answer":
            tiny_models.add_logit_score(folder, "1", "0")
        torch = load_engine(
            EngineOptions(
                str(folder), EngineKind.TORCH, precision=Precision.F32, device="cpu", hints=ModelHints(**hints)
            )
        )
        expected = score(torch, tiny_models.CORPUS)
        np.testing.assert_allclose(score(load(folder, **hints), tiny_models.CORPUS), expected, rtol=0, atol=1e-4)
        seen.append(expected)
    assert len({scores.tobytes() for scores in seen}) == len(cases)
    assert len([path for path in (tmp_path / "cache" / "openvino").iterdir() if path.is_dir()]) == len(cases)


@pytest.mark.families
def test_an_instruction_that_prompts_have_no_place_for_is_refused(tiny_models: Any, tmp_path: Path) -> None:
    """As the torch engine does."""
    folder = tmp_path / "model"
    tiny_models.build_causal(folder, template=tiny_models.BARE_TEMPLATE)
    tiny_models.add_logit_score(folder, "1", "0")
    convert_here(folder, tmp_path / "cache")
    with pytest.raises(ConfigurationError, match="have no instruction"):
        load(folder, instruction="Find bread.")
