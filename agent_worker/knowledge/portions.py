"""What is new is made ready in portions, so that it can be found while the rest is still being embedded."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from agent_worker.knowledge.entries import Prepared
from agent_worker.knowledge.index import TenantIndex
from schemas.conversation import Document

_BREATH = 0.0005  # seconds; splitting is plain Python, and between documents the others get their turn
_AT_LEAST_EVERY = 1.0  # seconds


def portions(
    index: TenantIndex, new: Sequence[tuple[Document, str]], closing: Callable[[], bool]
) -> Iterator[tuple[int, list[Prepared]]]:
    """All that is new, in portions of a second's work, each with how many are done. Ends early when ``closing``."""
    put: list[Prepared] = []
    begun = time.monotonic()
    for done, change in enumerate(new, 1):
        put.append(index.prepare(*change))
        time.sleep(_BREATH)
        if closing() or done == len(new) or time.monotonic() - begun > _AT_LEAST_EVERY:
            yield done, put
            put, begun = [], time.monotonic()
        if closing():
            return
