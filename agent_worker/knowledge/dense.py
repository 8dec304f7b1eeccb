"""One tenant's vectors in memory, searched by brute force: coarsely over all rows, exactly over the best."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from agent_worker.knowledge.encoder import Vectors

COARSE = 64  # the first numbers of a vector already order texts well: the weights were trained so
EXACT = 400
_MOST_ROWS = 4000
_FIRST = 1024
Kind = Literal["text", "heading"]


class Row(NamedTuple):
    """A vector's place: the passage it was made of, and of what in it."""

    document: str
    order: int
    kind: Kind


@dataclass(slots=True)
class _Rows:
    """Grown by doubling and replaced whole when it is tidied, so that a reader keeps what it began with."""

    coarse: NDArray[np.float32]
    full: NDArray[np.float16]
    names: list[Row | None] = field(default_factory=list)
    of: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))


class DenseRows:
    """One writer; readers beside it. A removed row is blanked and never reused until the rows are tidied."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._rows = self._empty(_FIRST)
        self._dead = 0

    def __len__(self) -> int:
        return len(self._rows.names) - self._dead

    def _empty(self, room: int) -> _Rows:
        import numpy as np

        return _Rows(np.zeros((room, COARSE), np.float32), np.zeros((room, self._size), np.float16))

    def add(self, names: Sequence[Row], vectors: Vectors) -> None:
        """``vectors`` are of norm 1 or 0, one a name."""
        at = len(self._rows.names)
        if at + len(names) > len(self._rows.full):
            self._move(range(at), 2 * (at + len(names)))
            at = len(self._rows.names)
        rows = self._rows
        rows.full[at : at + len(names)] = vectors
        rows.coarse[at : at + len(names)] = vectors[:, :COARSE]
        for place, name in enumerate(names, at):
            rows.of[name.document].append(place)
        rows.names.extend(names)

    def remove(self, document: str) -> None:
        for place in self._rows.of.pop(document, ()):
            self._rows.names[place] = None
            self._rows.coarse[place] = 0
            self._rows.full[place] = 0
            self._dead += 1
        if self._dead > 1000 and self._dead * 2 > len(self._rows.names):
            kept = [place for place, name in enumerate(self._rows.names) if name is not None]
            self._move(kept, 2 * len(kept))

    def _move(self, kept: Sequence[int], room: int) -> None:
        old, new = self._rows, self._empty(max(_FIRST, room))
        chosen = list(kept)
        new.full[: len(chosen)] = old.full[chosen]
        new.coarse[: len(chosen)] = old.coarse[chosen]
        new.names = [old.names[place] for place in chosen]
        of: defaultdict[str, list[int]] = defaultdict(list)
        for place, name in enumerate(new.names):
            if name is not None:
                of[name.document].append(place)
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
        near = (rows.coarse[:count] @ queries[:, :COARSE].T).max(axis=1)
        chosen = np.argpartition(-near, EXACT)[:EXACT] if count > EXACT else np.arange(count)
        best = (rows.full[chosen].astype(np.float32) @ queries.T).max(axis=1)
        places = chosen[np.argsort(-best)[:limit]].tolist()
        return [name for place in places if (name := rows.names[place]) is not None]

    def cosines(self, document: str, queries: Vectors) -> dict[Row, list[float]]:
        """Of each of the document's rows to every query."""
        import numpy as np

        rows = self._rows
        places = list(rows.of.get(document, ()))[:_MOST_ROWS]
        exact = (rows.full[places].astype(np.float32) @ queries.T).tolist()
        named = zip((rows.names[place] for place in places), exact, strict=True)
        return {name: cosines for name, cosines in named if name is not None}
