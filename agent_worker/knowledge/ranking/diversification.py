"""Spread of the first passages over documents.

A document that only resembles the question would otherwise fill everything that models and people see.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

FIRST = 8
"""Passages that are spread: as many as a turn sees."""
MAX_PER_DOCUMENT = 2
CLEAR_SHARE = 0.5
"""From this probability on, one document clearly holds the answer: it is likelier there than in all others together."""


def spread(documents: Sequence[str], clear: str | None) -> list[int]:
    """Positions in their new order. ``documents``: the document of each passage, best passage first. Among the first
    ones each document has at most two, except the one that is ``clear``, and unless there are no others."""
    first: list[int] = []
    seen: Counter[str] = Counter()
    for position, document in enumerate(documents):
        seen[document] += 1
        if len(first) < FIRST and (seen[document] <= MAX_PER_DOCUMENT or document == clear):
            first.append(position)
    chosen = set(first)
    return first + [position for position in range(len(documents)) if position not in chosen]
