"""All vectors of one tenant's passages: wholes and headings, which are searched, and sentences, which are compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agent_worker.knowledge.index.arrays import Growing
from agent_worker.knowledge.index.document_file import Pages
from agent_worker.knowledge.index.passage_table import Numbering, Place, number_of
from agent_worker.knowledge.vectors.cosine_similarity import COSINES, Blocks, cosines_of
from agent_worker.knowledge.vectors.encoder import Vectors
from agent_worker.knowledge.vectors.vector_index import DenseRows, Middle

_SEARCHED = 2
"""Rows of a passage that are searched, and come first: its text's and its heading's."""
_BEFORE = 3
"""With that of its whole text, those before its sentences'."""
_GONE = -1
_HALF, _SINGLE = 2, 4  # bytes of a number


class _Held(NamedTuple):
    """One document: its first passage, how many, where in the file its vectors begin, and the number of sentences."""

    first: int
    size: int
    begin: int
    sentences: int


class Placed(NamedTuple):
    """One document's vectors in the file: what ``stored_form`` made begins at byte ``begin`` and has ``sizes`` rows a
    passage."""

    number: int
    begin: int
    sizes: NDArray[np.int32]


@dataclass(slots=True)
class _State:
    """Replaced whole when the file is tidied. Of each passage: its number, where its rows begin in the file, counted in
    half precision numbers, and how many they are. ``documents``: by their numbers, what ``_Held`` says; no passages
    where there is none."""

    pages: Pages
    dense: DenseRows
    numbers: Growing
    begins: Growing
    sizes: Growing
    documents: Growing

    @classmethod
    def empty(cls, pages: Pages, dense: DenseRows) -> _State:
        documents = Growing(np.int64, len(_Held._fields))
        return cls(pages, dense, Growing(np.int64), Growing(np.int64), Growing(np.int32), documents)

    def held(self, number: int | None) -> _Held | None:
        rows = self.documents.rows
        held = _Held(*rows[number].tolist()) if number is not None and number < len(rows) else None
        return held if held is not None and held.size else None

    def hold(self, number: int, held: _Held) -> None:
        missing = number + 1 - len(self.documents)
        if missing > 0:
            self.documents.extend(np.zeros((missing, len(held)), np.int64))
        self.documents.rows[number] = held

    def all(self) -> NDArray[np.float16]:
        return np.frombuffer(self.pages.mapped, np.float16, len(self.pages.mapped) // _HALF)

    def total(self, held: _Held, size: int) -> Vectors:
        return np.frombuffer(self.pages.mapped, np.float32, size, held.begin)


class PassageVectors:
    """One writer; readers beside it. A passage has a vector of its text (the mean of heading and sentences), of its
    heading, of its whole text, then one a sentence.

    Sentences are not searched: there are several to a passage, and the nearest one stands in a near passage. In memory
    are what is searched, rounded, and where the rest stands."""

    def __init__(self, size: int, pages: Pages, numbering: Numbering) -> None:
        self.size = size
        self._numbering = numbering
        self._middle = Middle(size)
        self._state = _State.empty(pages, DenseRows(size))

    def put(self, pages: Pages, documents: Iterable[Placed]) -> None:
        """``pages`` hold them all, and what was put before. What was there of a document must have been removed."""
        state = self._state
        state.pages = pages
        every = state.all()
        for placed in documents:
            self._put(state, every, placed)

    def _put(self, state: _State, every: NDArray[np.float16], placed: Placed) -> None:
        begin = (placed.begin + _SINGLE * self.size) // _HALF
        ends = np.cumsum(placed.sizes, dtype=np.int64)
        rows = every[begin : begin + int(ends[-1]) * self.size].reshape(-1, self.size)
        firsts = ends - placed.sizes
        searched = rows[(firsts[:, None] + np.arange(_SEARCHED)).ravel()].astype(np.float32)
        orders = np.arange(len(ends))
        state.begins.extend(begin + firsts * self.size)
        state.sizes.extend(placed.sizes)
        first = state.numbers.extend(number_of(placed.number, 0) + orders)
        held = _Held(first, len(ends), placed.begin, int(ends[-1]) - _BEFORE * len(ends))
        state.dense.add(searched)
        self._middle.add(state.total(held, self.size), held.sentences)
        state.hold(placed.number, held)

    def remove(self, document: str) -> None:
        """While it has its number."""
        state, number = self._state, self._numbering.known(document)
        held = state.held(number)
        if held is None or number is None:
            return
        state.documents.rows[number] = 0
        state.numbers.rows[held.first : held.first + held.size] = _GONE
        state.dense.blank(_SEARCHED * held.first, _SEARCHED * (held.first + held.size))
        self._middle.add(-state.total(held, self.size), -held.sentences)

    def tidy(self, pages: Pages, shifts: Mapping[int, int]) -> None:
        """The file was tidied: each document's vectors, by its number, begin so many bytes later now, and what is dead
        is let go."""
        old = self._state
        held = {number: there for number in shifts if (there := old.held(number)) is not None}
        spans = [np.arange(each.first, each.first + each.size) for each in held.values()]
        rows = np.concatenate([np.zeros(0, np.int64), *spans])
        moved = np.array([shifts[number] for number in held], np.int64)
        further = np.repeat(moved, [len(span) for span in spans]) // _HALF
        new = _State.empty(pages, old.dense.kept((_SEARCHED * rows[:, None] + np.arange(_SEARCHED)).ravel()))
        new.numbers.extend(old.numbers.rows[rows])
        new.begins.extend(old.begins.rows[rows] + further)
        new.sizes.extend(old.sizes.rows[rows])
        first = 0
        for number, each in held.items():
            new.hold(number, each._replace(first=first, begin=each.begin + shifts[number]))
            first += each.size
        self._state = new

    def nearest(self, queries: Vectors, limit: int) -> list[int]:
        """Numbers of the passages of which the text or the heading is among the ``limit`` nearest to any query."""
        state = self._state
        rows = [row // _SEARCHED for row in state.dense.nearest(queries, limit)]
        numbers = state.numbers.rows[list(dict.fromkeys(rows))].tolist() if rows else []
        return [number for number in numbers if number != _GONE]

    def of(self, document: str) -> list[Vectors]:
        """Each passage's rows as they were put, rounded to half precision: heading, whole, sentences; empty when they
        are not here."""
        state = self._state
        held = state.held(self._numbering.known(document))
        if held is None:
            return []
        every = state.all()
        blocks = [self._block(state, every, held.first + order).astype(np.float32) for order in range(held.size)]
        return [block[1:] for block in blocks]

    def _block(self, state: _State, every: NDArray[np.float16], row: int) -> NDArray[np.float16]:
        begin = int(state.begins.rows[row])
        return every[begin : begin + int(state.sizes.rows[row]) * self.size].reshape(-1, self.size)

    def cosines(self, passages: Sequence[Place], queries: Vectors, names: Sequence[str] = COSINES) -> Vectors:
        """In the order of ``names``, some of COSINES, for each passage, a row, the cosines to every query, a column."""
        if not passages:
            return np.zeros((len(names), 0, len(queries)), np.float32)
        blocks = self._blocks(passages, themes="theme" in names)
        return cosines_of(blocks, queries, self._middle.vector, names)

    def _blocks(self, passages: Sequence[Place], *, themes: bool) -> Blocks:
        """A passage that a writer has just taken away counts as one without words."""
        state = self._state
        # The documents first: what they name is then in the pages, which only grow.
        known = {document: state.held(self._numbering.known(document)) for document, _ in passages}
        every = state.all()
        at = [
            one.first + order if (one := known[document]) is not None and order < one.size else _GONE
            for document, order in passages
        ]
        nothing = np.zeros((_BEFORE + 1) * self.size, np.float16)
        parts = [nothing if row == _GONE else self._block(state, every, row).ravel() for row in at]
        rows = np.concatenate(parts).astype(np.float32).reshape(-1, self.size)
        counts = np.array([len(part) // self.size for part in parts])
        places = {document: place for place, document in enumerate(known)}
        of = np.array([places[document] for document, _ in passages])
        means = self._means(state, known.values()) if themes else None
        state.pages.release()
        return Blocks(rows, counts, of, means)

    def _means(self, state: _State, held: Iterable[_Held | None]) -> Vectors:
        """Of all sentences of each document."""
        middle = self._middle.vector
        return np.stack([state.total(one, self.size) / one.sentences if one else middle for one in held])


def stored_form(vectors: Sequence[Vectors]) -> bytes:
    """A document's vectors as they are kept on disk: the sum of all its sentences, then, in half precision, each
    passage's rows. ``vectors``: of each passage its heading, its whole text, its sentences."""
    size = vectors[0].shape[1]
    total, out = np.zeros(size, np.float32), []
    for each in vectors:
        rounded = each.astype(np.float16)
        exact = rounded.astype(np.float32)
        sentences = exact[_BEFORE - 1 :].sum(axis=0)
        total += sentences
        text = exact[0] + sentences
        text /= max(float(np.linalg.norm(text)), 1e-9)
        out += [text.astype(np.float16)[None], rounded]
    return total.tobytes() + np.concatenate(out).tobytes()


def sizes_of(vectors: Sequence[Vectors]) -> NDArray[np.int32]:
    """Rows of each passage in the stored form."""
    return np.array([len(each) + 1 for each in vectors], np.int32)
