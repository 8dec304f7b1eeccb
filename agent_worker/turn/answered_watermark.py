"""The point up to which a contact's messages have been answered.

Messages mostly come in the order in which they were written. A message that is replayed, or found in the vendor's
history, comes late: it is answered only if nothing written after it has been. All times are those of the contact's
messages, as the vendor dates them. Some vendors date by the second, so times alone do not tell whether a message from
the same second as an answered one still waits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from agent_worker.turn.inbound_events import InboundEvent
from schemas.conversation import Facts
from schemas.conversation_activity import MessageEdited
from schemas.messages import InboundMessage, TranscriptMessage
from schemas.transcript import CLOCK_TOLERANCE


@dataclass(frozen=True, slots=True)
class AnsweredWatermark:
    """``newest``: time of the contact's newest known message. ``until``: time of the newest answered message, whoever
    answered it. ``still_waiting``: ids of messages of earlier turns that still wait, independent of ``until``.
    ``waiting``: times of this turn's messages that still wait, by id."""

    newest: datetime | None = None
    until: datetime | None = None
    still_waiting: frozenset[str] = frozenset()
    waiting: Mapping[str, datetime] = field(default_factory=dict)

    @classmethod
    def from_facts(cls, facts: Facts) -> AnsweredWatermark:
        return cls(facts.heard_at, facts.answered_at, frozenset(facts.unanswered))

    def to_facts(self) -> dict[str, Any]:
        """The fields of ``Facts`` that store it between turns."""
        unanswered: tuple[str, ...] = ()
        if self.still_waiting or self.waiting:
            overtaken = [id for id, written in self.waiting.items() if self._is_past(written)]
            unanswered = tuple(sorted({*self.still_waiting, *overtaken}))
        return {"heard_at": self.newest, "answered_at": self.until, "unanswered": unanswered}

    def is_overtaken(self, event: InboundEvent) -> bool:
        """True if a late message only joins the transcript. A message from about the same moment as an answered one
        still waits: better answer two than none."""
        is_late = event.envelope.replay_of or (event.message is not None and event.message.backfilled)
        written = _written_at(event)
        return (
            bool(is_late) and self.until is not None and written is not None and self.until - written > CLOCK_TOLERANCE
        )

    def is_unanswered(self, line: TranscriptMessage) -> bool:
        """True if this line of the contact still waits for an answer."""
        return not self._is_past(line.created_at) or line.id in self.still_waiting or line.id in self.waiting

    def with_message(self, message: InboundMessage, *, waits: bool) -> AnsweredWatermark:
        """Return the watermark after a message of the contact; ``waits`` if it is to be answered."""
        waiting = {**self.waiting, message.id: message.sent_at} if waits else self.waiting
        return AnsweredWatermark(_later(self.newest, message.sent_at), self.until, self.still_waiting, waiting)

    def with_person(self, event: InboundEvent) -> AnsweredWatermark:
        """Return the watermark after a message of a person. It answers all known messages; if written in the vendor's
        own app, only those before it."""
        if event.message is not None and event.message.shown:
            seen_until: datetime | None = event.message.sent_at
        else:
            seen_until = self.newest
        if seen_until is None:
            return self
        waiting = {id: written for id, written in self.waiting.items() if written > seen_until}
        return replace(self, until=_later(self.until, seen_until), still_waiting=frozenset(), waiting=waiting)

    def with_answered(self, messages: Iterable[InboundMessage]) -> AnsweredWatermark:
        until, answered = self.until, set[str]()
        for message in messages:
            until = _later(until, message.sent_at)
            answered.add(message.id)
        return self._remove(answered, until)

    def without_messages(self, ids: Iterable[str]) -> AnsweredWatermark:
        """Return the watermark without these messages."""
        return self._remove(set(ids), self.until)

    def _remove(self, removed: Set[str], until: datetime | None) -> AnsweredWatermark:
        waiting = {id: written for id, written in self.waiting.items() if id not in removed}
        return AnsweredWatermark(self.newest, until, self.still_waiting - removed, waiting)

    def _is_past(self, written: datetime) -> bool:
        return self.until is not None and written <= self.until


def _written_at(event: InboundEvent) -> datetime | None:
    if isinstance(event.payload, MessageEdited):
        return event.payload.edited_at
    return event.message.sent_at if event.message is not None else None


def _later(one: datetime | None, other: datetime) -> datetime:
    return other if one is None else max(one, other)
