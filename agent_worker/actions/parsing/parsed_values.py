"""Readings of a piece of a customer's message."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

Problem = Literal["", "currency", "negative", "share", "no_such_day"]
"""Reasons why a value that was understood cannot be used."""


@dataclass(frozen=True, slots=True)
class ParsedValue:
    """``value`` is JSON that fits the action's schema; ``text`` shows it to the customer. ``begin`` and ``end`` are its
    position in the message."""

    value: Any
    text: str
    begin: int = 0
    end: int = 0
    problem: Problem = ""


@dataclass(frozen=True, slots=True)
class ParseContext:
    """``today`` is the date in the tenant's time zone; ``locale`` is the customer's, such as ``de`` or ``en-US``.
    ``asked``: the message answers the question for exactly this parameter, so short forms count that elsewhere would be
    ambiguous. ``near``: the day that the message may correct, from which "Friday" and "a week later" are counted."""

    today: date
    locale: str = "en"
    asked: bool = False
    near: date | None = None

    @property
    def german(self) -> bool:
        return self.locale.lower().startswith("de")


def deduplicate(readings: Iterable[ParsedValue]) -> list[ParsedValue]:
    """The first reading of each value."""
    first_readings: dict[str, ParsedValue] = {}
    for reading in readings:
        first_readings.setdefault(f"{reading.value!r} {reading.problem}", reading)
    return list(first_readings.values())


def drop_overlapping(readings: Iterable[ParsedValue]) -> list[ParsedValue]:
    """Without readings that overlap an earlier one: longer forms are tried first."""
    result: list[ParsedValue] = []
    for reading in readings:
        index = bisect_left(result, reading.begin, key=lambda other: other.begin)
        is_free = index == len(result) or result[index].begin >= reading.end
        if is_free and (index == 0 or result[index - 1].end <= reading.begin):
            result.insert(index, reading)
    return result
