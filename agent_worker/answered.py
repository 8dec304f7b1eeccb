"""Which messages wait no longer because what came after them was answered (design §4).

Messages mostly come in the order in which they were written. One that is replayed, or was found in the vendor's
history, comes late. Times are those of the contact's messages, both from the vendor where it dates what it tells.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from agent_worker.events import Event
from schemas.changes import MessageEdited
from schemas.conversation import Facts
from schemas.transcript import LATE


@dataclass(slots=True)
class Answered:
    """``heard``: when the newest message that is known of the contact was written; ``until``: the newest of those that
    were answered, by whomever."""

    heard: datetime | None = None
    until: datetime | None = None

    @classmethod
    def of(cls, facts: Facts) -> Answered:
        return cls(facts.heard_at, facts.answered_at)

    def includes(self, event: Event) -> bool:
        """Whether a late message only joins the transcript. One of about the same moment as an answered one still
        waits: better that two are answered than none."""
        late = event.envelope.replay_of or (event.message is not None and event.message.backfilled)
        written = _written_at(event)
        return bool(late) and self.until is not None and written is not None and self.until - written > LATE

    def hear(self, written: datetime) -> None:
        self.heard = _later(self.heard, written)

    def answer(self, written: datetime) -> None:
        """The message of that moment."""
        self.until = _later(self.until, written)

    def person_spoke(self, event: Event) -> None:
        """Here a person has seen what we know; in the vendor's own app, all that was written until then."""
        if event.message is not None and event.message.shown:
            self.answer(event.message.sent_at)
        elif self.heard is not None:
            self.answer(self.heard)


def _written_at(event: Event) -> datetime | None:
    if isinstance(event.payload, MessageEdited):
        return event.payload.edited_at
    return event.message.sent_at if event.message is not None else None


def _later(one: datetime | None, other: datetime) -> datetime:
    return other if one is None else max(one, other)
