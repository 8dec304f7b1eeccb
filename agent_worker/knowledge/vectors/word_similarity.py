"""Similarity of a question's words to a passage's words, by their vectors.

It finds synonyms that no list contains and, unlike a passage's vector, does not get weaker with the passage's length.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from agent_worker.knowledge.index.arrays import Numbers, Vocabulary
from agent_worker.knowledge.vectors.encoder import Encoder, Vectors
from agent_worker.knowledge.vectors.vector_index import products

MIN_COSINE = 0.3
"""Below this cosine two words are unrelated."""
MAX_WORDS = 30_000
"""Words kept in the cache, a quarter of a kilobyte each; a full cache is cleared."""
BATCH_SIZE = 1024
"""Words compared at a time; fewer than MAX_WORDS."""
_STEPS = 127


class WordSimilarity:
    """Caches the vectors of the vocabulary's words. Thread-safe."""

    def __init__(self, encoder: Encoder, vocabulary: Vocabulary) -> None:
        self._encoder = encoder
        self._vocabulary = vocabulary
        self._steps = np.empty((MAX_WORDS, encoder.words_size), np.int8)
        self._scales = np.empty((MAX_WORDS, 1), np.float32)
        self._rows = np.full(1024, -1, np.int32)
        self._count = 0
        self._lock = Lock()

    def of(self, asked: Sequence[str], passages: Sequence[Numbers]) -> NDArray[np.float64]:
        """A row for each passage and a column for each query word: the cosine of the nearest word in the passage, 0
        when none is near. ``passages`` holds the numbers of their words; ``asked`` has at least one word."""
        out = np.zeros((len(passages), len(asked)))
        filled = np.array([place for place, words in enumerate(passages) if len(words)], np.intp)
        if not len(filled):
            return out
        flat = np.concatenate(passages)
        words, at = _unique(flat)
        near = self._cosines(words, self._encoder.encode_words(asked))
        begins = np.cumsum([0, *(len(passages[place]) for place in filled[:-1])])
        best = np.maximum.reduceat(near[at], begins, axis=0)
        out[filled] = np.where(best >= MIN_COSINE, best, 0.0)
        return out

    def _cosines(self, words: Numbers, asked: Vectors) -> Vectors:
        """A row for each distinct word, computed in batches: a text of unknown words would take ten megabytes at
        once."""
        cosines = np.empty((len(words), len(asked)), np.float32)
        for begin in range(0, len(words), BATCH_SIZE):
            cosines[begin : begin + BATCH_SIZE] = products(self._vectors(words[begin : begin + BATCH_SIZE]), asked)
        return cosines

    def _vectors(self, words: Numbers) -> Vectors:
        """Vectors of at most ``BATCH_SIZE`` distinct words."""
        with self._lock:
            if int(words[-1]) >= len(self._rows):
                more = np.full(2 * int(words[-1]) + 1 - len(self._rows), -1, np.int32)
                self._rows = np.concatenate([self._rows, more])
            new = words[self._rows[words] < 0]
            if self._count + len(new) > MAX_WORDS:
                self._rows[:] = -1
                self._count, new = 0, words
            if len(new):
                place = slice(self._count, self._count + len(new))
                self._steps[place], self._scales[place] = self._quantize(new)
                self._rows[new] = np.arange(self._count, self._count + len(new))
                self._count += len(new)
            rows = self._rows[words]
            steps, scales = self._steps[rows], self._scales[rows]
        vectors: Vectors = steps * scales
        return vectors

    def _quantize(self, words: Numbers) -> tuple[NDArray[np.int8], Vectors]:
        """Rounded to steps of a 127th of the maximum, so that a cached word has the same vector as a new one. Returns
        steps and step sizes."""
        exact = self._encoder.encode_words(self._vocabulary.words(words))
        scales = np.abs(exact).max(axis=1, keepdims=True) / _STEPS
        return np.rint(exact / np.maximum(scales, 1e-9)).astype(np.int8), scales


def _unique(flat: Numbers) -> tuple[Numbers, NDArray[np.intp]]:
    """The distinct numbers in order, and the position of each input number among them."""
    exists = np.zeros(int(flat.max()) + 1, np.bool_)
    exists[flat] = True
    words = np.flatnonzero(exists)
    places = np.empty(len(exists), np.intp)
    places[words] = np.arange(len(words))
    return words.astype(np.int32), places[flat]
