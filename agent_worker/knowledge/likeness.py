"""Words that mean nearly the same: each word of a question against every word of a passage, by their vectors.

This finds what no list of synonyms foresees, and, unlike the vector of a whole passage, is not drowned by its length.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent_worker.knowledge.encoder import Encoder, Vectors

ALIKE = 0.3
"""Below this cosine two words have nothing to do with each other."""
_ROOM = 30_000
"""Words remembered, at a kilobyte each; beyond, it starts anew."""


class Likeness:
    """Remembers the vectors of words it has met. Safe in threads."""

    def __init__(self, encoder: Encoder) -> None:
        import numpy as np

        self._encoder = encoder
        self._places: dict[str, int] = {}
        self._table = np.empty((_ROOM, encoder.words_size), np.float32)
        self._lock = Lock()

    def of(self, asked: Sequence[str], passages: Sequence[Sequence[str]]) -> list[list[float]]:
        """For each passage, for each word asked: the cosine of the nearest word in it, 0 when none is near."""
        import numpy as np

        filled = [words or ("",) for words in passages]
        words = list(dict.fromkeys(chain.from_iterable(filled)))
        place = {word: number for number, word in enumerate(words)}
        near = self._vectors(words) @ self._vectors(asked).T
        flat = near[[place[word] for word in chain.from_iterable(filled)]]
        begins = np.cumsum([0, *(len(words) for words in filled[:-1])])
        best = np.maximum.reduceat(flat, begins, axis=0)
        out: list[list[float]] = np.where(best >= ALIKE, best, 0.0).tolist()
        return out

    def _vectors(self, words: Sequence[str]) -> Vectors:
        with self._lock:
            new = [word for word in words if word not in self._places]
            if len(self._places) + len(new) > _ROOM:
                self._places.clear()
                new = list(words)
            if len(new) > _ROOM:
                return self._encoder.encode_words(new)
            if new:
                distinct = list(dict.fromkeys(new))
                at = len(self._places)
                self._table[at : at + len(distinct)] = self._encoder.encode_words(distinct)
                self._places |= {word: number for number, word in enumerate(distinct, at)}
            return self._table[[self._places[word] for word in words]]
