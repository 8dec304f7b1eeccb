"""One tenant's vectors in memory, searched by brute force: coarsely over all rows, exactly over the best."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

from agent_worker.knowledge.products import products

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from agent_worker.knowledge.encoder import Vectors

EXACT = 600
"""So many rows are compared exactly; which ones, the signs of a vector's numbers tell, thirty times faster."""
_FIRST = 1024
_BLOCK = 1 << 15
"""Rows whose signs are compared at a time: what is counted of them stays in the processor's cache."""
_SAMPLED = 64
"""One row of so many is sampled."""
Kind = Literal["text", "heading"]


class Row(NamedTuple):
    """A vector's place: the passage it was made of, and of what in it."""

    document: str
    order: int
    kind: Kind


@dataclass(slots=True)
class _Rows:
    """Grown by doubling and replaced whole when it is tidied, so that a reader keeps what it began with."""

    signs: NDArray[np.uint64]
    full: NDArray[np.float16]
    names: list[Row | None] = field(default_factory=list)
    of: defaultdict[str, dict[Row, int]] = field(default_factory=lambda: defaultdict(dict))


class DenseRows:
    """One writer; readers beside it. A removed row is blanked and never reused until the rows are tidied."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._rows = self._empty(_FIRST)
        self._dead = 0

    def __len__(self) -> int:
        return len(self._rows.names) - self._dead

    def _empty(self, room: int) -> _Rows:
        import numpy as np

        return _Rows(np.zeros((self.size // 64, room), np.uint64), np.zeros((room, self.size), np.float16))

    def add(self, names: Sequence[Row], vectors: Vectors) -> None:
        """``vectors`` are of norm 1 or 0, one a name."""
        at = len(self._rows.names)
        if at + len(names) > len(self._rows.full):
            self._move(range(at), 2 * (at + len(names)))
            at = len(self._rows.names)
        rows = self._rows
        rows.full[at : at + len(names)] = vectors
        rows.signs[:, at : at + len(names)] = _signs(vectors)
        for place, name in enumerate(names, at):
            rows.of[name.document][name] = place
        rows.names.extend(names)

    def remove(self, document: str) -> None:
        for place in self._rows.of.pop(document, {}).values():
            self._rows.names[place] = None
            self._rows.full[place] = 0
            self._dead += 1
        if self._dead > 1000 and self._dead * 2 > len(self._rows.names):
            kept = [place for place, name in enumerate(self._rows.names) if name is not None]
            self._move(kept, 2 * len(kept))

    def _move(self, kept: Sequence[int], room: int) -> None:
        old, new = self._rows, self._empty(max(_FIRST, room))
        chosen = list(kept)
        new.full[: len(chosen)] = old.full[chosen]
        new.signs[:, : len(chosen)] = old.signs[:, chosen]
        new.names = [old.names[place] for place in chosen]
        of: defaultdict[str, dict[Row, int]] = defaultdict(dict)
        for place, name in enumerate(new.names):
            if name is not None:
                of[name.document][name] = place
        new.of = of
        self._dead = sum(name is None for name in new.names)
        self._rows = new

    def nearest(self, queries: Vectors, limit: int) -> list[Row]:
        """The ``limit`` rows nearest to any of the queries, best first."""
        import numpy as np

        rows = self._rows
        count = len(rows.names)
        if not count:
            return []
        chosen = _near(rows.signs[:, :count], _signs(queries)) if count > EXACT else np.arange(count)
        best = products(rows.full[chosen].astype(np.float32), queries).max(axis=1)
        places = chosen[np.argsort(-best)[:limit]].tolist()
        return [name for place in places if (name := rows.names[place]) is not None]

    def vectors(self, names: Sequence[Row]) -> Vectors | None:
        """Of rows that are all there; None when one is not."""
        import numpy as np

        rows = self._rows
        there = [place for name in names if (place := rows.of.get(name.document, {}).get(name)) is not None]
        return rows.full[there].astype(np.float32) if len(there) == len(names) else None

    def cosines(self, names: Sequence[Row], queries: Vectors) -> Vectors:
        """Of each row to every query; 0 for rows that are not there."""
        import numpy as np

        rows = self._rows
        places = np.array([rows.of.get(name.document, {}).get(name, -1) for name in names], np.intp)
        exact = products(rows.full[places].astype(np.float32), queries)
        exact[places < 0] = 0.0
        return exact


def _signs(vectors: Vectors) -> NDArray[np.uint64]:
    """Whether each number is positive, as bits: 64 to a row of the result, one column a vector."""
    import numpy as np

    return np.packbits(vectors > 0, axis=1).view(np.uint64).T


def _near(signs: NDArray[np.uint64], queries: NDArray[np.uint64]) -> NDArray[np.intp]:
    """Places of at least ``EXACT`` rows whose signs differ least from any of the queries'."""
    import numpy as np

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
    import numpy as np

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
