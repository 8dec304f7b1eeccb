"""In-memory table of the passage data that scoring needs, about 500 bytes for 100 words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agent_worker.knowledge.index.arrays import ArrayBuffer, Numbers, Vocabulary, expand_spans
from agent_worker.knowledge.index.query_filter import VisibilityFilter
from agent_worker.knowledge.index.term_counts import PASSAGE_FIELDS, TermCounts
from agent_worker.knowledge.index.term_statistics import DocumentStatistics
from agent_worker.knowledge.text.analysis import primary_language
from agent_worker.knowledge.vectors.encoder import Encoder
from agent_worker.knowledge.vectors.word_similarity import WordSimilarity

MAX_DEAD_WORDS = 50_000
"""Threshold of renumbering: all words are renumbered once more words belong to removed documents than this plus the
words in use."""
NEVER = 1 << 52


class PassageKey(NamedTuple):
    """A passage: its document's id and its position in the document."""

    document: str
    order: int


def format_key(document: str, order: int) -> str:
    """Both parts in one string."""
    return f"{order}/{document}"


class DocumentAttributes(NamedTuple):
    """``expires``: seconds since 1970, NEVER if it does not."""

    expires: int
    visibility: str = "public"
    language: str = ""

    @property
    def limited(self) -> bool:
        return self.expires != NEVER or self.visibility != "public"


@lru_cache(maxsize=1024)
def intern_attributes(until: int, visibility: str, language: str) -> DocumentAttributes:
    """One shared instance for equal attributes, which most documents have."""
    return DocumentAttributes(until, visibility, language)


class _DocumentRows(NamedTuple):
    """One document: the row of its first passage, and the number of passages."""

    first: int
    size: int
    attributes: DocumentAttributes


@dataclass(frozen=True, slots=True)
class PassageTerms:
    """The terms of some passages, one passage after another: each term's count by field, its passage, and each
    passage's length by field."""

    terms: Numbers
    counts: NDArray[np.uint8]
    passages: NDArray[np.intp]
    lengths: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class _Rows:
    """All passages in the order in which they were added. Rows of removed documents stay until the words are
    renumbered. ``…_begins`` has one more row: the beginning of the next passage."""

    terms: ArrayBuffer
    counts: ArrayBuffer
    term_begins: ArrayBuffer
    words: ArrayBuffer
    word_begins: ArrayBuffer
    lengths: ArrayBuffer

    @classmethod
    def empty(cls) -> _Rows:
        fields = len(PASSAGE_FIELDS)
        begins = ArrayBuffer(np.int64), ArrayBuffer(np.int64)
        for each in begins:
            each.extend(np.zeros(1, np.int64))
        counts, lengths = ArrayBuffer(np.uint8, fields), ArrayBuffer(np.int32, fields)
        return cls(ArrayBuffer(np.int32), counts, begins[0], ArrayBuffer(np.int32), begins[1], lengths)

    def add(
        self,
        terms: Numbers,
        term_sizes: NDArray[np.int32],
        counts: NDArray[np.uint8],
        words: Numbers,
        word_sizes: NDArray[np.int32],
        lengths: NDArray[np.int32],
    ) -> int:
        """Returns the row of the first passage."""
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
    """Replaced as a whole when words are renumbered, so that a reader keeps a consistent state."""

    terms: Vocabulary
    words: Vocabulary
    likeness: WordSimilarity | None
    rows: _Rows = field(default_factory=_Rows.empty)
    documents: dict[str, _DocumentRows] = field(default_factory=dict)


