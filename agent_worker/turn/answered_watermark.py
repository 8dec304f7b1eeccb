"""Which messages wait no longer because what came after them was answered (design §4).

Messages mostly come in the order in which they were written. One that is replayed, or was found in the vendor's
history, comes late. Times are those of the contact's messages, both from the vendor where it dates what it tells. Some
date by the second: of what comes in the same second as an answered message, or before it by another way, times alone
do not tell that it still waits.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from agent_worker.turn.inbound_events import Event
from schemas.changes import MessageEdited
from schemas.conversation import Facts
from schemas.messages import InboundMessage, TranscriptMessage
from schemas.transcript import LATE


@dataclass(slots=True)
class Answered:
    """``heard``: when the newest message that is known of the contact was written; ``until``: the newest of those that
    were answered, by whomever. ``left``: messages of earlier turns that wait whatever ``until`` says."""

    heard: datetime | None = None
    until: datetime | None = None
    left: set[str] = field(default_factory=set)
    _new: dict[str, datetime] = field(default_factory=dict)
    """Those of this turn that nobody has answered yet."""

    @classmethod
    def of(cls, facts: Facts) -> Answered:
        return cls(facts.heard_at, facts.answered_at, set(facts.unanswered))

    def facts(self) -> dict[str, Any]:
        """What is to be remembered of it."""
        left: tuple[str, ...] = ()
        if self.left or self._new:
            overtaken = [id for id, written in self._new.items() if self._is_past(written)]
            left = tuple(sorted({*self.left, *overtaken}))
        return {"heard_at": self.heard, "answered_at": self.until, "unanswered": left}

    def includes(self, event: Event) -> bool:
        """Whether a late message only joins the transcript. One of about the same moment as an answered one still
        waits: better that two are answered than none."""
        late = event.envelope.replay_of or (event.message is not None and event.message.backfilled)
        written = _written_at(event)
        return bool(late) and self.until is not None and written is not None and self.until - written > LATE

    def waits(self, line: TranscriptMessage) -> bool:
        """Whether nobody has answered this line of the contact's."""
        return not self._is_past(line.created_at) or line.id in self.left or line.id in self._new

    def hear(self, written: datetime) -> None:
        self.heard = _later(self.heard, written)

    def expect(self, message: InboundMessage) -> None:
        """An answer to it."""
        self._new[message.id] = message.sent_at

    def forget(self, message: str) -> None:
        self._new.pop(message, None)
        self.left.discard(message)

    def answer(self, messages: Iterable[InboundMessage]) -> None:
        for message in messages:
            self.until = _later(self.until, message.sent_at)
            self.forget(message.id)

    def person_spoke(self, event: Event) -> None:
        """Here a person has seen what we know; in the vendor's own app, all that was written until then."""
        if event.message is not None and event.message.shown:
            seen: datetime | None = event.message.sent_at
        else:
            seen = self.heard
        if seen is not None:
            self.until = _later(self.until, seen)
            self._new = {id: written for id, written in self._new.items() if written > seen}
            self.left.clear()

    def _is_past(self, written: datetime) -> bool:
        return self.until is not None and written <= self.until


def _written_at(event: Event) -> datetime | None:
    if isinstance(event.payload, MessageEdited):
        return event.payload.edited_at
    return event.message.sent_at if event.message is not None else None


def _later(one: datetime | None, other: datetime) -> datetime:
    return other if one is None else max(one, other)
