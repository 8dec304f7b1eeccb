"""One tenant's vectors in memory, rounded, searched by brute force: coarsely over all, more exactly over the best."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agent_worker.knowledge.vectors.encoder import Vectors

EXACT = 600
"""So many rows are compared by their numbers; which ones, the signs of these tell, thirty times faster."""
_FIRST = 1024
_BLOCK = 1 << 15
"""Rows whose signs are compared at a time: what is counted of them stays in the processor's cache."""
_SAMPLED = 64
"""One row of so many is sampled."""
_STEPS = 127


class DenseRows:
    """One writer; readers beside it: each row is there before it is counted, and full arrays are replaced by larger
    ones, so that a reader keeps what it began with. A number of a row takes a byte: a step is a 127th of the row's
    greatest, which moves a cosine by some thousandths. Who wants it exactly has the vector itself on disk."""

    def __init__(self, size: int, room: int = _FIRST) -> None:
        self.size = size
        self._count = 0
        self._signs = np.zeros((size // 64, room), np.uint64)
        self._steps = np.zeros((room, size), np.int8)
        self._scales = np.zeros(room, np.float32)

    def __len__(self) -> int:
        return self._count

    def add(self, vectors: Vectors) -> int:
        """The place of the first. ``vectors`` are of norm 1 or 0."""
        begin, end = self._count, self._count + len(vectors)
        if end > len(self._scales):
            self._grow(end + end // 2)
        greatest = np.abs(vectors).max(axis=1) / _STEPS
        self._scales[begin:end] = greatest
        self._steps[begin:end] = np.rint(vectors / np.maximum(greatest, 1e-9)[:, None])
        self._signs[:, begin:end] = _signs(vectors)
        self._count = end
        return begin

    def blank(self, begin: int, end: int) -> None:
        """Near to nothing from now on."""
        self._scales[begin:end] = 0

    def kept(self, rows: NDArray[np.int64]) -> DenseRows:
        """Another one, of these rows alone."""
        made = DenseRows(self.size, max(_FIRST, len(rows) + len(rows) // 2))
        made._take(self, rows)
        return made

    def _grow(self, room: int) -> None:
        grown = DenseRows(self.size, room)
        grown._take(self, slice(0, self._count))
        self._signs, self._steps, self._scales = grown._signs, grown._steps, grown._scales

    def _take(self, other: DenseRows, rows: NDArray[np.int64] | slice) -> None:
        scales = other._scales[rows]
        self._count = len(scales)
        self._scales[: self._count] = scales
        self._steps[: self._count] = other._steps[rows]
        self._signs[:, : self._count] = other._signs[:, rows]

    def nearest(self, queries: Vectors, limit: int) -> list[int]:
        """The ``limit`` rows nearest to any of the queries, best first; blank ones among them where there are few."""
        count = self._count
        signs, steps, scales = self._signs, self._steps, self._scales
        if not count:
            return []
        chosen = _near(signs[:, :count], _signs(queries)) if count > EXACT else np.arange(count)
        near = products(steps[chosen].astype(np.float32), queries) * scales[chosen, None]
        best: list[int] = chosen[np.argsort(-near.max(axis=1), kind="stable")[:limit]].tolist()
        return best


def _signs(vectors: Vectors) -> NDArray[np.uint64]:
    """Whether each number is positive, as bits: 64 to a row of the result, one column a vector."""
    return np.packbits(vectors > 0, axis=1).view(np.uint64).T


def _near(signs: NDArray[np.uint64], queries: NDArray[np.uint64]) -> NDArray[np.intp]:
    """Places of at least ``EXACT`` rows whose signs differ least from any of the queries'."""
    least = _differing(signs, queries)
    # Sorting a sample tells about how far the nearest are; the rest need not be counted.
    sample = np.sort(least[::_SAMPLED])
    chosen = np.flatnonzero(least <= sample[min(len(sample) - 1, 3 * EXACT // _SAMPLED + 8)])
    if len(chosen) < EXACT:
        chosen = np.arange(len(least))
    near = least[chosen]
    limit = int(np.searchsorted(np.cumsum(np.bincount(near)), EXACT))
    return chosen[near <= limit][: 4 * EXACT]


def _differing(signs: NDArray[np.uint64], queries: NDArray[np.uint64]) -> NDArray[np.uint16]:
    """For each row, in how many signs it differs from the nearest query."""
    least = np.full(signs.shape[1], np.iinfo(np.uint16).max, np.uint16)
    parted, counted, summed = np.empty(_BLOCK, np.uint64), np.empty(_BLOCK, np.uint8), np.empty(_BLOCK, np.uint16)
    for begin in range(0, signs.shape[1], _BLOCK):
        block, nearest = signs[:, begin : begin + _BLOCK], least[begin : begin + _BLOCK]
        size = len(nearest)
        for query in queries.T:
            summed[:size] = 0
            for part, asked in zip(block, query, strict=True):
                np.bitwise_count(np.bitwise_xor(part, asked, out=parted[:size]), out=counted[:size])
                np.add(summed[:size], counted[:size], out=summed[:size])
            np.minimum(nearest, summed[:size], out=nearest)
    return least


# Products of vectors, on the thread that asks for them.
#
# A library of linear algebra deals larger products out to threads that wait for each other. Searches run beside each
# other and beside conversations: where another one holds a core, a product of 0.1 ms then takes 10 ms.
_ROWS = 8
"""So few at a time that no library finds them worth a second thread."""


def products(rows: Vectors, others: Vectors) -> Vectors:
    """Of each row with each of ``others``, a column."""
    count, size = rows.shape
    even = count - count % _ROWS
    out = np.empty((count, len(others)), np.float32)
    blocks = out[:even].reshape(-1, _ROWS, len(others))
    np.matmul(rows[:even].reshape(-1, _ROWS, size), others.T, out=blocks)
    np.matmul(rows[even:], others.T, out=out[even:])
    return out


# What all of a tenant's texts share, and vectors without it.
#
# Everything a shop writes is near to everything it is asked, if only because both speak of the same trade. Without that
# part a cosine tells better which of its documents is meant; with it, whether any is.
_ENOUGH = 50
"""Of so many sentences the mean counts half: that of a few is not what they share, but what they say."""


class Middle:
    """A running mean of sentences. One writer; a reader sees a mean before or after a change."""

    def __init__(self, size: int) -> None:
        self._sum, self._count = np.zeros(size, np.float64), 0

    def add(self, total: Vectors, count: int) -> None:
        """``total`` of ``count`` sentences, which are taken away when it is negative."""
        self._sum, self._count = self._sum + total, self._count + count

    @property
    def vector(self) -> Vectors:
        """Shorter than the mean while there are few."""
        made: Vectors = (self._sum / (self._count + _ENOUGH)).astype(np.float32)
        return made


def apart(near: Vectors, to_middle: Vectors, queries: Vectors, middle: Vectors) -> Vectors:
    """Cosines without ``middle``. ``near``: those of vectors of norm 1, a row each, to ``queries``; ``to_middle``:
    their products with ``middle``."""
    size = float(middle @ middle)
    asked = queries @ middle
    rows = np.sqrt(np.maximum(1 - 2 * to_middle + size, 1e-6))
    columns = np.sqrt(np.maximum((queries * queries).sum(axis=1) - 2 * asked + size, 1e-6))
    made: Vectors = (near - asked - to_middle[:, None] + size) / (rows[:, None] * columns)
    return made
