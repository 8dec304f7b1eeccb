"""One tenant's vectors in memory, quantised and searched by brute force: first by their signs, then the best by their
numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agent_worker.knowledge.vectors.encoder import Vectors

EXACT_ROWS = 600
"""Rows that are compared by their numbers. The comparison of signs that selects them is thirty times faster."""
_INITIAL_ROWS = 1024
_BLOCK = 1 << 15
"""Rows whose signs are compared at a time, so that the intermediate results fit into the processor's cache."""
_SAMPLE_EVERY = 64
"""One row of this many is sampled."""
_STEPS = 127


class VectorIndex:
    """One writer and many readers: a row is complete before it is counted, and full arrays are replaced by larger ones,
    so a reader keeps a consistent state. A number takes one byte, in steps of a 127th of the row's maximum, which
    changes a cosine by some thousandths. The exact vectors are on disk."""

    def __init__(self, size: int, room: int = _INITIAL_ROWS) -> None:
        self.size = size
        self._count = 0
        self._signs = np.zeros((size // 64, room), np.uint64)
        self._steps = np.zeros((room, size), np.int8)
        self._scales = np.zeros(room, np.float32)

    def __len__(self) -> int:
        return self._count

    def add(self, vectors: Vectors) -> int:
        """Add vectors of norm 1 or 0. Returns the position of the first."""
        begin, end = self._count, self._count + len(vectors)
        if end > len(self._scales):
            self._grow(end + end // 2)
        greatest = np.abs(vectors).max(axis=1) / _STEPS
        self._scales[begin:end] = greatest
        self._steps[begin:end] = np.rint(vectors / np.maximum(greatest, 1e-9)[:, None])
        self._signs[:, begin:end] = _signs(vectors)
        self._count = end
        return begin

    def clear(self, begin: int, end: int) -> None:
        """Make rows similar to nothing from now on."""
        self._scales[begin:end] = 0

    def select(self, rows: NDArray[np.int64]) -> VectorIndex:
        """A new index with these rows only."""
        index = VectorIndex(self.size, max(_INITIAL_ROWS, len(rows) + len(rows) // 2))
        index._take(self, rows)
        return index

    def _grow(self, room: int) -> None:
        grown = VectorIndex(self.size, room)
        grown._take(self, slice(0, self._count))
        self._signs, self._steps, self._scales = grown._signs, grown._steps, grown._scales

    def _take(self, other: VectorIndex, rows: NDArray[np.int64] | slice) -> None:
        scales = other._scales[rows]
        self._count = len(scales)
        self._scales[: self._count] = scales
        self._steps[: self._count] = other._steps[rows]
        self._signs[:, : self._count] = other._signs[:, rows]

    def nearest(self, queries: Vectors, limit: int) -> list[int]:
        """The ``limit`` rows nearest to any of the queries, best first. Includes cleared rows where there are few
        others."""
        count = self._count
        signs, steps, scales = self._signs, self._steps, self._scales
        if not count:
            return []
        chosen = _nearest_by_signs(signs[:, :count], _signs(queries)) if count > EXACT_ROWS else np.arange(count)
        cosines = products(steps[chosen].astype(np.float32), queries) * scales[chosen, None]
        best: list[int] = chosen[np.argsort(-cosines.max(axis=1), kind="stable")[:limit]].tolist()
        return best


def _signs(vectors: Vectors) -> NDArray[np.uint64]:
    """The signs as bits, set for positive numbers: 64 per row of the result, one column per vector."""
    return np.packbits(vectors > 0, axis=1).view(np.uint64).T


def _nearest_by_signs(signs: NDArray[np.uint64], queries: NDArray[np.uint64]) -> NDArray[np.intp]:
    """Positions of at least ``EXACT_ROWS`` rows whose signs differ least from any of the queries'."""
    differences = _count_differences(signs, queries)
    # A sorted sample estimates the distance of the nearest rows, so that the others need not be counted.
    sample = np.sort(differences[::_SAMPLE_EVERY])
    chosen = np.flatnonzero(differences <= sample[min(len(sample) - 1, 3 * EXACT_ROWS // _SAMPLE_EVERY + 8)])
    if len(chosen) < EXACT_ROWS:
        chosen = np.arange(len(differences))
    nearest = differences[chosen]
    limit = int(np.searchsorted(np.cumsum(np.bincount(nearest)), EXACT_ROWS))
    return chosen[nearest <= limit][: 4 * EXACT_ROWS]


def _count_differences(signs: NDArray[np.uint64], queries: NDArray[np.uint64]) -> NDArray[np.uint16]:
    """Count for each row the signs in which it differs from the nearest query."""
    least = np.full(signs.shape[1], np.iinfo(np.uint16).max, np.uint16)
    differing, bit_counts, sums = np.empty(_BLOCK, np.uint64), np.empty(_BLOCK, np.uint8), np.empty(_BLOCK, np.uint16)
    for begin in range(0, signs.shape[1], _BLOCK):
        block, nearest = signs[:, begin : begin + _BLOCK], least[begin : begin + _BLOCK]
        size = len(nearest)
        for query in queries.T:
            sums[:size] = 0
            for part, query_part in zip(block, query, strict=True):
                np.bitwise_count(np.bitwise_xor(part, query_part, out=differing[:size]), out=bit_counts[:size])
                np.add(sums[:size], bit_counts[:size], out=sums[:size])
            np.minimum(nearest, sums[:size], out=nearest)
    return least


_PRODUCT_ROWS = 8
"""So few rows at a time that no linear algebra library uses a second thread."""


def products(rows: Vectors, others: Vectors) -> Vectors:
    """The product of each row with each of ``others``, a column, computed on the calling thread.

    Linear algebra libraries distribute larger products to threads that wait for each other. Beside other searches and
    conversations a product of 0.1 ms then takes 10 ms.
    """
    count, size = rows.shape
    even = count - count % _PRODUCT_ROWS
    out = np.empty((count, len(others)), np.float32)
    blocks = out[:even].reshape(-1, _PRODUCT_ROWS, len(others))
    np.matmul(rows[:even].reshape(-1, _PRODUCT_ROWS, size), others.T, out=blocks)
    np.matmul(rows[even:], others.T, out=out[even:])
    return out


_PRIOR_COUNT = 50
"""With this many sentences the mean counts half, because the mean of a few is not what all texts share."""


class CommonVector:
    """The running mean of a tenant's sentences: the part that all its texts share.

    Everything a shop writes is near to everything it is asked, because both speak of the same trade. Without that part
    a cosine shows better which document is meant; with it, whether any is. One writer; a reader sees a mean before or
    after a change.
    """

    def __init__(self, size: int) -> None:
        self._sum, self._count = np.zeros(size, np.float64), 0

    def add(self, total: Vectors, count: int) -> None:
        """Add the ``total`` of ``count`` sentences; both are negative to remove them."""
        self._sum, self._count = self._sum + total, self._count + count

    @property
    def vector(self) -> Vectors:
        """Shorter than the mean while there are few sentences."""
        mean: Vectors = (self._sum / (self._count + _PRIOR_COUNT)).astype(np.float32)
        return mean


def centered_cosines(near: Vectors, to_middle: Vectors, queries: Vectors, middle: Vectors) -> Vectors:
    """Cosines after subtracting ``middle`` from both sides. ``near``: cosines of vectors of norm 1, a row each, to
    ``queries``; ``to_middle``: their products with ``middle``."""
    size = float(middle @ middle)
    query_products = queries @ middle
    rows = np.sqrt(np.maximum(1 - 2 * to_middle + size, 1e-6))
    columns = np.sqrt(np.maximum((queries * queries).sum(axis=1) - 2 * query_products + size, 1e-6))
    centered: Vectors = (near - query_products - to_middle[:, None] + size) / (rows[:, None] * columns)
    return centered
