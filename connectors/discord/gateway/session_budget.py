"""Budget of the sessions that a bot begins, which outlives the processes that spend it."""

from __future__ import annotations

from datetime import datetime, timedelta

from pydantic import AwareDatetime

from connectors.discord.models import DiscordModel

MAX_BURST = 20
REFILL_INTERVAL = timedelta(minutes=2)
"""A bot may identify a thousand times a day; the next attempt costs it its token. A process that keeps crashing gets
twenty at once and then 720 a day."""
BURST_STARTS = 3
"""A bot with more shards may start so often at once."""
MIN_SPACING = timedelta(seconds=5)
"""Between two identifications of shards that Discord does not let identify together."""


class SessionBudget(DiscordModel):
    """Identifications that are left. They are spent before they are made, so that no crash forgets one. With many
    shards ``left`` may be negative."""

    left: float = MAX_BURST
    at: AwareDatetime | None = None

    def get_wait(self, now: datetime, shards: int, many: int) -> timedelta:
        """Return how long a bot with so many shards waits until it may identify ``many`` of them."""
        extra = max(0, BURST_STARTS * shards - MAX_BURST)
        return REFILL_INTERVAL * max(0.0, many - extra - self._get_left(now))

    def get_spacing(self, now: datetime) -> timedelta:
        """Return how long to wait after the last one."""
        return timedelta(0) if self.at is None else max(self.at + MIN_SPACING - now, timedelta(0))

    def spend(self, now: datetime) -> SessionBudget:
        return SessionBudget(left=self._get_left(now) - 1, at=now)

    def _get_left(self, now: datetime) -> float:
        passed = timedelta(0) if self.at is None else max(timedelta(0), now - self.at)
        return min(float(MAX_BURST), self.left + passed / REFILL_INTERVAL)
