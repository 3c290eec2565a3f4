"""The README says of families of models what the record of the matrix of tests says."""

from pathlib import Path

import pytest

from benchmarks.families.record import read_record, write_record
from benchmarks.families.tables import tables, with_tables

README = Path(__file__).parents[3] / "README.md"
SERVED = {"family": "A", "overflow": "truncate", "max_difference": 4e-7, "correlation": 0.99951, "reason": None}
REFUSED = {"family": "B", "engine": "torch", "precision": "f32", "overflow": "truncate", "reason": "the model B is odd"}


def test_the_table_of_families_is_up_to_date():
    """`python -m benchmarks.families` makes it so."""
    page = README.read_text(encoding="utf-8")
    assert with_tables(page, read_record()["cells"]) == page


def test_a_refusal_is_no_figure_and_a_family_that_is_refused_everywhere_says_why():
    """Nobody reads a dash as a zero, and of cut and split passages the worse one counts."""
    cells = [
        SERVED | {"engine": "torch", "precision": "f32"},
        SERVED | {"engine": "torch", "precision": "f32", "overflow": "chunk", "max_difference": 2e-6},
        SERVED | {"engine": "openvino", "precision": "int8", "reason": "no"},
        SERVED | {"engine": "torch", "precision": "bf16"},
        REFUSED,
    ]
    served, refused = tables(cells).split("\n\n")
    assert served.splitlines()[-1] == "| A | 2e-6 | .9995 | – | – | – |"
    assert refused.splitlines()[-1] == "| B | is odd |"


def test_a_record_of_some_cells_keeps_the_others(tmp_path):
    """So that one family can be tried anew."""
    file = tmp_path / "families.json"
    write_record(file, [REFUSED, SERVED | {"engine": "torch", "precision": "f32"}])
    write_record(file, [REFUSED | {"reason": "the model B is odder"}])
    refused, served = read_record(file)["cells"]
    assert refused["reason"] == "the model B is odder"
    assert (served["max_difference"], served["correlation"]) == (pytest.approx(4e-7), 0.9995)
