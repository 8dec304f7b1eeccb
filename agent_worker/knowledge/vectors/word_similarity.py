"""Words that mean nearly the same: each word of a question against every word of a passage, by their vectors.

This finds what no list of synonyms foresees, and, unlike the vector of a whole passage, is not drowned by its length.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from agent_worker.knowledge.index.arrays import Numbers, Vocabulary
from agent_worker.knowledge.vectors.encoder import Encoder, Vectors
from agent_worker.knowledge.vectors.vector_index import products

ALIKE = 0.3
"""Below this cosine two words have nothing to do with each other."""
_ROOM = 30_000
"""Words remembered, a byte a number, at a quarter of a kilobyte each; beyond, it starts anew."""
_BLOCK = 1024
"""Words looked at together; fewer than there is room for."""
_STEPS = 127


class Likeness:
    """Remembers the vectors of the vocabulary's words it has met. Safe in threads."""

    def __init__(self, encoder: Encoder, vocabulary: Vocabulary) -> None:
        self._encoder = encoder
        self._vocabulary = vocabulary
        self._steps = np.empty((_ROOM, encoder.words_size), np.int8)
        self._scales = np.empty((_ROOM, 1), np.float32)
        self._rows = np.full(1024, -1, np.int32)
        self._met = 0
        self._lock = Lock()

    def of(self, asked: Sequence[str], passages: Sequence[Numbers]) -> NDArray[np.float64]:
        """For each passage, a row, for each word asked: the cosine of the nearest word in it, 0 when none is near.
        ``passages`` are the numbers of their words, ``asked`` at least one word."""
        out = np.zeros((len(passages), len(asked)))
        filled = np.array([place for place, words in enumerate(passages) if len(words)], np.intp)
        if not len(filled):
            return out
        flat = np.concatenate(passages)
        words, at = _distinct(flat)
        near = self._near(words, self._encoder.encode_words(asked))
        begins = np.cumsum([0, *(len(passages[place]) for place in filled[:-1])])
        best = np.maximum.reduceat(near[at], begins, axis=0)
        out[filled] = np.where(best >= ALIKE, best, 0.0)
        return out

    def _near(self, words: Numbers, asked: Vectors) -> Vectors:
        """Cosines of distinct words, a row each. Some at a time: a text of words met for the first time would take ten
        megabytes at once."""
        near = np.empty((len(words), len(asked)), np.float32)
        for begin in range(0, len(words), _BLOCK):
            near[begin : begin + _BLOCK] = products(self._vectors(words[begin : begin + _BLOCK]), asked)
        return near

    def _vectors(self, words: Numbers) -> Vectors:
        """Of distinct words, at most ``_BLOCK``."""
        with self._lock:
            if int(words[-1]) >= len(self._rows):
                more = np.full(2 * int(words[-1]) + 1 - len(self._rows), -1, np.int32)
                self._rows = np.concatenate([self._rows, more])
            new = words[self._rows[words] < 0]
            if self._met + len(new) > _ROOM:
                self._rows[:] = -1
                self._met, new = 0, words
            if len(new):
                place = slice(self._met, self._met + len(new))
                self._steps[place], self._scales[place] = self._made(new)
                self._rows[new] = np.arange(self._met, self._met + len(new))
                self._met += len(new)
            rows = self._rows[words]
            steps, scales = self._steps[rows], self._scales[rows]
        found: Vectors = steps * scales
        return found

    def _made(self, words: Numbers) -> tuple[NDArray[np.int8], Vectors]:
        """Rounded, so that a word is as near when it is met again as when it was new: steps of a 127th of the greatest
        number, and how large a step is."""
        exact = self._encoder.encode_words(self._vocabulary.words(words))
        scales = np.abs(exact).max(axis=1, keepdims=True) / _STEPS
        return np.rint(exact / np.maximum(scales, 1e-9)).astype(np.int8), scales


def _distinct(flat: Numbers) -> tuple[Numbers, NDArray[np.intp]]:
    """The distinct numbers in their order, and where among them each one is."""
    there = np.zeros(int(flat.max()) + 1, np.bool_)
    there[flat] = True
    words = np.flatnonzero(there)
    places = np.empty(len(there), np.intp)
    places[words] = np.arange(len(words))
    return words.astype(np.int32), places[flat]
