"""The files of a collection in BEIR's form: a folder with corpus.jsonl, queries.jsonl and qrels/test.tsv."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bentorank.evaluation.errors import EvaluationError

if TYPE_CHECKING:
    from pathlib import Path

SPLIT = "test"


def beir_files(folder: Path, split: str) -> tuple[Path, Path, Path]:
    """Corpus, queries and the judgements of `split`, each plain or gzipped. Raises EvaluationError that names what is
    missing, and which splits there are.
    """
    if not folder.is_dir():
        raise EvaluationError(f"{folder}: {'is not a folder' if folder.exists() else 'No such file or directory'}")
    corpus, queries = (_plain_or_gzipped(folder / name) for name in ("corpus.jsonl", "queries.jsonl"))
    qrels = _plain_or_gzipped(folder / "qrels" / f"{split}.tsv")
    if corpus is not None and queries is not None and qrels is not None:
        return corpus, queries, qrels
    if corpus is not None and queries is not None and (splits := _splits(folder)):
        raise EvaluationError(f"{folder}: no qrels/{split}.tsv; --split takes {' or '.join(splits)}")
    raise EvaluationError(f"{folder}: not in BEIR's form, which is corpus.jsonl, queries.jsonl and qrels/{split}.tsv")


def _plain_or_gzipped(path: Path) -> Path | None:
    return next((file for file in (path, path.with_name(f"{path.name}.gz")) if file.is_file()), None)


def _splits(folder: Path) -> list[str]:
    return sorted({file.name.partition(".")[0] for file in (folder / "qrels").glob("*.tsv*")})