class PassageTable:
    """One writer; each reader uses a ``view``."""

    def __init__(self, encoder: Encoder | None) -> None:
        self._encoder = encoder
        self._live = self._dead = 0
        self.for_verified = 0
        """Number of documents shown only to verified contacts."""
        self.languages: Counter[str] = Counter()
        """Number of documents by declared language."""
        self._state = self._empty()

    def _empty(self) -> _State:
        words = Vocabulary()
        return _State(Vocabulary(), words, WordSimilarity(self._encoder, words) if self._encoder else None)

    def put(self, document: str, counts: TermCounts, attributes: DocumentAttributes) -> None:
        self.drop(document)
        state = self._state
        terms, words = state.terms.put(counts.terms)[counts.term_of], state.words.put(counts.words)[counts.word_of]
        first = state.rows.add(terms, counts.term_sizes, counts.counts, words, counts.word_sizes, counts.lengths)
        state.documents[document] = rows = _DocumentRows(first, len(counts.lengths), intern_attributes(*attributes))
        self._live += self._size(rows)
        self.for_verified += attributes.visibility == "verified"
        self.languages[primary_language(attributes.language)] += 1

    def drop(self, document: str) -> None:
        removed = self._state.documents.pop(document, None)
        if removed is not None:
            size = self._size(removed)
            self._live -= size
            self._dead += size
            self.for_verified -= removed.attributes.visibility == "verified"
            self.languages[primary_language(removed.attributes.language)] -= 1
        if self._dead > MAX_DEAD_WORDS + self._live:
            self._renumber()

    def statistics_of(self, document: str) -> DocumentStatistics | None:
        """The document's contribution to the term statistics; None for an unknown document."""
        entry = self._state.documents.get(document)
        if entry is None:
            return None
        rows, end = self._state.rows, entry.first + entry.size
        begin, stop = rows.term_begins.rows[[entry.first, end]].tolist()
        terms = self._state.terms.words(np.unique(rows.terms.rows[begin:stop]))
        return DocumentStatistics(terms, rows.lengths.rows[entry.first : end], entry.attributes.limited)

    def _size(self, entry: _DocumentRows) -> int:
        """Number of terms and words."""
        rows = self._state.rows
        ends = [entry.first, entry.first + entry.size]
        return sum(int(begin[1] - begin[0]) for begin in (rows.term_begins.rows[ends], rows.word_begins.rows[ends]))

    def _renumber(self) -> None:
        old, new = self._state, self._empty()
        for document, entry in old.documents.items():
            rows, span = old.rows, slice(entry.first, entry.first + entry.size)
            ends = slice(entry.first, entry.first + entry.size + 1)
            of_terms, of_words = rows.term_begins.rows[ends], rows.word_begins.rows[ends]
            first = new.rows.add(
                new.terms.put(old.terms.words(rows.terms.rows[of_terms[0] : of_terms[-1]])),
                np.diff(of_terms).astype(np.int32),
                rows.counts.rows[of_terms[0] : of_terms[-1]],
                new.words.put(old.words.words(rows.words.rows[of_words[0] : of_words[-1]])),
                np.diff(of_words).astype(np.int32),
                rows.lengths.rows[span],
            )
            new.documents[document] = entry._replace(first=first)
        self._dead, self._state = 0, new

    def view(self) -> View:
        return View(self._state)


class View:
    """The table as it is during one search. A removed passage counts as empty."""

    def __init__(self, state: _State) -> None:
        self._state = state

    def is_visible(self, document: str, visibility: VisibilityFilter) -> bool:
        entry = self._state.documents.get(document)
        return entry is not None and visibility.allows(entry.attributes.visibility, entry.attributes.expires)

    def language(self, document: str) -> str:
        """The declared language, or empty."""
        entry = self._state.documents.get(document)
        return entry.attributes.language if entry is not None else ""

    def number(self, term: str) -> int:
        return self._state.terms.number(term)

    def gather(self, passages: Sequence[PassageKey]) -> PassageTerms:
        """The terms of at least one passage."""
        at = np.array(list(self._rows_of(passages)))
        rows, exists = self._state.rows, at >= 0
        begins = rows.term_begins.rows[at]
        sizes = np.where(exists, rows.term_begins.rows[at + 1] - begins, 0)
        selected = expand_spans(begins, sizes)
        lengths = np.zeros((len(passages), len(PASSAGE_FIELDS)), np.int32)
        lengths[exists] = rows.lengths.rows[at[exists]]
        of = np.repeat(np.arange(len(passages)), sizes)
        return PassageTerms(rows.terms.rows[selected], rows.counts.rows[selected], of, lengths)

    def word_similarities(self, words: Sequence[str], passages: Sequence[PassageKey]) -> NDArray[np.float64]:
        """See ``WordSimilarity.of``; all zero without an encoder."""
        if self._state.likeness is None or not words:
            return np.zeros((len(passages), len(words)))
        no_words = np.zeros(0, np.int32)
        rows = self._rows_of(passages)
        passage_words = [self._state.rows.words_of(row) if row >= 0 else no_words for row in rows]
        return self._state.likeness.of(words, passage_words)

    def _rows_of(self, passages: Sequence[PassageKey]) -> Iterable[int]:
        """-1 for a passage that does not exist."""
        for document, order in passages:
            entry = self._state.documents.get(document)
            yield entry.first + order if entry is not None and order < entry.size else -1


_MAX_PASSAGES = 1 << 20
"""No document has this many passages."""


class DocumentNumbers:
    """Numbers of documents, stored with the index entries. A document keeps its number across versions, so that a
    reader of an old version still knows the document. One writer, many readers."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._documents: dict[int, str] = {}
        self._next = 1

    def number_for(self, document: str) -> int:
        """The document's number, or the one that it will get."""
        return self._numbers.get(document, self._next)

    def find(self, document: str) -> int | None:
        """The document's number; None for an unknown document."""
        return self._numbers.get(document)

    def put(self, document: str, number: int) -> None:
        self._numbers[document] = number
        self._documents[number] = document
        self._next = max(self._next, number + 1)

    def drop(self, document: str) -> None:
        self._documents.pop(self._numbers.pop(document, 0), None)

    def passage(self, number: int) -> PassageKey | None:
        """The passage with this number; None when its document is unknown."""
        document = self._documents.get(document_number(number))
        return None if document is None else PassageKey(document, number % _MAX_PASSAGES)


def passage_number(document: int, order: int) -> int:
    """A passage's number, made of its document's. The document itself has its first passage's number."""
    return document * _MAX_PASSAGES + order


def document_number(passage: int) -> int:
    """The document's number, from one of its passages'."""
    return passage // _MAX_PASSAGES
