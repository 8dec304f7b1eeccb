"""What scoring needs of every passage of a tenant, in memory and compact: some 500 bytes for 100 words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agent_worker.knowledge.index.arrays import Growing, Numbers, Vocabulary, flat
from agent_worker.knowledge.index.query_filter import Sight
from agent_worker.knowledge.index.term_counts import PASSAGE_FIELDS, Counted
from agent_worker.knowledge.index.term_statistics import Tally
from agent_worker.knowledge.text.analysis import primary
from agent_worker.knowledge.vectors.encoder import Encoder
from agent_worker.knowledge.vectors.word_similarity import Likeness

_LEFT = 50_000
"""So many words of removed documents, and more than are there, before all words are numbered anew."""
NEVER = 1 << 52


class Place(NamedTuple):
    """Where a passage stands."""

    document: str
    order: int


def key_of(document: str, order: int) -> str:
    """One name for both."""
    return f"{order}/{document}"


class Label(NamedTuple):
    """What a document says of itself as a whole. ``until``: second since 1970 at which it expires, NEVER if it does
    not."""

    until: int
    visibility: str = "public"
    language: str = ""

    @property
    def limited(self) -> bool:
        return self.until != NEVER or self.visibility != "public"


@lru_cache(maxsize=1024)
def label(until: int, visibility: str, language: str) -> Label:
    """The same one for what says the same: most documents do."""
    return Label(until, visibility, language)


class _Held(NamedTuple):
    """One document: the row of its first passage, and how many it has."""

    first: int
    size: int
    label: Label


@dataclass(frozen=True, slots=True)
class Gathered:
    """Some passages: their terms one passage after another, how often each stands in each field, which passage it is
    of, and each passage's length by field."""

    terms: Numbers
    counts: NDArray[np.uint8]
    of: NDArray[np.intp]
    lengths: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class _Rows:
    """Of all passages, in the order in which they were put; those of documents that went stay until all are numbered
    anew. ``…_begins`` has one row more: where the next one will begin."""

    terms: Growing
    counts: Growing
    term_begins: Growing
    words: Growing
    word_begins: Growing
    lengths: Growing

    @classmethod
    def empty(cls) -> _Rows:
        fields = len(PASSAGE_FIELDS)
        begins = Growing(np.int64), Growing(np.int64)
        for each in begins:
            each.extend(np.zeros(1, np.int64))
        counts, lengths = Growing(np.uint8, fields), Growing(np.int32, fields)
        return cls(Growing(np.int32), counts, begins[0], Growing(np.int32), begins[1], lengths)

    def add(
        self,
        terms: Numbers,
        term_sizes: NDArray[np.int32],
        counts: NDArray[np.uint8],
        words: Numbers,
        word_sizes: NDArray[np.int32],
        lengths: NDArray[np.int32],
    ) -> int:
        """The row of the first of them."""
        self.counts.extend(counts)
        self.term_begins.extend(self.terms.extend(terms) + term_sizes.cumsum(dtype=np.int64))
        self.word_begins.extend(self.words.extend(words) + word_sizes.cumsum(dtype=np.int64))
        return self.lengths.extend(lengths)

    def words_of(self, row: int) -> Numbers:
        begin, end = self.word_begins.rows[row : row + 2].tolist()
        words: Numbers = self.words.rows[begin:end]
        return words


@dataclass(frozen=True, slots=True)
class _State:
    """Replaced whole when words are numbered anew, so that a reader keeps what it began with."""

    terms: Vocabulary
    words: Vocabulary
    likeness: Likeness | None
    rows: _Rows = field(default_factory=_Rows.empty)
    held: dict[str, _Held] = field(default_factory=dict)


