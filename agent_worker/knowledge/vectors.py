"""All vectors of one tenant's passages: wholes and headings, which are searched, and sentences, which are compared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from agent_worker.knowledge.dense import DenseRows, Row
from agent_worker.knowledge.middle import Middle, apart
from agent_worker.knowledge.passages import Place
from agent_worker.knowledge.products import products

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from agent_worker.knowledge.encoder import Vectors

_READ_AT_ONCE = 5000
_FEW = 3
"""So many of a document's sentences are to be near: one may be so by its form alone."""
_APART = 1000.0
COSINES = (
    "text",
    "heading",
    "sentence",
    "few",
    "text_apart",
    "heading_apart",
    "sentence_apart",
    "few_apart",
    "theme",
    "whole",
)
"""What ``cosines`` says of a passage. ``text``: the mean of its heading and sentences; ``whole``: its whole text;
``sentence``: its nearest one; ``few``: the mean of the nearest three of its document; ``theme``: the mean of all of its
document. ``…_apart`` and ``theme`` are without what all documents share."""


_FEWS = frozenset({"few", "few_apart"})


def rows_of(document: str, order: int) -> tuple[Row, Row]:
    return Row(document, order, "text"), Row(document, order, "heading")


class PassageVectors:
    """One writer; readers beside it. A passage has a heading's vector, one of its whole text, then one a sentence.

    Sentences are not searched: there are several to a passage, and the nearest one stands in a near passage."""

    def __init__(self, size: int) -> None:
        import numpy as np

        self.size = size
        self.rows = DenseRows(size)
        self._sentences: defaultdict[str, dict[int, NDArray[np.float16]]] = defaultdict(dict)
        self._wholes: defaultdict[str, dict[int, NDArray[np.float16]]] = defaultdict(dict)
        self._totals: dict[str, tuple[Vectors, int]] = {}
        self._middle = Middle(size)
        self._nothing = np.zeros((1, size), np.float16)

    def put(self, document: str, vectors: Sequence[Vectors]) -> None:
        """``vectors`` by the order of the document's passages. What was there of it must have been removed."""
        import numpy as np

        self._add([(document, order, of.astype(np.float16)) for order, of in enumerate(vectors)])

    def read(self, stored: Iterable[tuple[str, int, bytes]]) -> None:
        """Document, order, and what ``stored_form`` made, of any number of passages."""
        import numpy as np

        some: list[tuple[str, int, NDArray[np.float16]]] = []
        for document, order, value in stored:
            some.append((document, order, np.frombuffer(value, np.float16).reshape(-1, self.size)))
            if len(some) == _READ_AT_ONCE:
                self._add(some)
                some = []
        self._add(some)

    def _add(self, some: Sequence[tuple[str, int, NDArray[np.float16]]]) -> None:
        import numpy as np

        if not some:
            return
        searched = np.empty((2 * len(some), self.size), np.float32)
        for place, (document, order, vectors) in enumerate(some):
            exact = vectors.astype(np.float32)
            self._wholes[document][order] = vectors[1]
            self._sentences[document][order] = vectors[2:]
            self._count(document, exact[2:].sum(axis=0), len(vectors) - 2)
            text = exact[0] + exact[2:].sum(axis=0)
            searched[2 * place] = text / max(float(np.linalg.norm(text)), 1e-9)
            searched[2 * place + 1] = exact[0]
        self.rows.add([name for document, order, _ in some for name in rows_of(document, order)], searched)

    def _count(self, document: str, total: Vectors, count: int) -> None:
        before, held = self._totals.get(document, (0.0, 0))
        self._totals[document] = (before + total, held + count)
        self._middle.add(total, count)

    def remove(self, document: str) -> None:
        self.rows.remove(document)
        self._sentences.pop(document, None)
        self._wholes.pop(document, None)
        total, count = self._totals.pop(document, (None, 0))
        if total is not None:
            self._middle.add(-total, -count)

    def of(self, document: str) -> list[list[Vectors]]:
        """As they were put, rounded to half precision; empty when they are not here."""
        import numpy as np

        sentences, wholes = self._sentences.get(document, {}), self._wholes.get(document, {})
        headings = self.rows.vectors([rows_of(document, order)[1] for order in range(len(sentences))])
        if headings is None:
            return []
        return [
            [heading, wholes[order].astype(np.float32), *sentences[order].astype(np.float32)]
            for order, heading in enumerate(headings)
        ]

    def cosines(self, passages: Sequence[Place], queries: Vectors, names: Sequence[str] = COSINES) -> Vectors:
        """In the order of ``names``, some of COSINES, for each passage, a row, the cosines to every query, a column."""
        import numpy as np

        if not passages:
            return np.zeros((len(names), 0, len(queries)), np.float32)
        middle = self._middle.vector
        both = np.concatenate([queries, middle[None]])
        found = {**self._searched(passages, both), **self._compared(passages, both, few=_FEWS.intersection(names))}
        if "theme" in names:
            found["theme"] = self._themes(passages, queries, middle)
        if "whole" in names:
            found["whole"] = self._as_wholes(passages, queries)
        return np.stack([found[name] for name in names])

    def _searched(self, passages: Sequence[Place], both: Vectors) -> dict[str, Vectors]:
        """``both``: the queries, then the middle."""
        names = [rows_of(document, order) for document, order in passages]
        near = self.rows.cosines([name for pair in names for name in pair], both)
        far = apart(near[:, :-1], near[:, -1], both[:-1], both[-1])
        found = {"text": near[::2, :-1], "heading": near[1::2, :-1]}
        return {**found, "text_apart": far[::2], "heading_apart": far[1::2]}

    def _compared(self, passages: Sequence[Place], both: Vectors, few: Collection[str]) -> dict[str, Vectors]:
        """The nearest sentence; of ``few``, what is asked for: of the nearest few of the document."""
        import numpy as np

        # A writer may be replacing the document: what was found of it then counts without its sentences.
        held = [self._sentences.get(document, {}).get(order, self._nothing) for document, order in passages]
        sizes = [len(vectors) for vectors in held]
        begins = np.cumsum([0, *sizes[:-1]])
        near = products(np.concatenate(held).astype(np.float32), both)
        far = apart(near[:, :-1], near[:, -1], both[:-1], both[-1])
        names: dict[str, int] = {}
        owners = np.array([names.setdefault(document, len(names)) for document, _ in passages])
        of = np.repeat(owners, sizes)
        found = {"sentence": near[:, :-1], "sentence_apart": far}
        made = {name: np.maximum.reduceat(each, begins, axis=0) for name, each in found.items()}
        of_few = {"few": near[:, :-1], "few_apart": far}
        return made | {name: _few(of_few[name], of)[owners] for name in few}

    def _as_wholes(self, passages: Sequence[Place], queries: Vectors) -> Vectors:
        import numpy as np

        wholes = [self._wholes.get(document, {}).get(order, self._nothing[0]) for document, order in passages]
        return products(np.stack(wholes).astype(np.float32), queries)

    def _themes(self, passages: Sequence[Place], queries: Vectors, middle: Vectors) -> Vectors:
        import numpy as np

        names: dict[str, int] = {}
        of = [names.setdefault(document, len(names)) for document, _ in passages]
        totals = [self._totals.get(name, (middle, 1)) for name in names]
        themes = np.stack([total / count for total, count in totals]) - middle
        asked = queries - middle
        size = np.linalg.norm(themes, axis=1)[:, None] * np.linalg.norm(asked, axis=1)
        near: Vectors = (products(themes.astype(np.float32), asked) / np.maximum(size, 1e-6))[of]
        return near


def _few(near: Vectors, of: NDArray[np.intp]) -> Vectors:
    """For each document the mean of its nearest sentences. ``of``: which document a row is of; each has one."""
    import numpy as np

    counts = np.bincount(of)
    ends = np.cumsum(counts)
    # Sorted within each document, for all columns at once: by far apart offsets.
    offsets = _APART * np.arange(len(counts))[:, None]
    placed = np.sort(near + offsets[of], axis=0)
    total = sum(
        np.where((counts >= step)[:, None], placed[np.maximum(ends - step, 0)] - offsets, 0.0)
        for step in range(1, _FEW + 1)
    )
    made: Vectors = (total / np.minimum(counts, _FEW)[:, None]).astype(np.float32)
    return made


def stored_form(vectors: Vectors) -> bytes:
    """One passage's vectors as they are kept on disk."""
    return vectors.astype("float16").tobytes()
