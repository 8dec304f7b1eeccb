"""BM25 scores of passages over their fields, from the statistics of the current documents."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from agent_worker.knowledge.index.query_filter import QueryTerm
from agent_worker.knowledge.index.stored_passage import StoredPassage

Table = NDArray[np.float64]

BOOSTS = (2.0, 1.5, 1.0)
"""Of title, heading and body."""
K1 = 2.0
B = 0.5


def bm25_scores(terms: Sequence[QueryTerm], passages: Sequence[StoredPassage], mean_lengths: Sequence[float]) -> Table:
    """A row for each passage and a column for each query term, 0–1: 0 when nothing in the passage matches the term,
    approaching 1 with its frequency. ``mean_lengths``: by field."""
    columns = {text: column for column, text in enumerate(dict.fromkeys(_options(terms)))}
    weights = [weigh_terms(passage, tuple(mean_lengths)) for passage in passages]
    counts = np.array([[of_passage.get(text, 0.0) for text in columns] for of_passage in weights])
    scores = counts / (counts + K1)
    out = np.zeros((len(passages), len(terms)))
    for place, term in enumerate(terms):
        for text, factor in term.options:
            np.maximum(out[:, place], factor * scores[:, columns[text]], out=out[:, place])
    return out


def _options(terms: Sequence[QueryTerm]) -> list[str]:
    return [text for term in terms for text, _ in term.options]


def weigh_terms(passage: StoredPassage, mean_lengths: tuple[float, ...]) -> Mapping[str, float]:
    """Count of each term of a passage, weighted by field and by the field's length."""
    known = passage.term_weights.get(mean_lengths)
    if known is None:
        counts: defaultdict[str, float] = defaultdict(float)
        for words, boost, mean in zip(passage.terms, BOOSTS, mean_lengths, strict=True):
            weight = boost / (1 - B + B * len(words) / mean)
            for word in words:
                counts[word] += weight
        known = passage.term_weights[mean_lengths] = dict(counts)
    return known


def normalized_weights(terms: Sequence[QueryTerm]) -> Table:
    """Each term's share of the query's total weight, unmatched terms included."""
    weights = np.array([term.total_weight for term in terms], np.float64)
    return weights / max(float(weights.sum()), 1e-9)
