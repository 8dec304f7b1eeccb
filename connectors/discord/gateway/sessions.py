"""Sessions of a bot's shards, stored so that another process can resume them, and the budget of new ones."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from pydantic import AwareDatetime, BaseModel, Field, ValidationError

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


class Session(BaseModel):
    """``seq`` is the number of the last appended event; without an ``id`` there is nothing to resume."""

    id: str = ""
    seq: int = 0
    url: str = ""
    received: int = Field(default=0, exclude=True)
    """The number of the last event that arrived, appended or not."""

    def mark_received(self, number: int) -> bool:
        """Return whether the event is new. A resumed session repeats what had arrived and was not appended."""
        is_new = number > max(self.seq, self.received)
        self.received = max(self.received, number)
        return is_new


class SessionStore(BaseModel):
    """``sessions``: one per shard, in order; empty while the number of shards is unknown."""

    budget: SessionBudget = SessionBudget()
    sessions: list[Session] = []

    @classmethod
    def from_note(cls, note: Mapping[str, Any]) -> SessionStore:
        """Read what ``build_note`` made, or start anew."""
        try:
            return cls.model_validate(note)
        except ValidationError:
            return cls()

    def build_note(self) -> dict[str, Any]:
        return self.model_dump(mode="json")

    @property
    def missing_count(self) -> int:
        """Shards that have to identify; at least one while their number is unknown."""
        return sum(not each.id for each in self.sessions) if self.sessions else 1
