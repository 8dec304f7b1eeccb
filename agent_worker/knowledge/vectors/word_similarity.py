"""Similarity of a question's words to a passage's words, by their vectors.

It finds synonyms that no list contains and, unlike a passage's vector, does not get weaker with the passage's length.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from agent_worker.knowledge.vectors.encoder import Encoder, Vectors
from agent_worker.knowledge.vectors.vector_index import products

MIN_COSINE = 0.3
"""Below this cosine two words are unrelated."""
MAX_WORDS = 30_000
"""Words kept in the cache, a quarter of a kilobyte each; a full cache is cleared."""
MAX_ASKED = 1_000
"""Words of questions whose vectors are kept, a kilobyte each."""
BATCH_SIZE = 1024
"""Words compared at a time; fewer than MAX_WORDS."""
_STEPS = 127


class WordSimilarity:
    """Caches the vectors of words, for all tenants. Thread-safe."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._steps = np.empty((MAX_WORDS, encoder.words_size), np.int8)
        self._scales = np.empty((MAX_WORDS, 1), np.float32)
        self._rows: dict[str, int] = {}
        self._lock = Lock()
        self._encode_asked = lru_cache(maxsize=MAX_ASKED)(self._encode_word)

    def of(self, asked: Sequence[str], passages: Sequence[Sequence[str]]) -> NDArray[np.float64]:
        """A row for each passage and a column for each query word: the cosine of the nearest word in the passage, 0
        when none is near. ``passages`` holds their words; ``asked`` has at least one word."""
        out = np.zeros((len(passages), len(asked)))
        filled = [place for place, words in enumerate(passages) if words]
        if not filled:
            return out
        words = [word for place in filled for word in passages[place]]
        near = self._cosines(words, np.stack([self._encode_asked(word) for word in asked]))
        begins = np.cumsum([0, *(len(passages[place]) for place in filled[:-1])])
        best = np.maximum.reduceat(near, begins, axis=0)
        out[filled] = np.where(best >= MIN_COSINE, best, 0.0)
        return out

    def _encode_word(self, word: str) -> Vectors:
        vector: Vectors = self._encoder.encode_words([word])[0]
        return vector

    def _cosines(self, words: Sequence[str], asked: Vectors) -> Vectors:
        """A row for each word, computed in batches: a text of unknown words would take ten megabytes at
        once."""
        cosines = np.empty((len(words), len(asked)), np.float32)
        for begin in range(0, len(words), BATCH_SIZE):
            cosines[begin : begin + BATCH_SIZE] = products(self._vectors(words[begin : begin + BATCH_SIZE]), asked)
        return cosines

    def _vectors(self, words: Sequence[str]) -> Vectors:
        """Vectors of at most ``BATCH_SIZE`` words."""
        with self._lock:
            rows = list(map(self._rows.get, words))
            if None in rows:
                self._add(words)
                rows = list(map(self._rows.get, words))
            at = np.array(rows, np.intp)
            steps, scales = self._steps[at], self._scales[at]
        vectors: Vectors = steps * scales
        return vectors

    def _add(self, words: Sequence[str]) -> None:
        """Add those that are missing. A full cache is cleared first, and then all are."""
        distinct = dict.fromkeys(words)
        new = [word for word in distinct if word not in self._rows]
        if len(self._rows) + len(new) > MAX_WORDS:
            self._rows.clear()
            new = list(distinct)
        begin, end = len(self._rows), len(self._rows) + len(new)
        self._steps[begin:end], self._scales[begin:end] = self._quantize(new)
        self._rows.update(zip(new, range(begin, end), strict=True))

    def _quantize(self, words: Sequence[str]) -> tuple[NDArray[np.int8], Vectors]:
        """Rounded to steps of a 127th of the maximum, so that a cached word has the same vector as a new one. Returns
        steps and step sizes."""
        exact = self._encoder.encode_words(words)
        scales = np.abs(exact).max(axis=1, keepdims=True) / _STEPS
        return np.rint(exact / np.maximum(scales, 1e-9)).astype(np.int8), scales


@lru_cache(maxsize=2)
def word_similarity(encoder: Encoder) -> WordSimilarity:
    """One cache for all tenants, because a word has the same vector in each."""
    return WordSimilarity(encoder)
