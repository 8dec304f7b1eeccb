"""Sessions of a bot's shards, stored so that another process can resume them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from connectors.discord.gateway.session_budget import SessionBudget


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
