"""Passages as a search compares and shows them, and those used last in memory: a search looks at some dozens, mostly
the same as the one before."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from threading import Lock

from agent_worker.knowledge.vectors.encoder import Vectors
from agent_worker.knowledge.vectors.passage_vectors import decode_rows

MAX_PASSAGES = 1 << 20
"""No document has this many. A passage's number is its document's times this, plus its position."""
_KEPT = 2_000
"""Passages in memory, about 15 KB each."""
_SUM_BYTES = 4
"""Of a number of a sum of sentences."""


@dataclass(frozen=True)
class StoredPassage:
    """A passage with its document's properties. Terms and words are joined by blanks, see PreparedPassage. What is
    derived from them is computed once."""

    number: int
    document: str
    version: int
    title: str
    heading: str
    url: str
    text: str
    language: str
    title_terms: str
    heading_terms: str
    body_terms: str
    words: str
    vectors: bytes
    sentences: int
    sentence_sum: bytes
    visibility: str
    expires: int

    @property
    def order(self) -> int:
        """The position in its document."""
        return self.number % MAX_PASSAGES

    @cached_property
    def terms(self) -> tuple[list[str], list[str], list[str]]:
        """Those of title, heading and body."""
        return self.title_terms.split(), self.heading_terms.split(), self.body_terms.split()

    @cached_property
    def term_weights(self) -> dict[tuple[float, ...], Mapping[str, float]]:
        """See ``weigh_terms``, by the mean lengths of the fields."""
        return {}

    @cached_property
    def rows(self) -> Vectors:
        """All vectors: see DocumentVectors. They have as many numbers as the document's sum of sentences."""
        return decode_rows(self.vectors, len(self.sentence_sum) // _SUM_BYTES)


class PassageCache:
    """The passages used last, of all indexes. ``version``: of one index at one time. Thread-safe."""

    def __init__(self, limit: int = _KEPT) -> None:
        self._limit = limit
        self._passages: OrderedDict[tuple[int, int], StoredPassage] = OrderedDict()
        self._lock = Lock()

    def find(self, version: int, numbers: Sequence[int]) -> dict[int, StoredPassage]:
        found: dict[int, StoredPassage] = {}
        with self._lock:
            for number in numbers:
                passage = self._passages.get((version, number))
                if passage is not None:
                    found[number] = passage
                    self._passages.move_to_end((version, number))
        return found

    def add(self, version: int, passages: Iterable[StoredPassage]) -> None:
        with self._lock:
            for passage in passages:
                self._passages[version, passage.number] = passage
            while len(self._passages) > self._limit:
                self._passages.popitem(last=False)
