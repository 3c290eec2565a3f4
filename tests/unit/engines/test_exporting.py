"""`bentorank export`: a folder that ranks as the original in either engine, or none at all."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from bentorank.cli.export import export
from bentorank.engines import EngineKind, EngineOptions, Precision, load_engine
from bentorank.types import Pair
from bentorank.wiring import resolve_model

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result

# The models here have random weights, which rounding moves further than it does learnt ones.
LOOSE = ("--min-correlation", "0.9", "--limit-queries", "4")


@pytest.fixture(autouse=True)
def shared_conversions(monkeypatch: pytest.MonkeyPatch, cache_dir: Path) -> None:
    """Where the other tests keep theirs."""
    monkeypatch.setenv("BENTORANK_CACHE_DIR", str(cache_dir))


def run(model: Path | str, out: Path, *arguments: str) -> Result:
    app = typer.Typer()
    app.command()(export)
    return CliRunner().invoke(app, ["--model", str(model), "--out", str(out), *arguments])


def logits(model: Path | str, corpus: list[str], kind: EngineKind, precision: Precision, cache_dir: Path) -> Any:
    engine = load_engine(EngineOptions(str(model), kind, precision=precision, device="cpu", cache_dir=cache_dir))
    return engine.forward(engine.encode([Pair("lighthouse lamp", passage) for passage in corpus]))


@pytest.mark.parametrize("precision", [Precision.INT8, Precision.F32])
def test_an_exported_model_ranks_as_the_original_in_both_engines(
    converted: Any, tiny_models: Any, cache_dir: Path, tmp_path: Path, precision: Precision
) -> None:
    """OpenVINO loads what was converted, with nothing to convert; torch loads the same weights as before."""
    served_as = Precision.AUTO if precision is Precision.INT8 else precision
    folder, out, unused = converted("bert"), tmp_path / "exported", tmp_path / "unused"
    result = run(folder, out, "--precision", precision, *LOOSE)
    assert result.exit_code == 0, result.output
    for kind, asked, served in (
        (EngineKind.OPENVINO, precision, served_as),
        (EngineKind.TORCH, Precision.F32, Precision.F32),
    ):
        before = logits(folder, tiny_models.CORPUS, kind, asked, cache_dir)
        np.testing.assert_array_equal(logits(out, tiny_models.CORPUS, kind, served, unused), before)
    assert not unused.exists()
    record = json.loads((out / "openvino" / "export.json").read_text())
    assert (record["precision"], record["agreement"]["pairs"]) == (precision, 40)
    assert f"{record['agreement']['correlation']:.5f}" in result.stdout


def test_the_starter_is_exported_and_served_alike(tmp_path: Path) -> None:
    """Its own int8 form comes along, within the default tolerance; queries of one's own add nDCG@10."""
    corpus = ["owls hunt mice at night", "bread needs flour and water", "whales eat krill"]
    (tmp_path / "corpus.tsv").write_text("".join(f"d{number}\t{text}\n" for number, text in enumerate(corpus)))
    (tmp_path / "queries.tsv").write_text("q1\twhat do owls hunt with bread\nq2\twhat do whales eat at night\n")
    (tmp_path / "qrels.tsv").write_text("q1\td0\t1\nq2\td2\t1\n")
    texts = [(f"--{name}", str(tmp_path / f"{name}.tsv")) for name in ("corpus", "queries", "qrels")]
    result = run("starter", tmp_path / "out", *(word for option in texts for word in option))
    assert result.exit_code == 0, result.output
    assert "nDCG@10 before → after" in result.stdout
    starter, unused = resolve_model("starter"), tmp_path / "unused"
    before, after = (
        logits(model, corpus, EngineKind.OPENVINO, Precision.AUTO, unused) for model in (starter, tmp_path / "out")
    )
    np.testing.assert_array_equal(before, after)


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
