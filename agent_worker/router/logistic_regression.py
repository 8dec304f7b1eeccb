"""Multinomial logistic regression with a penalty on its weights, fitted by L-BFGS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float32]
Point = NDArray[np.float64]

Slope = Callable[["Point"], "tuple[float, Point]"]
_STEPS = 100
_KEPT = 10
"""Steps that tell how the slope bends."""
_ENOUGH = 1e-5
"""Share of the loss that a step must win for another one to be taken."""


def logistic(table: Numbers, labels: NDArray[np.intp], classes: int, penalty: float) -> Numbers:
    """Weights, a row for each column of ``table`` and one for the bias, a column a class. ``penalty`` is shared by all
    rows of the table, as an example's loss is."""
    rows, width = table.shape
    wanted = np.zeros((rows, classes), np.float32)
    wanted[np.arange(rows), labels] = 1

    def slope(point: Point) -> tuple[float, Point]:
        weights = point.reshape(width + 1, classes).astype(np.float32)
        sums = table @ weights[:-1] + weights[-1]
        sums -= sums.max(axis=1, keepdims=True)
        odds = np.exp(sums)
        total = odds.sum(axis=1)
        loss = float((np.log(total) - sums[np.arange(rows), labels]).sum())
        loss += penalty / 2 * float((weights[:-1] ** 2).sum())
        off = odds / total[:, None] - wanted
        slopes = np.concatenate([table.T @ off + penalty * weights[:-1], off.sum(axis=0)[None]])
        return loss / rows, (slopes / rows).ravel().astype(np.float64)

    found: Numbers = minimum(slope, np.zeros((width + 1) * classes)).reshape(width + 1, classes).astype(np.float32)
    return found


def narrowed(table: Numbers) -> tuple[Numbers, Numbers | None]:
    """The same rows by fewer columns, and how to lead weights back to the former ones (None: as it was). Fewer rows
    than columns span no more columns than there are rows; weights, and what they are fined, stay the same."""
    if len(table) >= table.shape[1]:
        return table, None
    _, size, axes = np.linalg.svd(table, full_matrices=False)
    kept = axes[size > 1e-5 * size[0]]
    made: Numbers = table @ kept.T
    return made, kept.T


@dataclass(slots=True)
class _Memory:
    """The newest steps, each with how the slope changed over it."""

    pairs: list[tuple[Point, Point]] = field(default_factory=list)

    def add(self, step: Point, change: Point) -> None:
        if step @ change > 1e-12:
            self.pairs = [*self.pairs[1 - _KEPT :], (step, change)]

    def direction(self, slope: Point) -> Any:
        """Newton's, as far as the steps tell (Nocedal's two loops)."""
        way = slope.copy()
        parts = []
        for step, change in reversed(self.pairs):
            part = (step @ way) / (change @ step)
            parts.append(part)
            way -= part * change
        if self.pairs:
            step, change = self.pairs[-1]
            way *= (step @ change) / (change @ change)
        for (step, change), part in zip(self.pairs, reversed(parts), strict=True):
            way += (part - (change @ way) / (change @ step)) * step
        return -way


def minimum(slope: Slope, point: Point) -> Point:
    """Of a convex function: ``slope`` gives its value and its gradient."""
    value, gradient = slope(point)
    memory = _Memory()
    for _ in range(_STEPS):
        way = memory.direction(gradient)
        length = 1.0 if memory.pairs else 1 / max(1e-12, float((gradient @ gradient) ** 0.5))
        nearer, next_value, next_gradient = point, value, gradient
        while length > 1e-8:
            nearer = point + length * way
            next_value, next_gradient = slope(nearer)
            if next_value <= value + 1e-4 * length * float(way @ gradient):
                break
            length /= 2
        else:
            return point
        memory.add(nearer - point, next_gradient - gradient)
        won = value - next_value
        point, value, gradient = nearer, next_value, next_gradient
        if won < _ENOUGH * abs(value):
            break
    return point
