"""Stored state of a bot's gateway sessions, with which another process can resume them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from pydantic import AwareDatetime, ValidationError

from connectors.discord.models import DiscordModel

MAX_BURST = 20
REFILL_INTERVAL = timedelta(minutes=2)
"""A bot may identify a thousand times a day; the next attempt costs it its token. A process that keeps crashing gets
twenty at once and then 720 a day."""
MIN_SPACING = timedelta(seconds=5)
"""Between two identifications of one bot."""


class SessionBudget(DiscordModel):
    """Identifications that are left. They are spent before they are made, so that no crash forgets one."""

    left: float = MAX_BURST
    at: AwareDatetime | None = None

    def get_wait(self, now: datetime, many: int = 1) -> timedelta:
        """Return the seconds to wait until this many are allowed."""
        empty = REFILL_INTERVAL * max(0.0, min(many, MAX_BURST) - self._get_available(now))
        return max(empty, self.get_spacing(now))

    def get_spacing(self, now: datetime) -> timedelta:
        """Return how long to wait after the last one."""
        return timedelta(0) if self.at is None else max(self.at + MIN_SPACING - now, timedelta(0))

    def spend(self, now: datetime, many: int = 1) -> SessionBudget:
        return SessionBudget(left=self._get_available(now) - many, at=now)

    def _get_available(self, now: datetime) -> float:
        passed = timedelta(0) if self.at is None else max(timedelta(0), now - self.at)
        return min(float(MAX_BURST), self.left + passed / REFILL_INTERVAL)


class Session(DiscordModel):
    """``seq`` is the number of the last appended event; without an ``id`` the session cannot be resumed."""

    id: str = ""
    seq: int = 0
    url: str = ""


class SessionStore(DiscordModel):
    """``sessions``: one per shard, in order; empty while the number of shards is unknown."""

    budget: SessionBudget = SessionBudget()
    sessions: list[Session] = []

    @classmethod
    def from_note(cls, note: Mapping[str, Any]) -> SessionStore:
        """Also reads notes from when every bot had one session."""
        single = [note] if "sessions" not in note and note.get("id") else []
        try:
            return cls.model_validate({"sessions": single, **note})
        except ValidationError:
            return cls()

    @property
    def missing_count(self) -> int:
        """Shards that have to identify."""
        return sum(not each.id for each in self.sessions)

    @property
    def is_complete(self) -> bool:
        return bool(self.sessions) and not self.missing_count

    def replace_session(self, shard: int, session: Session) -> SessionStore:
        return SessionStore(budget=self.budget, sessions=[*self.sessions[:shard], session, *self.sessions[shard + 1 :]])

    def reset(self) -> SessionStore:
        return SessionStore(budget=self.budget)
