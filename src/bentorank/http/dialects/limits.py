"""The limits on what one request may ask for, each a setting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bentorank.columns import contents_of
from bentorank.errors import InvalidRequestError, PayloadTooLargeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bentorank.types import Document, Pair


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """Upper bounds of a request; see the settings of the same names."""

    max_documents: int
    max_document_chars: int
    max_query_chars: int
    max_batch_requests: int
    max_json_items: int
    max_json_depth: int

    def check(
        self,
        query: str,
        documents: Sequence[Document],
        *,
        query_field: str = "query",
        documents_field: str = "documents",
    ) -> None:
        """`check_query` and `check_documents`."""
        self.check_query(query, query_field)
        self.check_documents(documents, documents_field)

    def check_query(self, query: str, field: str = "query") -> None:
        """Raises InvalidRequestError for a blank query, PayloadTooLargeError for one that is too long."""
        if not query or query.isspace():
            raise InvalidRequestError(f"{field}: must not be blank", field=field)
        _check_length(query, self.max_query_chars, field)

    def check_documents(self, documents: Sequence[Document], field: str = "documents") -> None:
        """Raises PayloadTooLargeError for too many documents or one that is too long."""
        self.check_texts(contents_of(documents), field)

    def check_count(self, documents: object, field: str) -> None:
        """Raises PayloadTooLargeError for too many documents, whatever they are: to be asked before anybody looks."""
        if isinstance(documents, list) and len(documents) > self.max_documents:
            raise PayloadTooLargeError(
                f"{field}: {len(documents)} documents, more than the limit of {self.max_documents}", field=field
            )

    def check_texts(self, texts: list[str], field: str) -> None:
        """`check_documents` for bare texts."""
        self.check_count(texts, field)
        if max(map(len, texts), default=0) <= self.max_document_chars:
            return
        for index, text in enumerate(texts):
            _check_length(text, self.max_document_chars, f"{field}[{index}]")

    def check_pairs(self, pairs: Sequence[Pair]) -> None:
        """Raises PayloadTooLargeError for a pair with a query or a passage that is too long."""
        for index, pair in enumerate(pairs):
            _check_length(pair.query, self.max_query_chars, f"pairs[{index}].query")
            _check_length(pair.passage, self.max_document_chars, f"pairs[{index}].passage")

    def check_batch(self, requests: object) -> None:
        """Raises PayloadTooLargeError for too many requests in one batch, whatever they are."""
        if isinstance(requests, list) and len(requests) > self.max_batch_requests:
            raise PayloadTooLargeError(
                f"requests: {len(requests)} requests, more than the limit of {self.max_batch_requests}",
                field="requests",
            )


def _check_length(text: str, limit: int, field: str) -> None:
    if len(text) > limit:
        raise PayloadTooLargeError(f"{field}: {len(text)} characters, more than the limit of {limit}", field=field)
