"""Document frequencies and passage lengths of a tenant's current documents.

The index's own counts include deleted documents until its segments are merged. With few documents that would make a
common word look rare.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent_worker.knowledge.index.term_counts import PASSAGE_FIELDS


@dataclass(frozen=True, slots=True)
class DocumentStatistics:
    """One document's contribution: its distinct terms and, for each passage, the number of terms by field."""

    terms: Sequence[str]
    lengths: NDArray[np.int32]
    limited: bool = False
    """Restricted to verified contacts, or with an expiry."""


class TermStatistics:
    """One writer and many readers, which may see the state before or after a change. Only sums are stored, so a
    document is removed by passing its contribution again."""

    def __init__(self) -> None:
        self._frequency: Counter[str] = Counter()
        self._documents = self._passages = 0
        self._lengths = [0] * len(PASSAGE_FIELDS)
        self.limited = 0
        """Number of restricted documents. A search skips the filter while it is 0."""

    def __len__(self) -> int:
        """The number of documents."""
        return self._documents

    def put(self, document: DocumentStatistics) -> None:
        self._frequency.update(document.terms)
        self._add(document, 1)

    def drop(self, document: DocumentStatistics) -> None:
        """Remove a document's contribution."""
        for term in document.terms:
            if self._frequency[term] > 1:
                self._frequency[term] -= 1
            else:
                del self._frequency[term]
        self._add(document, -1)

    def _add(self, document: DocumentStatistics, sign: int) -> None:
        self._documents += sign
        self._passages += sign * len(document.lengths)
        self.limited += sign * document.limited
        added = document.lengths.sum(axis=0).tolist()
        self._lengths = [total + sign * count for total, count in zip(self._lengths, added, strict=True)]

    @property
    def terms(self) -> int:
        """Total number of terms in all passages."""
        return sum(self._lengths)

    def frequency(self, term: str) -> int:
        """The number of documents with the term."""
        return self._frequency.get(term, 0)

    def mean_length(self, field: str) -> float:
        """Average number of terms of a passage in this field, never 0."""
        return max(1.0, self._lengths[PASSAGE_FIELDS.index(field)] / self._passages) if self._passages else 1.0
