"""Arrays that grow at their end, for one who writes and many who read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FIRST = 256


class Growing:
    """Rows of one kind. What is there never moves for a reader: one that is full is copied into a larger one, and who
    took the old one keeps it."""

    def __init__(self, kind: type[np.generic], width: int = 0) -> None:
        """Each row is a number, or ``width`` of them."""
        import numpy as np

        self._all: NDArray[Any] = np.empty((_FIRST, width) if width else _FIRST, kind)
        self._length = 0

    def __len__(self) -> int:
        return self._length

    @property
    def rows(self) -> NDArray[Any]:
        """As many as there are now. To be taken after whatever says which of them are meant."""
        return self._all[: self._length]

    def extend(self, rows: NDArray[Any]) -> int:
        """Where the first of them stands."""
        import numpy as np

        begin, end = self._length, self._length + len(rows)
        if end > len(self._all):
            # What is not written takes no memory.
            grown = np.empty((end + end // 2, *self._all.shape[1:]), self._all.dtype)
            grown[:begin] = self._all[:begin]
            self._all = grown
        self._all[begin:end] = rows
        self._length = end
        return begin


def flat(begins: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """The places of stretches, at least one, one after another: each its first place and how many there are."""
    import numpy as np

    ends = np.cumsum(sizes)
    places: NDArray[np.int64] = np.arange(ends[-1]) + np.repeat(begins - (ends - sizes), sizes)
    return places