class PassageTable:
    """One writer; readers beside it, each by a ``view`` of its own."""

    def __init__(self, encoder: Encoder | None) -> None:
        self._encoder = encoder
        self._there = self._left = 0
        self.for_verified = 0
        """How many documents are shown to verified contacts only."""
        self.languages: Counter[str] = Counter()
        """How many documents are declared to be in each."""
        self._state = self._empty()

    def _empty(self) -> _State:
        words = Vocabulary()
        return _State(Vocabulary(), words, Likeness(self._encoder, words) if self._encoder else None)

    def put(self, document: str, made: Counted, named: Label) -> None:
        self.drop(document)
        state = self._state
        terms, words = state.terms.put(made.terms)[made.term_of], state.words.put(made.words)[made.word_of]
        first = state.rows.add(terms, made.term_sizes, made.counts, words, made.word_sizes, made.lengths)
        state.held[document] = held = _Held(first, len(made.lengths), label(*named))
        self._there += self._size(held)
        self.for_verified += named.visibility == "verified"
        self.languages[primary(named.language)] += 1

    def drop(self, document: str) -> None:
        gone = self._state.held.pop(document, None)
        if gone is not None:
            size = self._size(gone)
            self._there -= size
            self._left += size
            self.for_verified -= gone.label.visibility == "verified"
            self.languages[primary(gone.label.language)] -= 1
        if self._left > _LEFT + self._there:
            self._number_anew()

    def tally(self, document: str) -> Tally | None:
        """What it added to the census; None when it is not here."""
        held = self._state.held.get(document)
        if held is None:
            return None
        rows, end = self._state.rows, held.first + held.size
        begin, stop = rows.term_begins.rows[[held.first, end]].tolist()
        terms = self._state.terms.words(np.unique(rows.terms.rows[begin:stop]))
        return Tally(terms, rows.lengths.rows[held.first : end], held.label.limited)

    def _size(self, held: _Held) -> int:
        """Terms and words."""
        rows = self._state.rows
        ends = [held.first, held.first + held.size]
        return sum(int(begin[1] - begin[0]) for begin in (rows.term_begins.rows[ends], rows.word_begins.rows[ends]))

    def _number_anew(self) -> None:
        old, new = self._state, self._empty()
        for document, held in old.held.items():
            rows, span = old.rows, slice(held.first, held.first + held.size)
            ends = slice(held.first, held.first + held.size + 1)
            of_terms, of_words = rows.term_begins.rows[ends], rows.word_begins.rows[ends]
            first = new.rows.add(
                new.terms.put(old.terms.words(rows.terms.rows[of_terms[0] : of_terms[-1]])),
                np.diff(of_terms).astype(np.int32),
                rows.counts.rows[of_terms[0] : of_terms[-1]],
                new.words.put(old.words.words(rows.words.rows[of_words[0] : of_words[-1]])),
                np.diff(of_words).astype(np.int32),
                rows.lengths.rows[span],
            )
            new.held[document] = held._replace(first=first)
        self._left, self._state = 0, new

    def view(self) -> View:
        return View(self._state)


class View:
    """The table as it is for one search. A passage that is not there any more counts as an empty one."""

    def __init__(self, state: _State) -> None:
        self._state = state

    def shown(self, document: str, seen: Sight) -> bool:
        held = self._state.held.get(document)
        return held is not None and seen.covers(held.label.visibility, held.label.until)

    def language(self, document: str) -> str:
        """As it was declared; empty when it was not."""
        held = self._state.held.get(document)
        return held.label.language if held is not None else ""

    def number(self, term: str) -> int:
        return self._state.terms.number(term)

    def gather(self, places: Sequence[Place]) -> Gathered:
        """Of at least one passage."""
        at = np.array(list(self._rows(places)))
        rows, there = self._state.rows, at >= 0
        begins = rows.term_begins.rows[at]
        sizes = np.where(there, rows.term_begins.rows[at + 1] - begins, 0)
        chosen = flat(begins, sizes)
        lengths = np.zeros((len(places), len(PASSAGE_FIELDS)), np.int32)
        lengths[there] = rows.lengths.rows[at[there]]
        of = np.repeat(np.arange(len(places)), sizes)
        return Gathered(rows.terms.rows[chosen], rows.counts.rows[chosen], of, lengths)

    def alike(self, asked: Sequence[str], places: Sequence[Place]) -> NDArray[np.float64]:
        """See ``Likeness.of``; nothing is alike without an encoder."""
        if self._state.likeness is None or not asked:
            return np.zeros((len(places), len(asked)))
        nothing = np.zeros(0, np.int32)
        found = self._rows(places)
        words = [self._state.rows.words_of(row) if row >= 0 else nothing for row in found]
        return self._state.likeness.of(asked, words)

    def _rows(self, places: Sequence[Place]) -> Iterable[int]:
        """-1 for a passage that is not there."""
        for document, order in places:
            held = self._state.held.get(document)
            yield held.first + order if held is not None and order < held.size else -1


# A number for every passage, kept beside the index's entry: it names what was found without reading what is stored.
_ORDERS = 1 << 20
"""No document has so many passages."""


class Numbering:
    """Documents by number. One keeps its number from version to version, so that a reader of the old one still knows
    whose it is. One writer; readers beside it."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._documents: dict[int, str] = {}
        self._next = 1

    def of(self, document: str) -> int:
        """Its number, or the one it is to have."""
        return self._numbers.get(document, self._next)

    def known(self, document: str) -> int | None:
        """Its number; None when it is not here."""
        return self._numbers.get(document)

    def put(self, document: str, number: int) -> None:
        self._numbers[document] = number
        self._documents[number] = document
        self._next = max(self._next, number + 1)

    def drop(self, document: str) -> None:
        self._documents.pop(self._numbers.pop(document, 0), None)

    def place(self, number: int) -> Place | None:
        """The passage that has the number; None when its document is not here."""
        document = self._documents.get(document_of(number))
        return None if document is None else Place(document, number % _ORDERS)


def number_of(document: int, order: int) -> int:
    """A passage's number, from its document's. The document itself is found under that of its first passage."""
    return document * _ORDERS + order


def document_of(passage: int) -> int:
    """The document's number, from that of one of its passages."""
    return passage // _ORDERS
