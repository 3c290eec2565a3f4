"""Reads corpora, queries, judgements and candidates in BEIR, TSV and TREC form, told apart by content."""

from __future__ import annotations

import gzip
import itertools
import json
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from bentorank.evaluation.errors import EvaluationError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

Texts: TypeAlias = dict[str, str]
"""Text by id, in file order."""
Qrels: TypeAlias = dict[str, dict[str, int]]
"""Graded relevance by query id, then document id."""
Rankings: TypeAlias = dict[str, list[str]]
"""Document ids by query id, best first."""

Rows = TypeVar("Rows", bound="dict[str, Any]")

GZIP_MAGIC = b"\x1f\x8b"
QRELS_COLUMNS_BEIR = 3
QRELS_COLUMNS_TREC = 4
RUN_COLUMNS = 6
HOW_WITH_LESS = "that BM25 may take: name the candidates by a run, with which only their texts are held"
# Of one line, which has to be held in memory to be read: longer ones are no lines of such files.
MAX_LINE_BYTES = 64 * 2**20


def read_texts(path: Path, *, only: Collection[str] | None = None, max_bytes: int | None = None) -> Texts:
    """A corpus or a query file: JSON lines with `_id`, `text` and perhaps `title`, or `id<TAB>text` lines.

    A title is put in front of its text, which is how BEIR's own baselines read a document. With `only`, other ids are
    read over and not kept. Raises EvaluationError for a line that is wrong, and for a file of more than `max_bytes`.
    """
    texts: Texts = {}
    parse = None
    for number, line in _numbered_lines(path, max_bytes):
        parse = parse or (_parse_json_text if line.lstrip().startswith("{") else _parse_tsv_text)
        try:
            key, text = parse(line)
        except ValueError as error:
            raise _error(path, number, str(error)) from error
        if key in texts:
            raise _error(path, number, f"id {key!r} appears twice")
        if only is None or key in only:
            texts[key] = text
    return texts if parse else _not_empty(texts, path)


def read_qrels(path: Path) -> Qrels:
    """Judgements: BEIR (`query-id corpus-id score`, header or not) or TREC (`query 0 document grade`)."""
    qrels: Qrels = {}
    for row, (number, line) in enumerate(_numbered_lines(path)):
        columns = line.split("\t") if line.count("\t") >= QRELS_COLUMNS_BEIR - 1 else line.split()
        if len(columns) not in (QRELS_COLUMNS_BEIR, QRELS_COLUMNS_TREC):
            raise _error(path, number, f"expected 3 (BEIR) or 4 (TREC) columns, found {len(columns)}")
        query, document, grade = columns[0].strip(), columns[-2].strip(), columns[-1].strip()
        try:
            judgement = {document: int(grade)}
        except ValueError as error:
            if row == 0 and len(columns) == QRELS_COLUMNS_BEIR:
                continue  # the BEIR header
            raise _error(path, number, f"the grade {grade!r} is not a whole number") from error
        qrels.setdefault(query, {}).update(judgement)
    return _not_empty(qrels, path)


def read_run(path: Path) -> Rankings:
    """Candidate lists from a TREC run, `query Q0 document rank score tag`: by score, ties by rank."""
    scored: dict[str, dict[str, tuple[float, int]]] = {}
    for number, line in _numbered_lines(path):
        columns = line.split()
        if len(columns) != RUN_COLUMNS:
            raise _error(path, number, f"expected the 6 columns of a TREC run, found {len(columns)}")
        query, _, document, rank, score, _ = columns
        candidates = scored.setdefault(query, {})
        if document in candidates:
            raise _error(path, number, f"document {document!r} appears twice for query {query!r}")
        try:
            candidates[document] = (-float(score), int(rank))
        except ValueError as error:
            raise _error(path, number, "the rank must be a whole number and the score a number") from error
    rankings = {query: sorted(places, key=places.__getitem__) for query, places in scored.items()}
    return _not_empty(rankings, path)


def run_lines(rankings: Mapping[str, Sequence[str]], tag: str) -> Iterator[str]:
    """A TREC run. Scores count down to 1: trec_eval would break ties by id, so there are none."""
    for query, documents in rankings.items():
        for rank, document in enumerate(documents, start=1):
            yield f"{query} Q0 {document} {rank} {len(documents) - rank + 1} {tag}"


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write lines as UTF-8, each ended by a newline."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line}\n" for line in lines)


def _numbered_lines(path: Path, max_bytes: int | None = None) -> Iterator[tuple[int, str]]:
    """Lines that are not blank with their numbers from 1, from a plain or gzipped file."""
    try:
        with path.open("rb") as raw:
            compressed = raw.read(len(GZIP_MAGIC)) == GZIP_MAGIC
        with gzip.open(path, "rb") if compressed else path.open("rb") as file:
            bytes_read = 0
            for number in itertools.count(1):
                if not (line := file.readline(MAX_LINE_BYTES + 1)):
                    return
                bytes_read += len(line)
                if len(line) > MAX_LINE_BYTES:
                    raise _error(path, number, f"a line of more than {MAX_LINE_BYTES:,} bytes")
                if max_bytes is not None and bytes_read > max_bytes:
                    raise _error(path, number, f"more than {max_bytes:,} bytes, a share of the memory {HOW_WITH_LESS}")
                # Decoded line by line, so that an error can name its line.
                if text := line.decode("utf-8-sig").rstrip("\r\n"):
                    yield number, text
    except UnicodeDecodeError as error:
        raise _error(path, number, "not UTF-8 text") from error
    except (OSError, EOFError) as error:
        raise EvaluationError(f"{path}: {getattr(error, 'strerror', None) or error}") from error


def _parse_json_text(line: str) -> tuple[str, str]:
    try:
        row: Any = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg}") from error
    if not isinstance(row, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004  the caller reports every bad line alike
    key, text, title = row.get("_id", row.get("id")), row.get("text"), row.get("title") or ""
    if not isinstance(key, str | int) or not isinstance(text, str) or not isinstance(title, str):
        raise ValueError('expected "_id" and "text" (and perhaps "title") as text')  # noqa: TRY004
    return str(key), f"{title} {text}".strip()


def _parse_tsv_text(line: str) -> tuple[str, str]:
    key, tab, text = line.partition("\t")
    if not tab:
        raise ValueError("expected JSON lines or id<TAB>text")
    return key.strip(), text.strip()


def _not_empty(rows: Rows, path: Path) -> Rows:
    if not rows:
        raise EvaluationError(f"{path}: holds no rows")
    return rows


def _error(path: Path, number: int, problem: str) -> EvaluationError:
    return EvaluationError(f"{path}:{number}: {problem}")
