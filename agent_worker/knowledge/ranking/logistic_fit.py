"""The two model fits of ``calibration.py``: which passage answers, and whether any does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

Weights = Mapping[str, float]
_PENALTY = 0.03
"""Regularisation of both fits, on features scaled to a standard deviation of 1."""
_STEPS = 400
_HEAVIEST = 6.0


def fit_conditional_logit(groups: Sequence[tuple[Numbers, Sequence[bool]]]) -> list[float]:
    """Non-negative weights that make the right rows most likely within their group: a conditional logit in which any of
    several right rows will do. Groups without a right row are ignored; without any others all weights are equal."""
    tables = [table for table, right in groups if any(right)]
    if not tables:
        return [1.0] * groups[0][0].shape[1]
    spread = np.mean([table.std(axis=0) for table in tables], axis=0) + 1e-6
    rows = np.concatenate([(table - table.mean(axis=0)) / spread for table in tables])
    is_right = np.concatenate([np.array(right, float) for _, right in groups if any(right)])
    counts = np.array([len(table) for table in tables])
    weights, mean_gradient, mean_square = np.full(len(spread), 0.3), np.zeros(len(spread)), np.zeros(len(spread))
    for step in range(1, _STEPS + 1):  # Adam, because the gradients differ widely in size
        gradient = _PENALTY * weights + _gradient(rows, counts, is_right, weights)
        mean_gradient, mean_square = 0.9 * mean_gradient + 0.1 * gradient, 0.99 * mean_square + 0.01 * gradient**2
        weights = weights - 0.05 * (mean_gradient / (1 - 0.9**step)) / (np.sqrt(mean_square / (1 - 0.99**step)) + 1e-8)
        weights = np.maximum(weights, 0.0)
    result: list[float] = (weights / spread).tolist()
    return result


def _gradient(rows: Numbers, counts: NDArray[np.intp], is_right: Numbers, weights: Numbers) -> Numbers:
    """``rows`` of all groups one after another, ``counts`` of each group."""
    begins = np.cumsum(counts) - counts
    logits = rows @ weights
    shares = np.exp(logits - np.repeat(np.maximum.reduceat(logits, begins), counts))
    right_shares = shares * is_right
    shares /= np.repeat(np.add.reduceat(shares, begins), counts)
    right_shares /= np.repeat(np.add.reduceat(right_shares, begins) + 1e-30, counts)
    gradient: Numbers = (shares - right_shares) @ rows / len(counts)
    return gradient


def auroc(scored: Sequence[tuple[float, bool]]) -> float | None:
    """The chance that a right one has a higher score than a wrong one. None without one of each."""
    right = np.array([score for score, is_right in scored if is_right])
    wrong = np.array([score for score, is_right in scored if not is_right])
    if not len(right) or not len(wrong):
        return None
    difference = right[:, None] - wrong
    return float(np.mean(difference > 0) + np.mean(difference == 0) / 2)


def fit_logistic(
    table: Sequence[Sequence[float]], labels: Sequence[bool], lengths: Sequence[int]
) -> tuple[float, list[float]]:
    """Bias and weights. Answerable and unanswerable questions count alike, and so do short and long ones: people write
    shorter questions when there is no answer, which says nothing about customers."""
    yes = np.array(labels, float)  # with one kind only there is nothing to learn
    sizes = np.log1p(np.array(lengths, float))[:, None]
    if not 0 < yes.sum() < len(yes):
        return 0.0, [0.0] * len(table[0])
    by_length = _probabilities(sizes, _newton(sizes, yes, _balanced_weights(np.ones(len(yes)), yes), 1e-4))
    share = _balanced_weights(np.clip(1 / np.where(yes > 0, by_length, 1 - by_length), 0.0, _HEAVIEST), yes)
    bias, weights = _newton(np.array(table), yes, share, _PENALTY)
    return bias, weights.tolist()


def _balanced_weights(share: Numbers, yes: Numbers) -> Numbers:
    halves: Numbers = np.where(yes > 0, share / (share * yes).sum(), share / (share * (1 - yes)).sum()) * len(yes) / 2
    return halves


def _probabilities(table: Numbers, fitted: tuple[float, Numbers]) -> Numbers:
    result: Numbers = 1 / (1 + np.exp(-(fitted[0] + table @ fitted[1])))
    return result


def _newton(table: Numbers, yes: Numbers, share: Numbers, penalty: float) -> tuple[float, Numbers]:
    mean, spread = table.mean(axis=0), table.std(axis=0) + 1e-9
    scaled = np.c_[(table - mean) / spread, np.ones(len(table))]
    ridge = penalty * len(table) * np.r_[np.ones(table.shape[1]), 0.0] + 1e-9
    weights = np.zeros(scaled.shape[1])
    for _ in range(30):  # converges well before that
        probabilities = 1 / (1 + np.exp(-scaled @ weights))
        gradient = scaled.T @ (share * (probabilities - yes)) + ridge * weights
        hessian = (scaled.T * (share * probabilities * (1 - probabilities))) @ scaled + np.diag(ridge)
        weights = weights - np.linalg.solve(hessian, gradient)
    unscaled = weights[:-1] / spread
    return float(weights[-1] - unscaled @ mean), unscaled
