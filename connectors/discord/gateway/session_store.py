"""What is remembered of a bot's session at the gateway, so that another process, or a later one, goes on with it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from pydantic import AwareDatetime, ValidationError

from connectors.discord.models import Shape

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

    def wait(self, now: datetime, many: int = 1) -> timedelta:
        """Until so many are allowed."""
        empty = EVERY * max(0.0, min(many, BURST) - self._refilled(now))
        return max(empty, self.until(now))

    def until(self, now: datetime) -> timedelta:
        """Until any may follow the last one."""
        return timedelta(0) if self.at is None else max(self.at + APART - now, timedelta(0))

    def spent(self, now: datetime, many: int = 1) -> Budget:
        return Budget(left=self._refilled(now) - many, at=now)

    def _refilled(self, now: datetime) -> float:
        passed = timedelta(0) if self.at is None else max(timedelta(0), now - self.at)
        return min(float(BURST), self.left + passed / EVERY)


class Session(Shape):
    """``seq`` is the number of the last event that was appended; without an ``id`` there is nothing to resume."""

    id: str = ""
    seq: int = 0
    url: str = ""


class Memory(Shape):
    """``sessions``: one a shard, in their order; none while it is not known how many there are to be."""

    budget: Budget = Budget()
    sessions: list[Session] = []

    @classmethod
    def read(cls, note: Mapping[str, Any]) -> Memory:
        """Also what was left when every bot had one session."""
        only = [note] if "sessions" not in note and note.get("id") else []
        try:
            return cls.model_validate({"sessions": only, **note})
        except ValidationError:
            return cls()

    @property
    def missing(self) -> int:
        """Shards that have to identify."""
        return sum(not each.id for each in self.sessions)

    @property
    def is_whole(self) -> bool:
        return bool(self.sessions) and not self.missing

    def having(self, shard: int, session: Session) -> Memory:
        return Memory(budget=self.budget, sessions=[*self.sessions[:shard], session, *self.sessions[shard + 1 :]])

    def anew(self) -> Memory:
        return Memory(budget=self.budget)
