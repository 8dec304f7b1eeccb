"""Which terms stand in how many of a tenant's documents, counted over what is there now.

The index's own counts still include deleted documents until its segments are joined; with few documents that is
enough to turn a known word into a strange one.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from sys import intern


@dataclass(frozen=True, slots=True)
class Tally:
    """What one document adds: its distinct terms, how many passages it has, and their terms by field in all."""

    terms: tuple[str, ...]
    passages: int
    lengths: dict[str, int]
    limited: bool = False
    """Not for everybody, or not for ever."""


class Census:
    """One writer; readers beside it see a count before or after a change, never a wrong one for long."""

    def __init__(self) -> None:
        self._tallies: dict[str, Tally] = {}
        self._frequency: Counter[str] = Counter()
        self._passages = 0
        self._lengths: Counter[str] = Counter()
        self.limited = 0
        """How many documents are limited; while there is none, a search need not ask."""

    def __len__(self) -> int:
        """Documents."""
        return len(self._tallies)

    def put(self, document: str, tally: Tally) -> None:
        self.drop(document)
        self._tallies[document] = replace(tally, terms=tuple(intern(term) for term in tally.terms))
        self._frequency.update(tally.terms)
        self._passages += tally.passages
        self.limited += tally.limited
        self._lengths.update(tally.lengths)

    def drop(self, document: str) -> None:
        gone = self._tallies.pop(document, None)
        if gone is None:
            return
        for term in gone.terms:
            if self._frequency[term] > 1:
                self._frequency[term] -= 1
            else:
                del self._frequency[term]
        self._passages -= gone.passages
        self.limited -= gone.limited
        self._lengths.subtract(gone.lengths)

    def frequency(self, term: str) -> int:
        """In how many documents the term stands; 0 when in none."""
        return self._frequency.get(term, 0)

    def mean_length(self, field: str) -> float:
        """Terms of a passage in this field, on average; never 0."""
        return max(1.0, self._lengths[field] / self._passages) if self._passages else 1.0
