"""Ids and times in Discord's own shapes. The order of ids is the order of making."""

from __future__ import annotations

import random
import string
from collections.abc import Callable
from datetime import UTC, datetime

EPOCH_MS = 1_420_070_400_000
"""Discord's year 2015, where its ids begin to count."""


class Ids:
    """Snowflakes and tokens, the same in every run with the same seed and clock."""

    def __init__(self, now: Callable[[], float], seed: int) -> None:
        self._now = now
        self._random = random.Random(seed)
        self._last = 0

    def snowflake(self) -> str:
        fresh = snowflake_at(self._now()) | self._random.getrandbits(10) << 12
        self._last = max(fresh, self._last + 1)
        return str(self._last)

    def token(self, length: int = 32) -> str:
        return "".join(self._random.choices(string.ascii_letters + string.digits, k=length))


def snowflake_at(seconds: float) -> int:
    """The smallest id that can be made at this moment."""
    return max(0, int(seconds * 1000) - EPOCH_MS) << 22


def made_at(snowflake: str) -> float:
    return ((int(snowflake) >> 22) + EPOCH_MS) / 1000


def stamp(seconds: float) -> str:
    """A moment as Discord writes it: ISO 8601, microseconds, an offset instead of Z."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")
