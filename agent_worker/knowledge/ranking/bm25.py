"""How well passages hold the words of a question: BM25 over their fields, counted over what is there now."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from agent_worker.knowledge.index.passage_table import Place, View
from agent_worker.knowledge.index.query_filter import Term
from agent_worker.knowledge.index.term_counts import PASSAGE_FIELDS
from agent_worker.knowledge.index.term_statistics import Census

Table = NDArray[np.float64]

BOOSTS = {"p_title": 2.0, "p_heading": 1.5, "p_body": 1.0}
K1 = 1.0
B = 0.5


def holdings(asked: Sequence[Term], view: View, places: Sequence[Place], census: Census) -> Table:
    """For each passage, a row, for each word 0–1: 0 when nothing in the passage stands for it, nearer to 1 the more
    there is of it."""
    out = np.zeros((len(places), len(asked)))
    numbers = {text: view.number(text) for term in asked for text, _ in term.options}
    known = np.array(sorted({number for number in numbers.values() if number >= 0}), np.int32)
    if not len(known):
        return out
    columns = {number: column for column, number in enumerate(known.tolist())}
    much = _much(known, view, places, census)
    held = much / (much + K1)
    for place, term in enumerate(asked):
        for text, factor in term.options:
            if numbers[text] >= 0:
                np.maximum(out[:, place], factor * held[:, columns[numbers[text]]], out=out[:, place])
    return out


def _much(terms: NDArray[np.int32], view: View, places: Sequence[Place], census: Census) -> Table:
    """How much of each term, a column, there is in each passage. ``terms`` are in order."""
    found = view.gather(places)
    boosts = np.array([BOOSTS[name] for name in PASSAGE_FIELDS])
    means = np.array([census.mean_length(name) for name in PASSAGE_FIELDS])
    scales = boosts / (1 - B + B * found.lengths / means)
    column = np.searchsorted(terms, found.terms).clip(max=len(terms) - 1)
    wanted = np.flatnonzero(terms[column] == found.terms)
    passage = found.of[wanted]
    out = np.zeros((len(places), len(terms)))
    out[passage, column[wanted]] = (found.counts[wanted] * scales[passage]).sum(axis=1)
    return out


def weights_of(asked: Sequence[Term]) -> Table:
    """Shares of the question's whole weight, words that stand nowhere included; together 1 where there are any."""
    weights = np.array([term.weight for term in asked], np.float64)
    return weights / max(float(weights.sum()), 1e-9)
