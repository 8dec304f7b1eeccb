"""The point up to which a contact's messages have been answered.

Messages mostly come in the order in which they were written. A message that is replayed, or found in the vendor's
history, comes late: it is answered only if nothing written after it has been. All times are those of the contact's
messages, as the vendor dates them. Some vendors date by the second, so times alone do not tell whether a message from
the same second as an answered one still waits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from agent_worker.turn.inbound_events import Event
from schemas.changes import MessageEdited
from schemas.conversation import Facts
from schemas.messages import InboundMessage, TranscriptMessage
from schemas.transcript import CLOCK_TOLERANCE


@dataclass(frozen=True, slots=True)
class AnsweredWatermark:
    """``newest``: when the newest known message of the contact was written. ``until``: when the newest answered one
    was, whoever answered it. ``left``: messages of earlier turns that still wait, whatever ``until`` says. ``waiting``:
    when the messages of this turn that still wait were written, by id."""

    newest: datetime | None = None
    until: datetime | None = None
    left: frozenset[str] = frozenset()
    waiting: Mapping[str, datetime] = field(default_factory=dict)

    @classmethod
    def from_facts(cls, facts: Facts) -> AnsweredWatermark:
        return cls(facts.heard_at, facts.answered_at, frozenset(facts.unanswered))

    def to_facts(self) -> dict[str, Any]:
        """The fields of ``Facts`` that keep it between turns."""
        unanswered: tuple[str, ...] = ()
        if self.left or self.waiting:
            overtaken = [id for id, written in self.waiting.items() if self._is_past(written)]
            unanswered = tuple(sorted({*self.left, *overtaken}))
        return {"heard_at": self.newest, "answered_at": self.until, "unanswered": unanswered}

    def is_overtaken(self, event: Event) -> bool:
        """True if a late message only joins the transcript. One from about the same moment as an answered message still
        waits: better that two are answered than none."""
        is_late = event.envelope.replay_of or (event.message is not None and event.message.backfilled)
        written = _written_at(event)
        return (
            bool(is_late) and self.until is not None and written is not None and self.until - written > CLOCK_TOLERANCE
        )

    def is_unanswered(self, line: TranscriptMessage) -> bool:
        """True if this line of the contact still waits for an answer."""
        return not self._is_past(line.created_at) or line.id in self.left or line.id in self.waiting

    def with_message(self, message: InboundMessage, *, waits: bool) -> AnsweredWatermark:
        """After a message of the contact; ``waits`` if it is to be answered."""
        waiting = {**self.waiting, message.id: message.sent_at} if waits else self.waiting
        return replace(self, newest=_later(self.newest, message.sent_at), waiting=waiting)

    def with_person(self, event: Event) -> AnsweredWatermark:
        """After a message of a person, who has seen all that we know; or, if they wrote it in the vendor's own app, all
        that was written before it."""
        if event.message is not None and event.message.shown:
            seen: datetime | None = event.message.sent_at
        else:
            seen = self.newest
        if seen is None:
            return self
        waiting = {id: written for id, written in self.waiting.items() if written > seen}
        return replace(self, until=_later(self.until, seen), left=frozenset(), waiting=waiting)

    def with_answered(self, messages: Iterable[InboundMessage]) -> AnsweredWatermark:
        until, answered = self.until, set[str]()
        for message in messages:
            until = _later(until, message.sent_at)
            answered.add(message.id)
        return replace(self.without_messages(answered), until=until)

    def without_messages(self, ids: Iterable[str]) -> AnsweredWatermark:
        """These messages wait no more."""
        gone = set(ids)
        waiting = {id: written for id, written in self.waiting.items() if id not in gone}
        return replace(self, left=self.left - gone, waiting=waiting)

    def _is_past(self, written: datetime) -> bool:
        return self.until is not None and written <= self.until


def _written_at(event: Event) -> datetime | None:
    if isinstance(event.payload, MessageEdited):
        return event.payload.edited_at
    return event.message.sent_at if event.message is not None else None


def _later(one: datetime | None, other: datetime) -> datetime:
    return other if one is None else max(one, other)
