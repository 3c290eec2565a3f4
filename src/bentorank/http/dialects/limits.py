"""The limits on what one request may ask for, each a setting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bentorank.errors import InvalidRequestError, PayloadTooLargeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bentorank.types import Document


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """Upper bounds of a request; see the settings of the same names."""

    max_documents: int
    max_document_chars: int
    max_query_chars: int
    max_batch_requests: int

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
        if len(query) > self.max_query_chars:
            raise PayloadTooLargeError(
                f"{field}: {len(query)} characters, more than the limit of {self.max_query_chars}", field=field
            )

    def check_documents(self, documents: Sequence[Document], field: str = "documents") -> None:
        """Raises PayloadTooLargeError for too many documents or one that is too long."""
        self.check_texts([document.content for document in documents], field)

    def check_texts(self, texts: Sequence[str], field: str) -> None:
        """`check_documents` for bare texts."""
        if len(texts) > self.max_documents:
            raise PayloadTooLargeError(
                f"{field}: {len(texts)} documents, more than the limit of {self.max_documents}", field=field
            )
        for index, text in enumerate(texts):
            if len(text) > self.max_document_chars:
                raise PayloadTooLargeError(
                    f"{field}[{index}]: {len(text)} characters, more than the limit of {self.max_document_chars}",
                    field=f"{field}[{index}]",
                )

    def check_batch(self, requests: Sequence[object]) -> None:
        """Raises PayloadTooLargeError for too many requests in one batch."""
        if len(requests) > self.max_batch_requests:
            raise PayloadTooLargeError(
                f"requests: {len(requests)} requests, more than the limit of {self.max_batch_requests}",
                field="requests",
            )
