"""BM25 scores of passages over their fields, from the statistics of the current documents."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from agent_worker.knowledge.index.passage_table import PassageKey, View
from agent_worker.knowledge.index.query_filter import QueryTerm
from agent_worker.knowledge.index.term_counts import PASSAGE_FIELDS
from agent_worker.knowledge.index.term_statistics import TermStatistics

Table = NDArray[np.float64]

BOOSTS = {"p_title": 2.0, "p_heading": 1.5, "p_body": 1.0}
K1 = 1.0
B = 0.5


def bm25_scores(
    terms: Sequence[QueryTerm], view: View, passages: Sequence[PassageKey], statistics: TermStatistics
) -> Table:
    """A row for each passage and a column for each query term, 0–1: 0 when nothing in the passage matches the term,
    approaching 1 with its frequency."""
    out = np.zeros((len(passages), len(terms)))
    numbers = {text: view.number(text) for term in terms for text, _ in term.options}
    term_numbers = np.array(sorted({number for number in numbers.values() if number >= 0}), np.int32)
    if not len(term_numbers):
        return out
    columns = {number: column for column, number in enumerate(term_numbers.tolist())}
    counts = _field_weighted_counts(term_numbers, view, passages, statistics)
    scores = counts / (counts + K1)
    for place, term in enumerate(terms):
        for text, factor in term.options:
            if numbers[text] >= 0:
                np.maximum(out[:, place], factor * scores[:, columns[numbers[text]]], out=out[:, place])
    return out


def _field_weighted_counts(
    terms: NDArray[np.int32], view: View, passages: Sequence[PassageKey], statistics: TermStatistics
) -> Table:
    """Weighted counts of each term, a column, in each passage, a row. ``terms`` are sorted."""
    gathered = view.gather(passages)
    boosts = np.array([BOOSTS[name] for name in PASSAGE_FIELDS])
    means = np.array([statistics.mean_length(name) for name in PASSAGE_FIELDS])
    scales = boosts / (1 - B + B * gathered.lengths / means)
    column = np.searchsorted(terms, gathered.terms).clip(max=len(terms) - 1)
    selected = np.flatnonzero(terms[column] == gathered.terms)
    row = gathered.passages[selected]
    out = np.zeros((len(passages), len(terms)))
    out[row, column[selected]] = (gathered.counts[selected] * scales[row]).sum(axis=1)
    return out


def normalized_weights(terms: Sequence[QueryTerm]) -> Table:
    """Each term's share of the query's total weight, unmatched terms included."""
    weights = np.array([term.weight for term in terms], np.float64)
    return weights / max(float(weights.sum()), 1e-9)
