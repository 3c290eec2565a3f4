"""Every family on every engine in every precision, long passages cut or split: it scores as its own library, or says
why it does not.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.family_matrix import ENGINES, FAMILIES, PRECISIONS, REFUSED, Cell, Subject, try_family

from bentorank.engines import EngineKind, Precision
from bentorank.engines.hardware import cpu_has_native_bf16

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RECORD = Path(__file__).parents[3] / "benchmarks" / "results" / "families.json"
TOLERANCES = {EngineKind.TORCH: 1e-5, EngineKind.OPENVINO: 1e-4}
PROMPT_TOLERANCE = 1e-4
ROUNDED_CORRELATION = 0.99
"""As `bentorank export` and `tune` ask of what they hand over."""

# It once took its process with it.
QUICK = {("Llama classifier", EngineKind.OPENVINO, Precision.BF16)}
CASES = [
    pytest.param(
        family,
        kind,
        precision,
        id=f"{family.slug}-{kind}-{precision}",
        marks=[] if (family.name, kind, precision) in QUICK else pytest.mark.families,
    )
    for family in FAMILIES
    for kind in ENGINES
    for precision in PRECISIONS
]


@pytest.fixture(scope="module")
def subject_of(tiny_models: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Subject]:
    """A function from a family to its model, built once for all engines and precisions."""
    scratch = tmp_path_factory.mktemp("families")
    built: dict[str, Subject] = {}

    def subject(family: Any) -> Subject:
        return built.setdefault(family.name, built.get(family.name) or Subject(family, tiny_models, scratch))

    return subject


@pytest.fixture(scope="module")
def found(request: pytest.FixtureRequest) -> Iterator[list[Cell]]:
    """What came of each combination, written down where the option says so."""
    cells: list[Cell] = []
    yield cells
    if file := request.config.getoption("--record-families"):
        from benchmarks.families.record import write_record

        write_record(file, [asdict(cell) for cell in cells])


def promised() -> set[tuple[str, ...]]:
    """What the documentation says is served."""
    cells = json.loads(RECORD.read_text(encoding="utf-8"))["cells"]
    return {(cell["family"], cell["engine"], cell["precision"]) for cell in cells if cell["reason"] is None}


@pytest.mark.parametrize(("family", "kind", "precision"), CASES)
def test_a_family_scores_as_its_own_library_or_says_why_not(
    subject_of: Any, found: list[Cell], family: Any, kind: EngineKind, precision: Precision
) -> None:
    """Exact in f32, in order in less; whatever the documentation promises is served."""
    if kind is EngineKind.OPENVINO and precision is Precision.BF16 and not cpu_has_native_bf16():
        pytest.skip("this CPU would emulate bf16")
    cells = try_family(subject_of(family), kind, precision)
    found += cells
    for cell in cells:
        if cell.reason is not None:
            assert (cell.family, cell.engine, cell.precision) not in promised(), cell.reason
            assert "\n" not in cell.reason
            continue
        tolerance = PROMPT_TOLERANCE if family.reads_prompts else TOLERANCES[kind]
        assert cell.spread > 100 * tolerance, "scores too close together to tell anything"
        if precision is Precision.F32:
            assert cell.max_difference < tolerance, cell
        assert cell.correlation > ROUNDED_CORRELATION, cell


@pytest.mark.families
@pytest.mark.parametrize("kind", ENGINES)
@pytest.mark.parametrize("family", REFUSED, ids=lambda family: family.slug)
def test_what_is_no_reranker_that_is_served_is_refused(
    subject_of: Any, found: list[Cell], family: Any, kind: EngineKind
) -> None:
    """In one sentence, which the documentation quotes."""
    cells = try_family(subject_of(family), kind, Precision.F32)
    found += cells
    for cell in cells:
        assert cell.reason is not None
        assert "\n" not in cell.reason


def test_the_record_knows_each_family_and_no_other() -> None:
    """What is added to the matrix is recorded and documented with it."""
    cells = json.loads(RECORD.read_text(encoding="utf-8"))["cells"]
    assert {cell["family"] for cell in cells} == {family.name for family in (*FAMILIES, *REFUSED)}
