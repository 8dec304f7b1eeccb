"""The two fits behind ``calibration.py``: which passage answers, and whether any does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

Weights = Mapping[str, float]
_PENALTY = 0.03
"""Of both fits, on figures scaled to a spread of 1."""
_STEPS = 400
_HEAVIEST = 6.0


def conditional(groups: Sequence[tuple[Numbers, Sequence[bool]]]) -> list[float]:
    """Weights, none negative, under which the right rows are the likeliest of their group: a conditional logit in which
    any of several right ones will do. Groups without a right row say nothing; with no others all weigh the same."""
    tables = [table for table, right in groups if any(right)]
    if not tables:
        return [1.0] * groups[0][0].shape[1]
    spread = np.mean([table.std(axis=0) for table in tables], axis=0) + 1e-6
    size = (len(tables), max(len(table) for table in tables))
    rows, room, held = np.zeros((*size, len(spread))), np.full(size, -np.inf), np.zeros(size)
    for n, (table, right) in enumerate(zip(tables, (right for _, right in groups if any(right)), strict=True)):
        rows[n, : len(table)] = (table - table.mean(axis=0)) / spread
        room[n, : len(table)] = 0.0
        held[n, : len(table)] = right
    weights, drift, scale = np.full(len(spread), 0.3), np.zeros(len(spread)), np.zeros(len(spread))
    for step in range(1, _STEPS + 1):  # Adam's steps: the figures are on very different slopes
        slope = _PENALTY * weights + _slope(rows, room, held, weights)
        drift, scale = 0.9 * drift + 0.1 * slope, 0.99 * scale + 0.01 * slope**2
        weights = weights - 0.05 * (drift / (1 - 0.9**step)) / (np.sqrt(scale / (1 - 0.99**step)) + 1e-8)
        weights = np.maximum(weights, 0.0)
    found: list[float] = (weights / spread).tolist()
    return found


def _slope(rows: Numbers, room: Numbers, held: Numbers, weights: Numbers) -> Any:
    sums = rows @ weights + room
    likely = np.exp(sums - sums.max(axis=1, keepdims=True))
    right = likely * held
    likely /= likely.sum(axis=1, keepdims=True)
    right /= right.sum(axis=1, keepdims=True) + 1e-30
    return np.einsum("gr,grf->f", likely - right, rows) / len(rows)


def logistic(
    table: Sequence[Sequence[float]], wanted: Sequence[bool], lengths: Sequence[int]
) -> tuple[float, list[float]]:
    """Bias and weights. Both kinds count alike, and short and long questions of both do: people who write questions
    without an answer write shorter ones, which says nothing about those of customers."""
    yes = np.array(wanted, float)  # of one kind only there is nothing to learn
    sizes = np.log1p(np.array(lengths, float))[:, None]
    if not 0 < yes.sum() < len(yes):
        return 0.0, [0.0] * len(table[0])
    by_length = _sure(sizes, _newton(sizes, yes, _halves(np.ones(len(yes)), yes), 1e-4))
    share = _halves(np.clip(1 / np.where(yes > 0, by_length, 1 - by_length), 0.0, _HEAVIEST), yes)
    bias, weights = _newton(np.array(table), yes, share, _PENALTY)
    return bias, weights.tolist()


def _halves(share: Numbers, yes: Numbers) -> Numbers:
    halves: Numbers = np.where(yes > 0, share / (share * yes).sum(), share / (share * (1 - yes)).sum()) * len(yes) / 2
    return halves


def _sure(table: Numbers, fitted: tuple[float, Numbers]) -> Numbers:
    made: Numbers = 1 / (1 + np.exp(-(fitted[0] + table @ fitted[1])))
    return made


def _newton(table: Numbers, yes: Numbers, share: Numbers, penalty: float) -> tuple[float, Numbers]:
    middle, spread = table.mean(axis=0), table.std(axis=0) + 1e-9
    scaled = np.c_[(table - middle) / spread, np.ones(len(table))]
    held = penalty * len(table) * np.r_[np.ones(table.shape[1]), 0.0] + 1e-9
    weights = np.zeros(scaled.shape[1])
    for _ in range(30):  # it has long converged by then
        sure = 1 / (1 + np.exp(-scaled @ weights))
        slope = scaled.T @ (share * (sure - yes)) + held * weights
        bend = (scaled.T * (share * sure * (1 - sure))) @ scaled + np.diag(held)
        weights = weights - np.linalg.solve(bend, slope)
    plain = weights[:-1] / spread
    return float(weights[-1] - plain @ middle), plain
