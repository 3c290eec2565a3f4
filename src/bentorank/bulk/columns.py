"""The output's columns, and a part's rows as the bytes of a file."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import orjson

from bentorank.bulk.extras import pyarrow
from bentorank.bulk.order import FileFormat

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bentorank.bulk.answers import RankedRow
    from bentorank.bulk.order import Order

# What each column holds; docs/bulk.md shows it.
COLUMNS = {
    "id": "the row's id, as it came",
    "indices": "places of the documents in the row, from 0, the most relevant first",
    "scores": "their scores, by --score-mode; null for a document without one",
    "unscored": "why a document has no score: pruned, or the error's code; null for one that has, and where all have",
    "truncated": "whether each was longer than the model reads beside the query, and cut",
    "spans": "where the best chunk of each stands, in code points, where long documents are split; else null",
    "query_truncated": "whether the query was cut",
    "tokens": "tokens that the model read for the row",
}


def encode(rows: Sequence[RankedRow], order: Order) -> bytes:
    """The content of a part."""
    if order.output is FileFormat.JSONL:
        return b"".join(orjson.dumps(_as_json(row), option=orjson.OPT_APPEND_NEWLINE) for row in rows)
    return _as_parquet(rows, order)


def schema(order: Order) -> Any:  # noqa: ANN401 - pyarrow has no types
    """That of every Parquet part."""
    pa = pyarrow("")
    span = pa.struct([pa.field("start", pa.int32()), pa.field("end", pa.int32())])
    kinds = {
        "id": pa.string() if order.id_is_text else pa.int64(),
        "indices": pa.list_(pa.int32()),
        "scores": pa.list_(pa.float64()),
        "unscored": pa.list_(pa.string()),
        "truncated": pa.list_(pa.bool_()),
        "spans": pa.list_(span),
        "query_truncated": pa.bool_(),
        "tokens": pa.int64(),
    }
    return pa.schema([pa.field(name, kinds[name], metadata={"description": COLUMNS[name]}) for name in COLUMNS])


def _as_json(row: RankedRow) -> dict[str, object]:
    return {
        "id": row.id,
        "indices": [ranked.index for ranked in row.results],
        "scores": [ranked.relevance_score for ranked in row.results],
        "unscored": _unscored(row),
        "truncated": [ranked.truncated for ranked in row.results],
        "spans": _spans(row),
        "query_truncated": row.query_truncated,
        "tokens": row.tokens,
    }


def _unscored(row: RankedRow) -> list[str | None] | None:
    # They stand last.
    if not row.results or row.results[-1].unscored is None:
        return None
    return [ranked.unscored for ranked in row.results]


def _spans(row: RankedRow) -> list[dict[str, int] | None] | None:
    if not any(ranked.spans for ranked in row.results):
        return None
    return [
        {"start": ranked.spans[0].span.start, "end": ranked.spans[0].span.end} if ranked.spans else None
        for ranked in row.results
    ]


def _as_parquet(rows: Sequence[RankedRow], order: Order) -> bytes:
    pa, parquet = pyarrow(""), pyarrow("parquet")
    table = pa.Table.from_pylist([_as_json(row) for row in rows], schema=schema(order))
    content = io.BytesIO()
    parquet.write_table(table, content, compression="zstd")
    return content.getvalue()
