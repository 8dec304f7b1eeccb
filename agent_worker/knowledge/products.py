"""Products of vectors, on the thread that asks for them.

A library of linear algebra deals larger products out to threads that wait for each other. Searches run beside each
other and beside conversations: where another one holds a core, the product of a tenth of a millisecond then takes ten.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent_worker.knowledge.encoder import Vectors

_ROWS = 8
"""So few at a time that no library finds them worth a second thread."""


def products(rows: Vectors, others: Vectors) -> Vectors:
    """Of each row with each of ``others``, a column."""
    import numpy as np

    count, size = rows.shape
    even = count - count % _ROWS
    out = np.empty((count, len(others)), np.float32)
    blocks = out[:even].reshape(-1, _ROWS, len(others))
    np.matmul(rows[:even].reshape(-1, _ROWS, size), others.T, out=blocks)
    np.matmul(rows[even:], others.T, out=out[even:])
    return out
