"""BM25 scores of passages over their fields, from the statistics of the current documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from agent_worker.knowledge.index.passage_store import StoredPassage
from agent_worker.knowledge.index.query_filter import QueryTerm

Table = NDArray[np.float64]

BOOSTS = (2.0, 1.5, 1.0)
"""Of title, heading and body."""
K1 = 2.0
B = 0.5


def bm25_scores(terms: Sequence[QueryTerm], passages: Sequence[StoredPassage], mean_lengths: Sequence[float]) -> Table:
    """A row for each passage and a column for each query term, 0–1: 0 when nothing in the passage matches the term,
    approaching 1 with its frequency. ``mean_lengths``: by field."""
    columns = {text: column for column, text in enumerate(dict.fromkeys(_options(terms)))}
    counts = np.array([_weighted_counts(passage, columns, mean_lengths) for passage in passages])
    scores = counts / (counts + K1)
    out = np.zeros((len(passages), len(terms)))
    for place, term in enumerate(terms):
        for text, factor in term.options:
            np.maximum(out[:, place], factor * scores[:, columns[text]], out=out[:, place])
    return out


def _options(terms: Sequence[QueryTerm]) -> list[str]:
    return [text for term in terms for text, _ in term.options]


def _weighted_counts(passage: StoredPassage, columns: Mapping[str, int], mean_lengths: Sequence[float]) -> list[float]:
    """Count of each term of ``columns``, weighted by field and by the field's length."""
    out = [0.0] * len(columns)
    fields = (passage.title_terms, passage.heading_terms, passage.body_terms)
    for field, boost, mean in zip(fields, BOOSTS, mean_lengths, strict=True):
        words = field.split()
        weight = boost / (1 - B + B * len(words) / mean)
        for column in [columns[word] for word in words if word in columns]:
            out[column] += weight
    return out


def normalized_weights(terms: Sequence[QueryTerm]) -> Table:
    """Each term's share of the query's total weight, unmatched terms included."""
    weights = np.array([term.total_weight for term in terms], np.float64)
    return weights / max(float(weights.sum()), 1e-9)
