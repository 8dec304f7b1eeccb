"""What all of a tenant's texts share, and vectors without it.

Everything a shop writes is near to everything it is asked, if only because both speak of the same trade. Without that
part a cosine tells better which of its documents is meant; with it, whether any is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent_worker.knowledge.encoder import Vectors

_ENOUGH = 50
"""Of so many sentences the mean counts half: that of a few is not what they share, but what they say."""


class Middle:
    """A running mean of sentences. One writer; a reader sees a mean before or after a change."""

    def __init__(self, size: int) -> None:
        import numpy as np

        self._sum, self._count = np.zeros(size, np.float64), 0

    def add(self, total: Vectors, count: int) -> None:
        """``total`` of ``count`` sentences, which are taken away when it is negative."""
        self._sum, self._count = self._sum + total, self._count + count

    @property
    def vector(self) -> Vectors:
        """Shorter than the mean while there are few."""
        import numpy as np

        made: Vectors = (self._sum / (self._count + _ENOUGH)).astype(np.float32)
        return made


def apart(near: Vectors, to_middle: Vectors, queries: Vectors, middle: Vectors) -> Vectors:
    """Cosines without ``middle``. ``near``: those of vectors of norm 1, a row each, to ``queries``; ``to_middle``:
    their products with ``middle``."""
    import numpy as np

    size = float(middle @ middle)
    asked = queries @ middle
    rows = np.sqrt(np.maximum(1 - 2 * to_middle + size, 1e-6))
    columns = np.sqrt(np.maximum((queries * queries).sum(axis=1) - 2 * asked + size, 1e-6))
    made: Vectors = (near - asked - to_middle[:, None] + size) / (rows[:, None] * columns)
    return made
