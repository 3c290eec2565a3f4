"""Each format is read by its content, and a bad line is named."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bentorank.evaluation.errors import EvaluationError
from bentorank.evaluation.formats import read_qrels, read_run, read_texts, run_lines, write_lines

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

IDS = st.text(alphabet="abcdefgh0123456789-_", min_size=1, max_size=6)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "input"


def test_beir_corpus_puts_the_title_in_front(file: Path) -> None:
    """A title precedes its text; a missing or empty one leaves no blank."""
    file.write_text('{"_id": "1", "title": "Owls", "text": "hunt at night"}\n\n{"_id": 2, "text": "é", "title": ""}\n')
    assert read_texts(file) == {"1": "Owls hunt at night", "2": "é"}


def test_tsv_texts_keep_later_tabs(file: Path) -> None:
    """Only the first tab separates; Windows line ends and a byte order mark are no part of the text."""
    file.write_bytes(b"\xef\xbb\xbf0-1\tfirst\tpart\r\n0-2\tsecond\r\n")
    assert read_texts(file) == {"0-1": "first\tpart", "0-2": "second"}


def test_gzip_is_seen_by_content(file: Path) -> None:
    """A gzipped file needs no .gz in its name."""
    file.write_bytes(gzip.compress(b'{"_id": "q", "text": "what?"}\n'))
    assert read_texts(file) == {"q": "what?"}


@pytest.mark.parametrize(
    "content",
    [
        "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\n",
        "q1\td1\t2\nq1\td2\t0\n",
        "q1 0 d1 2\nq1 0 d2 0\n",
        "q1\tQ0\td1\t2\nq1\tQ0\td2\t0\n",
    ],
    ids=["beir", "beir without header", "trec", "trec with tabs"],
)
def test_qrels_in_every_form(file: Path, content: str) -> None:
    """BEIR and TREC judgements read alike."""
    file.write_text(content)
    assert read_qrels(file) == {"q1": {"d1": 2, "d2": 0}}


def test_run_is_ordered_by_score_then_rank(file: Path) -> None:
    """The score decides, as in trec_eval; the rank settles its ties."""
    file.write_text("q Q0 a 3 1.5 x\nq Q0 b 1 0.5 x\nq Q0 c 2 1.5 x\n")
    assert read_run(file) == {"q": ["c", "a", "b"]}


@given(st.dictionaries(IDS, st.lists(IDS, min_size=1, max_size=8, unique=True), min_size=1, max_size=4))
def test_a_written_run_reads_back(tmp_path_factory: pytest.TempPathFactory, rankings: dict[str, list[str]]) -> None:
    """Order survives the file."""
    path = tmp_path_factory.mktemp("runs") / "run"
    write_lines(path, run_lines(rankings, "tag"))
    assert read_run(path) == rankings


@pytest.mark.parametrize(
    ("read", "content", "problem"),
    [
        (read_texts, b'{"_id": "1", "text": "a"}\n{"_id": \n', "2: not JSON"),
        (read_texts, b'{"_id": "1", "text": "a"}\n[1]\n', "2: not a JSON object"),
        (read_texts, b'{"_id": "1", "body": "a"}\n', '1: expected "_id" and "text"'),
        (read_texts, b"1\tfine\nno tab here\n", "2: expected JSON lines or id<TAB>text"),
        (read_texts, b"1\ta\n\n1\tb\n", "3: id '1' appears twice"),
        (read_texts, b"1\ta\n2\t\xff\n", "2: not UTF-8"),
        (read_texts, b"\n", " holds no rows"),
        (read_texts, b"\x1f\x8bbroken", " "),
        (read_qrels, b"q d 1\nq d two\n", "2: the grade 'two' is not a whole number"),
        (read_qrels, b"q 0 d high\n", "1: the grade 'high' is not a whole number"),
        (read_qrels, b"q d\n", "1: expected 3 (BEIR) or 4 (TREC) columns, found 2"),
        (read_run, b"q Q0 d 1 0.5\n", "1: expected the 6 columns of a TREC run, found 5"),
        (read_run, b"q Q0 d one 0.5 x\n", "1: the rank must be a whole number"),
        (read_run, b"q Q0 d 1 0.5 x\nq Q0 d 2 0.4 x\n", "2: document 'd' appears twice for query 'q'"),
    ],
)
def test_errors_name_file_and_line(file: Path, read: Callable[[Path], object], content: bytes, problem: str) -> None:
    """The message says where the file is wrong and how."""
    file.write_bytes(content)
    with pytest.raises(EvaluationError) as caught:
        read(file)
    assert str(caught.value).startswith(f"{file}:{problem}")


def test_a_missing_file_is_an_evaluation_error(tmp_path: Path) -> None:
    """No traceback for a mistyped path."""
    with pytest.raises(EvaluationError, match="No such file"):
        read_texts(tmp_path / "nowhere.tsv")
