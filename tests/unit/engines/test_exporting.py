"""`bentorank export`: a folder that ranks as the original in either engine, or none at all."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from typer.testing import CliRunner

from bentorank.cli.app import app
from bentorank.engines import EngineKind, EngineOptions, Precision, load_engine
from bentorank.engines.checkpoint import open_checkpoint
from bentorank.engines.hardware import cpu_has_int8_dot_products
from bentorank.types import Pair
from bentorank.wiring import resolve_model

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result

# The models here have random weights, which rounding moves further than it does learnt ones.
LOOSE = ("--min-correlation", "0.9", "--limit-queries", "4")

needs_int8_arithmetic = pytest.mark.skipif(
    not cpu_has_int8_dot_products(), reason="a CPU without int8 dot products cannot judge a calibrated model"
)


@pytest.fixture(autouse=True)
def shared_conversions(monkeypatch: pytest.MonkeyPatch, cache_dir: Path) -> None:
    """Where the other tests keep theirs."""
    monkeypatch.setenv("BENTORANK_CACHE_DIR", str(cache_dir))


def run(model: Path | str, out: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["export", "--model", str(model), "--out", str(out), *arguments])


def logits(model: Path | str, corpus: list[str], kind: EngineKind, precision: Precision, cache_dir: Path) -> Any:
    engine = load_engine(EngineOptions(str(model), kind, precision=precision, device="cpu", cache_dir=cache_dir))
    return engine.forward(engine.encode([Pair("lighthouse lamp", passage) for passage in corpus]))


def texts(folder: Path, corpus: list[str], qrels: str) -> list[str]:
    """The options that name files of two queries and these passages, d0 and so on."""
    folder.mkdir(exist_ok=True)
    (folder / "corpus.tsv").write_text("".join(f"d{number}\t{text}\n" for number, text in enumerate(corpus)))
    (folder / "queries.tsv").write_text("q1\twhat do owls hunt with bread\nq2\twhat do whales eat at night\n")
    (folder / "qrels.tsv").write_text(qrels)
    return [word for name in ("corpus", "queries", "qrels") for word in (f"--{name}", str(folder / f"{name}.tsv"))]


def record(folder: Path) -> Any:
    return json.loads((folder / "openvino" / "export.json").read_text())


def scales(folder: Path) -> int:
    """How many activations have a fixed scale."""
    return (folder / "openvino" / "int8.xml").read_text().count('type="FakeQuantize"')


def test_an_exported_model_ranks_as_the_original_in_both_engines(
    converted: Any, tiny_models: Any, cache_dir: Path, tmp_path: Path
) -> None:
    """OpenVINO loads what was converted, with nothing to convert; torch loads the same weights as before."""
    folder, out, unused = converted("bert"), tmp_path / "exported", tmp_path / "unused"
    result = run(folder, out, "--precision", "f32", *LOOSE)
    assert result.exit_code == 0, result.output
    for kind in (EngineKind.OPENVINO, EngineKind.TORCH):
        before = logits(folder, tiny_models.CORPUS, kind, Precision.F32, cache_dir)
        np.testing.assert_array_equal(logits(out, tiny_models.CORPUS, kind, Precision.F32, unused), before)
    assert not unused.exists()
    written = record(out)
    assert {*written["files"]} == {
        "model.safetensors",
        *(f"openvino/{name}" for name in ("f32.bin", "f32.xml", "tokenizer.json")),
    }
    assert (written["precision"], written["activations"]) == ("f32", "not rounded")
    assert written["agreement"]["pairs"] == 40
    assert f"{written['agreement']['correlation']:.5f}" in result.stdout


@needs_int8_arithmetic
@pytest.mark.parametrize(
    "family",
    ["bert", *(pytest.param(name, marks=pytest.mark.families) for name in ("xlm-roberta", "modernbert", "deberta-v2"))],
)
def test_every_family_is_calibrated(converted: Any, tmp_path: Path, family: str) -> None:
    """On the passages of one query, and compared on those of the other; NNCF says nothing of its own."""
    result = run(converted(family), tmp_path / "out", "--limit-queries", "2", "--min-correlation", "0.5")
    assert result.exit_code == 0, result.output
    assert "calibrated, compared on 10 pairs" in result.stdout
    assert "INFO" not in result.output
    assert record(tmp_path / "out")["activations"] == "calibrated"
    assert scales(tmp_path / "out") > 0


@pytest.mark.slow
@needs_int8_arithmetic
def test_a_model_that_calibration_harms_has_its_weights_rounded_alone(converted: Any, tmp_path: Path) -> None:
    """And both the table and the folder say so. Random weights of this family are harmed more than learnt ones."""
    out = tmp_path / "exported"
    result = run(converted("deberta-v2"), out, "--limit-queries", "4", "--min-correlation", "0.98")
    assert result.exit_code == 0, result.output
    assert "20 pairs: calibrated, the model has logits that correlate by" in " ".join(result.stdout.split())
    assert record(out)["activations"] == "rounded as they come"
    assert record(out)["agreement"]["correlation"] >= 0.98
    assert scales(out) == 0


@pytest.mark.slow
@needs_int8_arithmetic
def test_the_starter_is_calibrated_anew_and_served(tmp_path: Path) -> None:
    """From its f32 weights, within the default tolerance; queries of one's own add nDCG@10."""
    corpus = ["owls hunt mice at night", "bread needs flour and water", "whales eat krill"]
    result = run("starter", tmp_path / "out", *texts(tmp_path, corpus, "q1\td0\t1\nq2\td2\t1\n"))
    assert result.exit_code == 0, result.output
    assert "nDCG@10 before → after" in result.stdout
    assert record(tmp_path / "out")["activations"] == "calibrated"
    unused = tmp_path / "unused"
    before, after = (
        logits(model, corpus, EngineKind.OPENVINO, Precision.AUTO, unused)
        for model in (resolve_model("starter"), tmp_path / "out")
    )
    assert not unused.exists()
    np.testing.assert_allclose(after, before, atol=0.5)


