"""What is remembered of a bot's session at the gateway, so that another process, or a later one, goes on with it."""

from __future__ import annotations

from datetime import datetime, timedelta

from pydantic import AwareDatetime

from connectors.discord.shapes import Shape

BURST = 20
EVERY = timedelta(minutes=2)
"""A bot may identify a thousand times a day, and loses its token with the next. A process that crashes again and again
gets twenty at once and then 720 a day."""
APART = timedelta(seconds=5)
"""Between two identifications of one bot."""


class Budget(Shape):
    """Identifications that are left. Spent before they are made, so that no crash forgets one."""

    left: float = BURST
    at: AwareDatetime | None = None

    def wait(self, now: datetime) -> timedelta:
        """Until the next one is allowed."""
        if self.at is None:
            return timedelta(0)
        empty = EVERY * max(0.0, 1 - self._refilled(now))
        return max(empty, self.at + APART - now, timedelta(0))

    def spent(self, now: datetime) -> Budget:
        return Budget(left=self._refilled(now) - 1, at=now)

    def _refilled(self, now: datetime) -> float:
        passed = timedelta(0) if self.at is None else max(timedelta(0), now - self.at)
        return min(float(BURST), self.left + passed / EVERY)


class Session(Shape):
    """``seq`` is the number of the last event that was appended; without an ``id`` there is nothing to resume."""

    id: str = ""
    seq: int = 0
    url: str = ""
    budget: Budget = Budget()

    def ended(self) -> Session:
        return Session(budget=self.budget)
