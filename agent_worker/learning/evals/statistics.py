"""Bootstrap intervals: how much a figure of some cases says about the cases that there could be."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float64]
Statistic = Callable[[Samples], Samples]
"""Computes one figure for each row of samples."""
RESAMPLES = 10_000
LEVEL = 0.95
_SEED = 20_260_101
"""Fixed, so that the same results have the same interval."""
_MAX_CELLS = 20_000_000


def mean(samples: Samples) -> Samples:
    return np.asarray(np.nanmean(samples, axis=1), dtype=np.float64)


def percentile_95(samples: Samples) -> Samples:
    # With missing values, numpy goes through the rows one by one, which takes a hundred times as long.
    find = np.nanpercentile if np.isnan(samples).any() else np.percentile
    return np.asarray(find(samples, 95, axis=1), dtype=np.float64)


def bootstrap_interval(values: Sequence[float], statistic: Statistic = mean) -> tuple[float, float]:
    """The 95% interval of a figure over these cases."""
    return _interval(_resample(np.asarray(values, dtype=np.float64)[:, None], lambda rows: statistic(rows[:, :, 0])))


def difference_interval(
    before: Sequence[float], after: Sequence[float], statistic: Statistic = mean
) -> tuple[float, float]:
    """The 95% interval of ``after`` minus ``before``, which belong to the same cases in this order."""
    pairs = np.stack([np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)], axis=1)
    return _interval(_resample(pairs, lambda rows: statistic(rows[:, :, 1]) - statistic(rows[:, :, 0])))


def _resample(cases: Samples, figure: Callable[[Samples], Samples]) -> Samples:
    """The figure of many samples of the cases, each as large as they are, drawn with replacement."""
    random, count = np.random.default_rng(_SEED), len(cases)
    step = max(1, _MAX_CELLS // max(1, cases.size))
    figures = [
        figure(cases[random.integers(0, count, size=(min(step, RESAMPLES - done), count))])
        for done in range(0, RESAMPLES, step)
    ]
    return np.concatenate(figures)


def _interval(figures: Samples) -> tuple[float, float]:
    edge = (1 - LEVEL) / 2
    low, high = np.quantile(figures, [edge, 1 - edge])
    return float(low), float(high)