def test_a_model_that_disagrees_is_not_handed_over(converted: Any, tmp_path: Path) -> None:
    """Status 1, one sentence, and what was there stays, without a trace of the attempt beside it."""
    out = tmp_path / "exported"
    out.mkdir()
    (out / "config.json").write_text("{}")
    result = run(converted("bert"), out, "--force", "--limit-queries", "4", "--min-correlation", "1")
    assert result.exit_code == 1
    assert "not exported: the int8 model of bert has logits that correlate by " in result.stderr
    assert [path.name for path in tmp_path.rglob("*")] == ["exported", "config.json"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["taken"], "taken exists: choose another --out, or let --force replace it"),
        (["other", "--force"], "other is no model folder, and --force replaces nothing else"),
        (["bert/inside"], "lie in each other"),
        (["new", "--corpus", "c"], "take all three of --corpus, --queries and --qrels"),
        (["new", "--precision", "bf16"], "bf16"),
    ],
)
def test_what_must_not_be_written_is_refused_at_once(
    tiny_models: Any, tmp_path: Path, arguments: list[str], problem: str
) -> None:
    """Status 2, before anything is converted."""
    tiny_models.build_bert(tmp_path / "bert")
    (tmp_path / "taken").mkdir()
    (tmp_path / "other").mkdir()
    result = run(tmp_path / "bert", tmp_path / arguments[0], *arguments[1:])
    assert result.exit_code == 2
    assert problem in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bert", "other", "taken"]


def test_force_replaces_a_model(converted: Any, tmp_path: Path) -> None:
    """All of it: nothing of the old one stays."""
    out = tmp_path / "exported"
    (out / "openvino").mkdir(parents=True)
    (out / "config.json").write_text("{}")
    (out / "openvino" / "int8.xml").write_text("old")
    result = run(converted("bert"), out, "--force", "--precision", "f32", *LOOSE)
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in (out / "openvino").iterdir()) == [
        *("export.json", "f32.bin", "f32.xml", "tokenizer.json"),
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["exported"]


@pytest.mark.families
def test_what_was_said_of_a_model_goes_with_it(
    tiny_models: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever serves the folder need not say again which of two labels is relevance."""
    tiny_models.build_bert(tmp_path / "two", num_labels=2)
    monkeypatch.setenv("BENTORANK_TWO_LABELS", "true")
    result = run(tmp_path / "two", tmp_path / "out", "--precision", "f32", *LOOSE)
    assert result.exit_code == 0, result.output
    assert open_checkpoint(str(tmp_path / "out")).two_labels
