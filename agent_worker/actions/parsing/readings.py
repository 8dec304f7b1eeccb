"""What a piece of a customer's message was read as."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

Problem = Literal["", "currency", "negative", "share", "no_such_day"]
"""Why something that was understood cannot be used."""


@dataclass(frozen=True, slots=True)
class Reading:
    """``value`` is JSON, as the action's schema wants it; ``shown`` says it back to the customer. ``begin`` and ``end``
    tell where in the text it stood."""

    value: Any
    shown: str
    begin: int = 0
    end: int = 0
    problem: Problem = ""


@dataclass(frozen=True, slots=True)
class Context:
    """``today`` where the tenant is; ``locale`` of the customer, such as ``de`` or ``en-US``. ``asked``: the message
    answers a question for exactly this, so short forms count that elsewhere could be anything."""

    today: date
    locale: str = "en"
    asked: bool = False

    @property
    def german(self) -> bool:
        return self.locale.lower().startswith("de")


def distinct(readings: Iterable[Reading]) -> list[Reading]:
    """The first reading of each value."""
    seen: dict[str, Reading] = {}
    for reading in readings:
        seen.setdefault(f"{reading.value!r} {reading.problem}", reading)
    return list(seen.values())


def apart(readings: Iterable[Reading]) -> list[Reading]:
    """Without those that lie inside or across an earlier one: forms are tried from the longest to the shortest."""
    kept: list[Reading] = []
    for reading in readings:
        place = bisect_left(kept, reading.begin, key=lambda other: other.begin)
        after = place == len(kept) or kept[place].begin >= reading.end
        if after and (place == 0 or kept[place - 1].end <= reading.begin):
            kept.insert(place, reading)
    return kept
