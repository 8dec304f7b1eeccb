"""One tenant's vectors in memory: only the signs of their numbers, compared by brute force."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from agent_worker.knowledge.vectors.encoder import Vectors

SEARCHED_ROWS = 2
"""Rows of a passage that are searched and come first: those of its text and its heading."""
_BITS = 64


def pack_signs(vectors: NDArray[np.floating]) -> NDArray[np.uint64]:
    """The signs as bits, set for positive numbers: a row for each vector, 64 signs in a number."""
    padded = np.pad(vectors > 0, ((0, 0), (0, -vectors.shape[1] % _BITS)))
    return np.packbits(padded, axis=1).view(np.uint64)


class VectorIndex:
    """Finds the passages whose vectors differ least from a query's in their signs. The ranking compares those few
    exactly, with the vectors on disk. Never changed: a write makes a new one, so a reader keeps a consistent state."""

    def __init__(self, passages: NDArray[np.int64], signs: NDArray[np.uint64]) -> None:
        """``passages``: their numbers. ``signs``: along the first axis, 64 signs each; along the second, a passage's
        searched vectors; along the third, the passages."""
        self._passages = passages
        self._signs = signs

    @classmethod
    def of(cls, size: int, passages: Iterable[int], signs: bytes) -> VectorIndex:
        """``signs``: of the passages' searched vectors of ``size`` numbers, one after another."""
        columns = np.frombuffer(signs, np.uint64).reshape(-1, SEARCHED_ROWS, -(-size // _BITS))
        return cls(np.fromiter(passages, np.int64), np.ascontiguousarray(columns.transpose(2, 1, 0)))

    def __len__(self) -> int:
        return len(self._passages)

    def replace(self, removed: Iterable[int], added: VectorIndex) -> VectorIndex:
        """Without the passages ``removed``, as far as they are there, and with those of ``added``."""
        kept = np.flatnonzero(np.isin(self._passages, np.fromiter(removed, np.int64), invert=True))
        passages, signs = self._passages, self._signs
        if len(kept) < len(passages):
            passages, signs = passages[kept], signs[:, :, kept]
        return VectorIndex(np.concatenate([passages, added._passages]), np.concatenate([signs, added._signs], axis=2))

    def nearest(self, queries: Vectors, limit: int) -> list[int]:
        """Numbers of the ``limit`` passages nearest to any of the queries, best first."""
        least = np.full(len(self), np.iinfo(np.uint16).max, np.uint16)
        for query in pack_signs(queries):
            differing = np.zeros(self._signs.shape[1:], np.uint16)
            for signs, query_signs in zip(self._signs, query, strict=True):
                differing += np.bitwise_count(signs ^ query_signs)
            np.minimum(least, differing.min(axis=0), out=least)
        # Counting finds the limit faster than sorting.
        greatest = np.searchsorted(np.cumsum(np.bincount(least)), limit)
        nearest = np.flatnonzero(least <= greatest)
        best = nearest[np.argsort(least[nearest], kind="stable")[:limit]]
        found: list[int] = self._passages[best].tolist()
        return found


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


def common_vector(total: NDArray[np.float64], count: int) -> Vectors:
    """The mean of a tenant's sentences, from their sum and number: the part that all its texts share. Shorter than the
    mean while there are few sentences.

    Everything a shop writes is near to everything it is asked, because both speak of the same trade. Without that part
    a cosine shows better which document is meant; with it, whether any is.
    """
    mean: Vectors = (total / (count + _PRIOR_COUNT)).astype(np.float32)
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
