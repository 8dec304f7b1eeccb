"""Clusters of similar texts, by average linkage."""

from __future__ import annotations

import numpy as np
from sklearn.cluster import AgglomerativeClustering

from agent_worker.learning.insights.text_vectors import Rows, TextVectors

MAX_CLUSTERED = 4_000
"""Texts that are compared with each other, which takes 128 MB. The others join the nearest cluster."""
MIN_SIMILARITY = 0.22
"""Mean similarity of two clusters from which they become one."""


def cluster(vectors: TextVectors, rows: Rows, min_size: int, min_similarity: float = MIN_SIMILARITY) -> list[Rows]:
    """The clusters of at least ``min_size`` of these rows, the largest first."""
    if len(rows) < max(2, min_size):
        return []
    chosen = rows if len(rows) <= MAX_CLUSTERED else _sample(rows)
    distances = np.clip(1.0 - vectors.similarity(chosen, chosen).astype(np.float64), 0.0, 2.0)
    np.fill_diagonal(distances, 0.0)
    labels = AgglomerativeClustering(
        n_clusters=None, metric="precomputed", linkage="average", distance_threshold=1.0 - min_similarity
    ).fit_predict(distances)
    del distances
    found = [chosen[labels == label] for label in np.unique(labels)]
    if len(chosen) < len(rows):
        found = _assign(vectors, found, np.setdiff1d(rows, chosen), min_similarity)
    return sorted((each for each in found if len(each) >= min_size), key=len, reverse=True)


def _sample(rows: Rows) -> Rows:
    """Evenly spread, so that every time of the period is represented."""
    return rows[np.linspace(0, len(rows) - 1, MAX_CLUSTERED).astype(np.intp)]


def _assign(vectors: TextVectors, clusters: list[Rows], others: Rows, min_similarity: float) -> list[Rows]:
    """Add each of the others to the cluster that is nearest to it."""
    large = [each for each in clusters if len(each) > 1]
    if not large:
        return clusters
    near = np.stack([vectors.similarity_to(each)[others] for each in large])
    best = near.argmax(axis=0)
    is_near = near.max(axis=0) >= min_similarity
    return [np.concatenate([each, others[(best == number) & is_near]]) for number, each in enumerate(large)]
