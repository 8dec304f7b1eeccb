"""All vectors of one tenant's passages: texts and headings, which are searched, and sentences, which are compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agent_worker.knowledge.index.arrays import ArrayBuffer
from agent_worker.knowledge.index.document_file import Pages
from agent_worker.knowledge.index.passage_table import DocumentNumbers, PassageKey, passage_number
from agent_worker.knowledge.vectors.cosine_similarity import COSINES, PassageRows, cosines_of
from agent_worker.knowledge.vectors.encoder import Vectors
from agent_worker.knowledge.vectors.vector_index import CommonVector, VectorIndex

_SEARCHED_ROWS = 2
"""Rows of a passage that are searched and come first: those of its text and its heading."""
_WHOLE_ROWS = 3
"""Rows before the sentences, including the one of the whole text."""
_REMOVED = -1
_HALF_BYTES, _SINGLE_BYTES = 2, 4


class _DocumentVectors(NamedTuple):
    """One document: its first passage, the number of passages, where its vectors begin in the file, and the number of
    sentences."""

    first: int
    size: int
    begin: int
    sentences: int


class VectorLocation(NamedTuple):
    """One document's vectors in the file: the output of ``encode_vectors`` begins at byte ``begin`` and has ``sizes``
    rows per passage."""

    number: int
    begin: int
    sizes: NDArray[np.int32]


@dataclass(slots=True)
class _State:
    """Replaced as a whole when the file is compacted. For each passage: its number, where its rows begin in the file,
    counted in half-precision numbers, and how many they are. ``documents``: by document number, the fields of
    ``_DocumentVectors``, all zero for no document."""

    pages: Pages
    dense: VectorIndex
    numbers: ArrayBuffer
    begins: ArrayBuffer
    sizes: ArrayBuffer
    documents: ArrayBuffer

    @classmethod
    def empty(cls, pages: Pages, dense: VectorIndex) -> _State:
        documents = ArrayBuffer(np.int64, len(_DocumentVectors._fields))
        return cls(pages, dense, ArrayBuffer(np.int64), ArrayBuffer(np.int64), ArrayBuffer(np.int32), documents)

    def find(self, number: int | None) -> _DocumentVectors | None:
        rows = self.documents.rows
        held = _DocumentVectors(*rows[number].tolist()) if number is not None and number < len(rows) else None
        return held if held is not None and held.size else None

    def hold(self, number: int, held: _DocumentVectors) -> None:
        missing = number + 1 - len(self.documents)
        if missing > 0:
            self.documents.extend(np.zeros((missing, len(held)), np.int64))
        self.documents.rows[number] = held

    def all(self) -> NDArray[np.float16]:
        return np.frombuffer(self.pages.mapped, np.float16, len(self.pages.mapped) // _HALF_BYTES)

    def total(self, held: _DocumentVectors, size: int) -> Vectors:
        return np.frombuffer(self.pages.mapped, np.float32, size, held.begin)


class PassageVectors:
    """One writer and many readers. A passage has a vector of its text (the mean of heading and sentences), of its
    heading, of its whole text, and one for each sentence.

    Sentences are not searched, because the nearest one is in a near passage. Memory holds only the rounded searched
    rows and the positions of the others.
    """

    def __init__(self, size: int, pages: Pages, document_numbers: DocumentNumbers) -> None:
        self.size = size
        self._document_numbers = document_numbers
        self._mean = CommonVector(size)
        self._state = _State.empty(pages, VectorIndex(size))

    def put(self, pages: Pages, documents: Iterable[VectorLocation]) -> None:
        """``pages`` contains the new documents and all earlier ones. A previous version must have been removed."""
        state = self._state
        state.pages = pages
        numbers = state.all()
        for location in documents:
            self._put(state, numbers, location)

    def _put(self, state: _State, numbers: NDArray[np.float16], location: VectorLocation) -> None:
        begin = (location.begin + _SINGLE_BYTES * self.size) // _HALF_BYTES
        ends = np.cumsum(location.sizes, dtype=np.int64)
        rows = numbers[begin : begin + int(ends[-1]) * self.size].reshape(-1, self.size)
        firsts = ends - location.sizes
        searched = rows[(firsts[:, None] + np.arange(_SEARCHED_ROWS)).ravel()].astype(np.float32)
        orders = np.arange(len(ends))
        state.begins.extend(begin + firsts * self.size)
        state.sizes.extend(location.sizes)
        first = state.numbers.extend(passage_number(location.number, 0) + orders)
        document = _DocumentVectors(first, len(ends), location.begin, int(ends[-1]) - _WHOLE_ROWS * len(ends))
        state.dense.add(searched)
        self._mean.add(state.total(document, self.size), document.sentences)
        state.hold(location.number, document)

    def remove(self, document: str) -> None:
        """Call it while the document still has its number."""
        state, number = self._state, self._document_numbers.find(document)
        vectors = state.find(number)
        if vectors is None or number is None:
            return
        state.documents.rows[number] = 0
        state.numbers.rows[vectors.first : vectors.first + vectors.size] = _REMOVED
        state.dense.clear(_SEARCHED_ROWS * vectors.first, _SEARCHED_ROWS * (vectors.first + vectors.size))
        self._mean.add(-state.total(vectors, self.size), -vectors.sentences)

    def compact(self, pages: Pages, shifts: Mapping[int, int]) -> None:
        """Adopt the compacted file. ``shifts``: by document number, how many bytes later its vectors begin. Removed
        rows are dropped."""
        old = self._state
        documents = {number: vectors for number in shifts if (vectors := old.find(number)) is not None}
        spans = [np.arange(document.first, document.first + document.size) for document in documents.values()]
        rows = np.concatenate([np.zeros(0, np.int64), *spans])
        moved = np.array([shifts[number] for number in documents], np.int64)
        moved_by = np.repeat(moved, [len(span) for span in spans]) // _HALF_BYTES
        new = _State.empty(
            pages, old.dense.select((_SEARCHED_ROWS * rows[:, None] + np.arange(_SEARCHED_ROWS)).ravel())
        )
        new.numbers.extend(old.numbers.rows[rows])
        new.begins.extend(old.begins.rows[rows] + moved_by)
        new.sizes.extend(old.sizes.rows[rows])
        first = 0
        for number, document in documents.items():
            new.hold(number, document._replace(first=first, begin=document.begin + shifts[number]))
            first += document.size
        self._state = new

    def nearest(self, queries: Vectors, limit: int) -> list[int]:
        """Numbers of the passages whose text or heading is among the ``limit`` nearest to any query."""
        state = self._state
        rows = [row // _SEARCHED_ROWS for row in state.dense.nearest(queries, limit)]
        numbers = state.numbers.rows[list(dict.fromkeys(rows))].tolist() if rows else []
        return [number for number in numbers if number != _REMOVED]

    def of(self, document: str) -> list[Vectors]:
        """Each passage's rows as they were put, in half precision: heading, whole text, sentences. Empty for an unknown
        document."""
        state = self._state
        vectors = state.find(self._document_numbers.find(document))
        if vectors is None:
            return []
        numbers = state.all()
        blocks = [
            self._block(state, numbers, vectors.first + order).astype(np.float32) for order in range(vectors.size)
        ]
        return [block[1:] for block in blocks]

    def _block(self, state: _State, numbers: NDArray[np.float16], row: int) -> NDArray[np.float16]:
        begin = int(state.begins.rows[row])
        return numbers[begin : begin + int(state.sizes.rows[row]) * self.size].reshape(-1, self.size)

    def cosines(self, passages: Sequence[PassageKey], queries: Vectors, names: Sequence[str] = COSINES) -> Vectors:
        """In the order of ``names``, some of COSINES: a row for each passage, a column for each query."""
        if not passages:
            return np.zeros((len(names), 0, len(queries)), np.float32)
        blocks = self._blocks(passages, themes="theme" in names)
        return cosines_of(blocks, queries, self._mean.vector, names)

    def _blocks(self, passages: Sequence[PassageKey], *, themes: bool) -> PassageRows:
        """A passage that is being removed counts as one without words."""
        state = self._state
        # Read the documents first: the pages only grow, so they contain everything that was read.
        documents = {document: state.find(self._document_numbers.find(document)) for document, _ in passages}
        numbers = state.all()
        at = [
            vectors.first + order if (vectors := documents[document]) is not None and order < vectors.size else _REMOVED
            for document, order in passages
        ]
        empty = np.zeros((_WHOLE_ROWS + 1) * self.size, np.float16)
        parts = [empty if row == _REMOVED else self._block(state, numbers, row).ravel() for row in at]
        rows = np.concatenate(parts).astype(np.float32).reshape(-1, self.size)
        counts = np.array([len(part) // self.size for part in parts])
        places = {document: place for place, document in enumerate(documents)}
        of = np.array([places[document] for document, _ in passages])
        means = self._means(state, documents.values()) if themes else None
        state.pages.release()
        return PassageRows(rows, counts, of, means)

    def _means(self, state: _State, documents: Iterable[_DocumentVectors | None]) -> Vectors:
        """The mean sentence of each document."""
        mean = self._mean.vector
        return np.stack(
            [state.total(document, self.size) / document.sentences if document else mean for document in documents]
        )


def encode_vectors(vectors: Sequence[Vectors]) -> bytes:
    """A document's vectors as stored on disk: the sum of all its sentences, then, in half precision, each passage's
    rows. ``vectors``: for each passage its heading, its whole text, its sentences."""
    size = vectors[0].shape[1]
    total, out = np.zeros(size, np.float32), []
    for passage in vectors:
        rounded = passage.astype(np.float16)
        exact = rounded.astype(np.float32)
        sentences = exact[_WHOLE_ROWS - 1 :].sum(axis=0)
        total += sentences
        text = exact[0] + sentences
        text /= max(float(np.linalg.norm(text)), 1e-9)
        out += [text.astype(np.float16)[None], rounded]
    return total.tobytes() + np.concatenate(out).tobytes()


def row_counts(vectors: Sequence[Vectors]) -> NDArray[np.int32]:
    """Rows of each passage in the stored form."""
    return np.array([len(each) + 1 for each in vectors], np.int32)
