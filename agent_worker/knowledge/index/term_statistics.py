"""Which terms stand in how many of a tenant's documents, counted over what is there now.

The index's own counts still include deleted documents until its segments are joined; with few documents that is
enough to turn a known word into a strange one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent_worker.knowledge.index.term_counts import PASSAGE_FIELDS


@dataclass(frozen=True, slots=True)
class Tally:
    """What one document adds: its distinct terms, and a row for each passage: its terms by field."""

    terms: Sequence[str]
    lengths: NDArray[np.int32]
    limited: bool = False
    """Not for everybody, or not for ever."""


class Census:
    """One writer; readers beside it see a count before or after a change, never a wrong one for long. It keeps sums
    alone: who takes a document away has to know what it added."""

    def __init__(self) -> None:
        self._frequency: Counter[str] = Counter()
        self._documents = self._passages = 0
        self._lengths = [0] * len(PASSAGE_FIELDS)
        self.limited = 0
        """How many documents are limited; while there is none, a search need not ask."""

    def __len__(self) -> int:
        """Documents."""
        return self._documents

    def put(self, tally: Tally) -> None:
        self._frequency.update(tally.terms)
        self._add(tally, 1)

    def drop(self, tally: Tally) -> None:
        """One that was put before."""
        for term in tally.terms:
            if self._frequency[term] > 1:
                self._frequency[term] -= 1
            else:
                del self._frequency[term]
        self._add(tally, -1)

    def _add(self, tally: Tally, sign: int) -> None:
        self._documents += sign
        self._passages += sign * len(tally.lengths)
        self.limited += sign * tally.limited
        added = tally.lengths.sum(axis=0).tolist()
        self._lengths = [held + sign * more for held, more in zip(self._lengths, added, strict=True)]

    @property
    def terms(self) -> int:
        """In all passages together, each as often as it stands there."""
        return sum(self._lengths)

    def frequency(self, term: str) -> int:
        """In how many documents the term stands; 0 when in none."""
        return self._frequency.get(term, 0)

    def mean_length(self, field: str) -> float:
        """Terms of a passage in this field, on average; never 0."""
        return max(1.0, self._lengths[PASSAGE_FIELDS.index(field)] / self._passages) if self._passages else 1.0
