"""Random failures of a simulated platform."""

from __future__ import annotations

import random
from dataclasses import dataclass, field


@dataclass
class RandomFaults:
    """``rates``: kind → share of requests, from a seed. ``queue``: kinds that befall the next requests, before any
    chance. ``retry_after``: seconds that an answer of 429 or 503 names."""

    rates: dict[str, float] = field(default_factory=dict)
    random: random.Random = field(default_factory=lambda: random.Random(17))
    queue: list[str] = field(default_factory=list)
    retry_after: int = 3

    def draw(self) -> str:
        """The kind of failure of the next request, empty for none."""
        if self.queue:
            return self.queue.pop(0)
        value = self.random.random()
        for kind, rate in self.rates.items():
            if value < rate:
                return kind
            value -= rate
        return ""
