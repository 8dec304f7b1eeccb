"""What scoring needs of every passage of a tenant, in memory and compact: some 400 bytes each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from agent_worker.knowledge.analysis import primary
from agent_worker.knowledge.counted import PASSAGE_FIELDS, Counted
from agent_worker.knowledge.likeness import Likeness
from agent_worker.knowledge.vocabulary import Vocabulary
from agent_worker.knowledge.wanted import Sight

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from agent_worker.knowledge.encoder import Encoder
    from agent_worker.knowledge.vocabulary import Numbers

_LEFT = 50_000
"""So many words of removed documents, and more than are there, before all words are numbered anew."""


class Place(NamedTuple):
    """Where a passage stands."""

    document: str
    order: int


class Label(NamedTuple):
    """What a document says of itself as a whole. ``until``: second since 1970 at which it expires."""

    until: int
    visibility: str = "public"
    language: str = ""


@dataclass(slots=True)
class _Held:
    """One document. ``…_ends``: where each passage's end in what is before it; ``lengths``: terms of each passage by
    field."""

    terms: Numbers
    term_ends: list[int]
    counts: NDArray[np.uint16]
    words: Numbers
    word_ends: list[int]
    lengths: NDArray[np.int32]
    label: Label

    @property
    def size(self) -> int:
        return len(self.terms) + len(self.words)


@dataclass(frozen=True, slots=True)
class Gathered:
    """Some passages: their terms one passage after another, how often each stands in each field, which passage it is
    of, and each passage's length by field."""

    terms: Numbers
    counts: NDArray[np.uint16]
    of: NDArray[np.intp]
    lengths: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class _State:
    """Replaced whole when words are numbered anew, so that a reader keeps what it began with."""

    terms: Vocabulary
    words: Vocabulary
    likeness: Likeness | None
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

    def put(self, document: str, made: Counted, label: Label) -> None:
        self.drop(document)
        self._state.held[document] = held = _held(self._state, made, label)
        self._there += held.size
        self.for_verified += label.visibility == "verified"
        self.languages[primary(label.language)] += 1

    def drop(self, document: str) -> None:
        gone = self._state.held.pop(document, None)
        if gone is not None:
            self._there -= gone.size
            self._left += gone.size
            self.for_verified -= gone.label.visibility == "verified"
            self.languages[primary(gone.label.language)] -= 1
        if self._left > _LEFT + self._there:
            self._number_anew()

    def _number_anew(self) -> None:
        old, new = self._state, self._empty()
        for document, held in old.held.items():
            terms, words = new.terms.put(old.terms.words(held.terms)), new.words.put(old.words.words(held.words))
            new.held[document] = _Held(
                terms, held.term_ends, held.counts, words, held.word_ends, held.lengths, held.label
            )
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
        import numpy as np

        empty = np.zeros((1, len(PASSAGE_FIELDS)), np.int32)
        terms, counts, lengths = [], [], []
        for place in places:
            held = self._at(place)
            begin, end = _span(held.term_ends, place.order) if held else (0, 0)
            terms.append(held.terms[begin:end] if held else empty[0, :0])
            counts.append(held.counts[begin:end] if held else empty[:0])
            lengths.append(held.lengths[place.order] if held else empty[0])
        of = np.repeat(np.arange(len(places)), [len(each) for each in terms])
        return Gathered(np.concatenate(terms), np.concatenate(counts), of, np.stack(lengths))

    def alike(self, asked: Sequence[str], places: Sequence[Place]) -> NDArray[np.float64]:
        """See ``Likeness.of``; nothing is alike without an encoder."""
        import numpy as np

        if self._state.likeness is None or not asked:
            return np.zeros((len(places), len(asked)))
        nothing = np.zeros(0, np.int32)
        found = [(self._at(place), place.order) for place in places]
        words = [held.words[slice(*_span(held.word_ends, order))] if held else nothing for held, order in found]
        return self._state.likeness.of(asked, words)

    def _at(self, place: Place) -> _Held | None:
        held = self._state.held.get(place.document)
        return held if held is not None and place.order < len(held.term_ends) else None


def _span(ends: Sequence[int], order: int) -> tuple[int, int]:
    return ends[order - 1] if order else 0, ends[order]


def _held(state: _State, made: Counted, label: Label) -> _Held:
    import numpy as np

    fields = len(PASSAGE_FIELDS)
    counts = np.array(made.counts, np.uint16).reshape(-1, fields)
    ends = np.cumsum([0, *made.term_sizes])
    summed = np.concatenate([np.zeros((1, fields), np.int32), np.cumsum(counts, axis=0, dtype=np.int32)])
    return _Held(
        state.terms.put(made.terms)[made.term_of] if made.terms else np.zeros(0, np.int32),
        ends[1:].tolist(),
        counts,
        state.words.put(made.words)[made.word_of] if made.words else np.zeros(0, np.int32),
        np.cumsum(made.word_sizes, dtype=np.intp).tolist(),
        np.diff(summed[ends], axis=0),
        label,
    )
