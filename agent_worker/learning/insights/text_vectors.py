"""Similarity of short texts by their words and by the vectors of these words.

This module and ``clustering.py`` import scikit-learn. Only the process that analyzes loads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer

from agent_worker.knowledge.text.analysis import content_words, terms
from agent_worker.knowledge.vectors.encoder import Encoder, Vectors

Rows = NDArray[np.intp]
_MANY_TEXTS = 100
"""What fewer texts have in common is rather their subject than the language of the trade, so less of it is taken
out."""
_COMPARED_CHARACTERS = 1000
"""Of each text. What it is about is said by then, and texts by strangers may be long and of words that nobody else
uses, of which each would be a column."""
_WORD_SHARE = 0.5
"""The part of the similarity that comes from equal words; the rest comes from related ones."""


class TextVectors:
    """The vectors of a list of texts. A text's row is its position in the list.

    Half of the similarity is that of TF-IDF weights, which know the words of a trade; half that of word vectors, which
    know synonyms. What all texts have in common is taken out of the latter, so that texts of one trade do not all look
    alike."""

    def __init__(self, texts: Sequence[str], encoder: Encoder | None, common: TextVectors | None = None) -> None:
        """``common``: the texts whose common part is taken out; None for these."""
        self.texts = texts
        compared = [text[:_COMPARED_CHARACTERS] for text in texts]
        self._dense = _encode(compared, encoder)
        self._mean: Vectors | None = common._mean if common is not None else None
        if self._dense is not None:
            if self._mean is None:
                self._mean = self._dense.mean(axis=0) * (len(texts) / (len(texts) + _MANY_TEXTS))
            self._dense = _normalize(self._dense - self._mean)
        vectorizer = TfidfVectorizer(analyzer=terms, sublinear_tf=True, dtype=np.float32)
        try:
            self._sparse: Any = vectorizer.fit_transform(compared)
        except ValueError:  # no text has a word
            self._sparse = csr_matrix((len(texts), 1), dtype=np.float32)

    def similarity(self, rows: Rows, others: Rows) -> Vectors:
        """A row for each of ``rows``, a column for each of ``others``: from about 0 (unrelated) to 1 (the same)."""
        by_word = (self._sparse[rows] @ self._sparse[others].T).toarray()
        if self._dense is None:
            return np.asarray(by_word, np.float32)
        by_meaning = self._dense[rows] @ self._dense[others].T
        return np.asarray(_WORD_SHARE * by_word + (1 - _WORD_SHARE) * by_meaning, np.float32)

    def similarity_to(self, rows: Rows) -> Vectors:
        """The mean similarity of every text to these rows."""
        weights = np.asarray(self._sparse[rows].mean(axis=0)).ravel()
        by_word = self._sparse @ weights
        if self._dense is None:
            return np.asarray(by_word, np.float32)
        return np.asarray(_WORD_SHARE * by_word + (1 - _WORD_SHARE) * (self._dense @ self._dense[rows].mean(axis=0)))

    def mean_similarity(self, rows: Rows, others: Rows) -> float:
        """The mean similarity of these texts to the others."""
        by_word = float((self._sparse[rows].mean(axis=0) @ self._sparse[others].mean(axis=0).T).item())
        if self._dense is None:
            return by_word
        by_meaning = float(self._dense[rows].mean(axis=0) @ self._dense[others].mean(axis=0))
        return _WORD_SHARE * by_word + (1 - _WORD_SHARE) * by_meaning

    def cohesion(self, rows: Rows) -> float:
        """The mean similarity of these texts among themselves, without that of each to itself."""
        count = len(rows)
        return (self.mean_similarity(rows, rows) * count - 1) / (count - 1) if count > 1 else 1.0


def _encode(texts: Sequence[str], encoder: Encoder | None) -> Vectors | None:
    if encoder is None or not texts:
        return None
    return encoder.encode([" ".join(content_words(text)) or text for text in texts])


def _normalize(vectors: Vectors) -> Vectors:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9), np.float32)
