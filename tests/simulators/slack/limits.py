"""Rate limits: tiers by method, and one message a second in a channel. Short bursts are tolerated, as Slack does."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

TIERS = {1: 1, 2: 20, 3: 50, 4: 100, 5: 600}
"""Requests a minute by method. 5 stands for what Slack calls special: "hundreds per minute"."""


class Limited(Exception):
    """Answered with 429 and ``Retry-After``."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"{seconds:.1f} s")
        self.retry_after = max(1, math.ceil(seconds))


@dataclass
class Bucket:
    rate: float
    """Per second."""
    size: float
    left: float
    at: float

    def take(self, now: float) -> float:
        """Take one; else the seconds until there is one."""
        self.left = min(self.size, self.left + (now - self.at) * self.rate)
        self.at = now
        if self.left < 1:
            return (1 - self.left) / self.rate
        self.left -= 1
        return 0.0


@dataclass
class Limits:
    """``enforced`` may be turned off where a test is about something else. ``commercial`` is the lot of apps that are
    distributed outside of the Marketplace: history and replies once a minute, 15 messages at a time."""

    now: Callable[[], float]
    enforced: bool = True
    commercial: bool = False
    per_channel: float = 1.0
    burst: float = 3.0
    per_workspace: float = 300.0
    """Messages a minute."""
    speed: float = 1.0
    """How much faster than Slack's all of this goes: the ratios stay."""
    _buckets: dict[str, Bucket] = field(default_factory=dict)

    def method(self, name: str, tier: int) -> None:
        """Raises Limited."""
        if self.commercial and name in ("conversations.history", "conversations.replies"):
            tier = 1
        if tier:
            self._take(name, TIERS[tier] / 60, TIERS[tier])

    def message(self, channel: str) -> None:
        """One more message in this channel. Raises Limited."""
        self._take(f"#{channel}", self.per_channel, self.burst)
        self._take("messages", self.per_workspace / 60, self.per_workspace)

    def _take(self, key: str, rate: float, size: float) -> None:
        if not self.enforced:
            return
        now = self.now()
        bucket = self._buckets.setdefault(key, Bucket(rate * self.speed, size, size, now))
        if wait := bucket.take(now):
            raise Limited(wait)
