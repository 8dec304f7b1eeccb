"""The figures of routing quality: accuracy, accuracy of the most confident, separation of two kinds; with intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[Any]
_ROUNDS = 1000


def surest(sure: Numbers, right: Numbers, coverage: float) -> float:
    """Accuracy of the share ``coverage`` that is the surest."""
    order = np.argsort(-sure, kind="stable")
    return float(right[order[: max(1, round(coverage * len(right)))]].mean())


def risk_by_coverage(sure: Numbers, right: Numbers) -> list[tuple[float, float]]:
    """Coverage and share of mistakes, at each hundredth."""
    return [(part / 100, 1 - surest(sure, right, part / 100)) for part in range(5, 101)]


def told_apart(known: Numbers, strange: Numbers) -> float:
    """Chance that a known message's energy is above a strange one's (AUROC)."""
    whole = np.concatenate([known, strange])
    ranks = np.empty(len(whole))
    order = np.argsort(whole, kind="stable")
    ranks[order] = np.arange(1, len(whole) + 1)
    return float((ranks[: len(known)].sum() - len(known) * (len(known) + 1) / 2) / len(known) / len(strange))


def interval(figure: Callable[..., float], *samples: Numbers) -> tuple[float, float]:
    """95 % by bootstrap: each sample drawn anew a thousand times."""
    random = np.random.default_rng(1)
    drawn = [
        figure(*(sample[random.integers(0, len(sample), len(sample))] for sample in samples)) for _ in range(_ROUNDS)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)


def gain(ranked: Sequence[bool], relevant: int, depth: int = 10) -> float:
    """nDCG of one ranking: ``ranked`` says which places hold a right one, of ``relevant`` there are."""
    found = sum(1 / math.log2(place + 2) for place, right in enumerate(ranked[:depth]) if right)
    return found / sum(1 / math.log2(place + 2) for place in range(min(depth, relevant)))


def format_interval(value: float, low: float, high: float) -> str:
    return f"{value:.4f} ({low:.4f}–{high:.4f})"
