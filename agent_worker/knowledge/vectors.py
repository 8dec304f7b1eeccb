"""All vectors of one tenant's passages: wholes and headings, which are searched, and sentences, which are compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from agent_worker.knowledge.cosines import COSINES, Blocks, cosines_of
from agent_worker.knowledge.dense import DenseRows
from agent_worker.knowledge.growing import Growing
from agent_worker.knowledge.middle import Middle
from agent_worker.knowledge.numbering import number_of
from agent_worker.knowledge.passages import Place

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from agent_worker.knowledge.encoder import Vectors
    from agent_worker.knowledge.file import Pages

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

    document: str
    number: int
    begin: int
    sizes: NDArray[np.int32]


@dataclass(slots=True)
class _State:
    """Replaced whole when the file is tidied. Of each passage: its number, where its rows begin in the file, counted in
    half precision numbers, and how many they are."""

    pages: Pages
    dense: DenseRows
    numbers: Growing
    begins: Growing
    sizes: Growing
    held: dict[str, _Held] = field(default_factory=dict)

    def all(self) -> NDArray[np.float16]:
        import numpy as np

        return np.frombuffer(self.pages.mapped, np.float16, len(self.pages.mapped) // _HALF)

    def total(self, held: _Held, size: int) -> Vectors:
        import numpy as np

        return np.frombuffer(self.pages.mapped, np.float32, size, held.begin)


class PassageVectors:
    """One writer; readers beside it. A passage has a vector of its text (the mean of heading and sentences), of its
    heading, of its whole text, then one a sentence.

    Sentences are not searched: there are several to a passage, and the nearest one stands in a near passage. In memory
    are what is searched, rounded, and where the rest stands."""

    def __init__(self, size: int, pages: Pages) -> None:
        import numpy as np

        self.size = size
        self._middle = Middle(size)
        self._state = _State(pages, DenseRows(size), Growing(np.int64), Growing(np.int64), Growing(np.int32))

    def put(self, pages: Pages, documents: Iterable[Placed]) -> None:
        """``pages`` hold them all, and what was put before. What was there of a document must have been removed."""
        state = self._state
        state.pages = pages
        every = state.all()
        for placed in documents:
            self._put(state, every, placed)

    def _put(self, state: _State, every: NDArray[np.float16], placed: Placed) -> None:
        import numpy as np

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
        state.held[placed.document] = held

    def remove(self, document: str) -> None:
        state = self._state
        held = state.held.pop(document, None)
        if held is None:
            return
        state.numbers.rows[held.first : held.first + held.size] = _GONE
        state.dense.blank(_SEARCHED * held.first, _SEARCHED * (held.first + held.size))
        self._middle.add(-state.total(held, self.size), -held.sentences)

    def tidy(self, pages: Pages, shifts: Mapping[str, int]) -> None:
        """The file was tidied: each document's vectors begin so many bytes later now, and what is dead is let go."""
        import numpy as np

        old = self._state
        spans = [np.arange(held.first, held.first + held.size) for held in old.held.values()]
        rows = np.concatenate([np.zeros(0, np.int64), *spans])
        moved = [shifts[name] for name in old.held]
        further = np.repeat(np.array(moved, np.int64), [len(span) for span in spans]) // _HALF
        dense = old.dense.kept((_SEARCHED * rows[:, None] + np.arange(_SEARCHED)).ravel())
        new = _State(pages, dense, Growing(np.int64), Growing(np.int64), Growing(np.int32))
        new.numbers.extend(old.numbers.rows[rows])
        new.begins.extend(old.begins.rows[rows] + further)
        new.sizes.extend(old.sizes.rows[rows])
        first = 0
        for name, held in old.held.items():
            new.held[name] = held._replace(first=first, begin=held.begin + shifts[name])
            first += held.size
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
        import numpy as np

        state = self._state
        held = state.held.get(document)
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
        import numpy as np

        if not passages:
            return np.zeros((len(names), 0, len(queries)), np.float32)
        blocks = self._blocks(passages, themes="theme" in names)
        return cosines_of(blocks, queries, self._middle.vector, names)

    def _blocks(self, passages: Sequence[Place], *, themes: bool) -> Blocks:
        """A passage that a writer has just taken away counts as one without words."""
        import numpy as np

        state = self._state
        # The documents first: what they name is then in the pages, which only grow.
        held = [state.held.get(document) for document, _ in passages]
        every = state.all()
        at = [
            one.first + order if one is not None and order < one.size else _GONE
            for one, (_, order) in zip(held, passages, strict=True)
        ]
        nothing = np.zeros((_BEFORE + 1) * self.size, np.float16)
        parts = [nothing if row == _GONE else self._block(state, every, row).ravel() for row in at]
        rows = np.concatenate(parts).astype(np.float32).reshape(-1, self.size)
        counts = np.array([len(part) // self.size for part in parts])
        documents: dict[str, int] = {}
        of = np.array([documents.setdefault(document, len(documents)) for document, _ in passages])
        means = self._means(state, documents) if themes else None
        state.pages.release()
        return Blocks(rows, counts, of, means)

    def _means(self, state: _State, documents: Iterable[str]) -> Vectors:
        """Of all sentences of each document."""
        import numpy as np

        found = [state.held.get(document) for document in documents]
        middle = self._middle.vector
        return np.stack([state.total(one, self.size) / one.sentences if one else middle for one in found])


def stored_form(vectors: Sequence[Vectors]) -> bytes:
    """A document's vectors as they are kept on disk: the sum of all its sentences, then, in half precision, each
    passage's rows. ``vectors``: of each passage its heading, its whole text, its sentences."""
    import numpy as np

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
    import numpy as np

    return np.array([len(each) + 1 for each in vectors], np.int32)
