"""Measures how the time for a text grows with its length, as a ratio, independent of the machine's speed and load."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Given = TypeVar("Given")

STEP = 4
"""How much longer the longer text is: its work is about 4 times as much where it is in proportion to the length, and
16 times where it goes with the square."""
BORDER = 9.0
TRIES = 10


def growth(make: Callable[[int], Given], work: Callable[[Given], object], size: int) -> float:
    """The processor time of ``work`` on ``make(size)`` over that on a fourth of it. Each is the least of several, which
    goes on until the ratio is within ``BORDER`` or the tries are over: noise only ever adds time."""
    short, long = make(size // STEP), make(size)
    least_short = least_long = float("inf")
    for _ in range(TRIES):
        least_short = min(least_short, _took(work, short))
        least_long = min(least_long, _took(work, long))
        if least_long < BORDER * least_short:
            break
    return least_long / least_short


def assert_in_proportion(make: Callable[[int], Given], work: Callable[[Given], object], size: int) -> None:
    """The work does not grow with the square of the size, or worse."""
    assert growth(make, work, size) < BORDER


def _took(work: Callable[[Given], object], given: Given) -> float:
    begun = time.thread_time()
    work(given)
    # Work below the clock's resolution counts as one tick: it is no growth either way.
    return max(time.thread_time() - begun, 1e-5)
