"""Similarity of a question's words to a passage's words, by their vectors.

It finds synonyms that no list contains and, unlike a passage's vector, does not get weaker with the passage's length.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
MAX_TEXTS = 5_000
"""Passages whose words' rows are kept, so that they need not be looked up again; a full cache is cleared."""
BATCH_SIZE = 8192
"""Words compared at a time, which takes eight megabytes at most. More words of one passage are left out. Fewer than
MAX_WORDS."""
_STEPS = 127


class WordSimilarity:
    """Caches the vectors of words, for all tenants. Thread-safe."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._steps = np.empty((MAX_WORDS, encoder.words_size), np.int8)
        self._scales = np.empty((MAX_WORDS, 1), np.float32)
        self._rows: dict[str, int] = {}
        self._rows_of: dict[str, NDArray[np.intp]] = {}
        """By all words of a passage."""
        self._lock = Lock()
        self._encode_asked = lru_cache(maxsize=MAX_ASKED)(self._encode_word)

    def of(self, asked: Sequence[str], passages: Sequence[str]) -> NDArray[np.float64]:
        """A row for each passage and a column for each query word: the cosine of the nearest word in the passage, 0
        when none is near. ``passages`` holds their words, joined by blanks; ``asked`` has at least one word."""
        out = np.zeros((len(passages), len(asked)))
        vectors = np.stack([self._encode_asked(word) for word in asked])
        for places in _batches(passages):
            best = self._find_nearest(vectors, [passages[place] for place in places])
            out[places] = np.where(best >= MIN_COSINE, best, 0.0)
        return out

    def _encode_word(self, word: str) -> Vectors:
        vector: Vectors = self._encoder.encode_words([word])[0]
        return vector

    def _find_nearest(self, asked: Vectors, passages: Sequence[str]) -> Vectors:
        """The cosines of the nearest words of each passage, none of which is empty."""
        with self._lock:
            found = self._find_all_rows(passages)
            # Passages share most of their words.
            rows, inverse = np.unique(np.concatenate(found), return_inverse=True)
            vectors = self._steps[rows] * self._scales[rows]
        counts = np.array([len(each) for each in found])
        nearest: Vectors = np.maximum.reduceat(products(vectors, asked)[inverse], np.cumsum(counts) - counts, axis=0)
        return nearest

    def _find_all_rows(self, passages: Sequence[str]) -> list[NDArray[np.intp]]:
        found = [self._find_rows(words) for words in passages]
        if all(words in self._rows_of for words in passages):
            return found
        # The cache was full, and was cleared meanwhile. Now there is room for all.
        return [self._find_rows(words) for words in passages]

    def _find_rows(self, joined: str) -> NDArray[np.intp]:
        rows = self._rows_of.get(joined)
        if rows is None:
            words = joined.split(maxsplit=BATCH_SIZE)[:BATCH_SIZE]
            if None in map(self._rows.get, words):
                self._add(words)
            if len(self._rows_of) >= MAX_TEXTS:
                self._rows_of.clear()
            rows = self._rows_of[joined] = np.array([self._rows[word] for word in words], np.intp)
        return rows

    def _add(self, words: Sequence[str]) -> None:
        """Add those that are missing. A full cache is cleared first, and then all are."""
        distinct = dict.fromkeys(words)
        new = [word for word in distinct if word not in self._rows]
        if len(self._rows) + len(new) > MAX_WORDS:
            self._clear()
            new = list(distinct)
        begin, end = len(self._rows), len(self._rows) + len(new)
        self._steps[begin:end], self._scales[begin:end] = self._quantize(new)
        self._rows.update(zip(new, range(begin, end), strict=True))

    def _clear(self) -> None:
        self._rows.clear()
        self._rows_of.clear()

    def _quantize(self, words: Sequence[str]) -> tuple[NDArray[np.int8], Vectors]:
        """Rounded to steps of a 127th of the maximum, so that a cached word has the same vector as a new one. Returns
        steps and step sizes."""
        exact = self._encoder.encode_words(words)
        scales = np.abs(exact).max(axis=1, keepdims=True) / _STEPS
        return np.rint(exact / np.maximum(scales, 1e-9)).astype(np.int8), scales


def _batches(passages: Sequence[str]) -> Iterator[list[int]]:
    """Positions of the passages that have words, as many at a time as are compared at once."""
    batch: list[int] = []
    count = 0
    for place, words in enumerate(passages):
        if words:
            count += words.count(" ") + 1
            if batch and count > BATCH_SIZE:
                yield batch
                batch, count = [], words.count(" ") + 1
            batch.append(place)
    if batch:
        yield batch


@lru_cache(maxsize=2)
def word_similarity(encoder: Encoder) -> WordSimilarity:
    """One cache for all tenants, because a word has the same vector in each."""
    return WordSimilarity(encoder)
