"""Multinomial logistic regression with L2 regularisation, fitted by L-BFGS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float32]
Point = NDArray[np.float64]

Objective = Callable[["Point"], "tuple[float, Point]"]
_MAX_STEPS = 100
_MEMORY_STEPS = 10
"""Steps that approximate the Hessian."""
_MIN_GAIN = 1e-5
"""Relative improvement of the loss below which the fit stops."""


def fit_logistic(table: Numbers, labels: NDArray[np.intp], classes: int, penalty: float) -> Numbers:
    """Weights, a row for each column of ``table`` and one for the bias, a column for each class. ``penalty`` is divided
    by the number of rows, like the loss."""
    rows, width = table.shape
    targets = np.zeros((rows, classes), np.float32)
    targets[np.arange(rows), labels] = 1

    def objective(point: Point) -> tuple[float, Point]:
        weights = point.reshape(width + 1, classes).astype(np.float32)
        logits = table @ weights[:-1] + weights[-1]
        logits -= logits.max(axis=1, keepdims=True)
        odds = np.exp(logits)
        total = odds.sum(axis=1)
        loss = float((np.log(total) - logits[np.arange(rows), labels]).sum())
        loss += penalty / 2 * float((weights[:-1] ** 2).sum())
        errors = odds / total[:, None] - targets
        gradient = np.concatenate([table.T @ errors + penalty * weights[:-1], errors.sum(axis=0)[None]])
        return loss / rows, (gradient / rows).ravel().astype(np.float64)

    found: Numbers = minimize(objective, np.zeros((width + 1) * classes)).reshape(width + 1, classes).astype(np.float32)
    return found


def reduce_columns(table: Numbers) -> tuple[Numbers, Numbers | None]:
    """The same rows with fewer columns, and the matrix that maps weights back (None if unchanged). Rows span at most as
    many columns as there are rows; weights and penalty stay the same."""
    if len(table) >= table.shape[1]:
        return table, None
    _, size, axes = np.linalg.svd(table, full_matrices=False)
    basis = axes[size > 1e-5 * size[0]]
    reduced: Numbers = table @ basis.T
    return reduced, basis.T


@dataclass(slots=True)
class _Memory:
    """The latest steps, each with the change of the gradient."""

    pairs: list[tuple[Point, Point]] = field(default_factory=list)

    def add(self, step: Point, change: Point) -> None:
        if step @ change > 1e-12:
            self.pairs = [*self.pairs[1 - _MEMORY_STEPS :], (step, change)]

    def direction(self, gradient: Point) -> Any:
        """The quasi-Newton direction (Nocedal's two-loop recursion)."""
        direction = gradient.copy()
        factors = []
        for step, change in reversed(self.pairs):
            factor = (step @ direction) / (change @ step)
            factors.append(factor)
            direction -= factor * change
        if self.pairs:
            step, change = self.pairs[-1]
            direction *= (step @ change) / (change @ change)
        for (step, change), factor in zip(self.pairs, reversed(factors), strict=True):
            direction += (factor - (change @ direction) / (change @ step)) * step
        return -direction


def minimize(objective: Objective, point: Point) -> Point:
    """The minimum of a convex function. ``objective`` returns its value and gradient."""
    value, gradient = objective(point)
    memory = _Memory()
    for _ in range(_MAX_STEPS):
        direction = memory.direction(gradient)
        length = 1.0 if memory.pairs else 1 / max(1e-12, float((gradient @ gradient) ** 0.5))
        next_point, next_value, next_gradient = point, value, gradient
        while length > 1e-8:
            next_point = point + length * direction
            next_value, next_gradient = objective(next_point)
            if next_value <= value + 1e-4 * length * float(direction @ gradient):
                break
            length /= 2
        else:
            return point
        memory.add(next_point - point, next_gradient - gradient)
        gain = value - next_value
        point, value, gradient = next_point, next_value, next_gradient
        if gain < _MIN_GAIN * abs(value):
            break
    return point
