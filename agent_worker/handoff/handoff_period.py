"""The handoff period of a conversation, and its changes by the events of one turn.

Everything follows from the log and from the owner of the conversation, so a repeated turn has the same result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from agent_worker.handoff.promises import find_promises, merge_promises
from agent_worker.handoff.rating import rating_question_id
from agent_worker.nlu.classification import topics_in
from agent_worker.turn.inbound_events import InboundEvent
from schemas.conversation import Conversation, Facts, Owner, OwnerRequested
from schemas.conversation_activity import MessageDeleted, MessageEdited
from schemas.desk import (
    IN_DANGER,
    REASON_SEPARATOR,
    DraftRequested,
    Handoff,
    HandoffEnded,
    HandoffResolved,
    Rating,
    Resolution,
    Score,
    names_surface,
)
from schemas.handoff.rules import PEOPLE
from schemas.messages import Choice, InboundMessage, TranscriptMessage
from schemas.ports import OwnershipResult

REOPENED = "the contact wrote while it was closed"
MAX_ADDRESSES = 4
"""Addresses that are kept of those that the contact has left."""
MAX_RESOLUTIONS = 5
"""Resolutions of a conversation that are kept for colleagues."""
_FIGURES = {"number", "reason", "by", "replies", "opened_at", "claimed_at", "first_reply_at"}


@dataclass(frozen=True, slots=True)
class OwnerChange:
    """A request for another owner, and its decision."""

    request: OwnerRequested
    result: OwnershipResult


@dataclass(frozen=True, slots=True)
class HandoffDecisions:
    """Decisions about the events of a turn, by event id: requested ``changes`` of the owner, and ``ratings`` by the
    contact. ``choices``: the choices of a contact who waits for a person."""

    changes: Mapping[str, OwnerChange | None] = field(default_factory=dict)
    ratings: Mapping[str, Score | None] = field(default_factory=dict)
    choices: Sequence[Choice] = ()


def is_open(handoff: Handoff | None) -> bool:
    return handoff is not None and handoff.ended_at is None


def open_handoff(
    previous: Handoff | None, *, reason: str, since_seq: int, at: datetime, epoch: int, **more: Any
) -> Handoff:
    """The handoff after ``previous``. ``more``: its other fields."""
    number, known = (1, []) if previous is None else (previous.number + 1, previous.reach_at)
    more = {"reach_at": known, **more}
    return Handoff(number=number, reason=reason, since_seq=since_seq, opened_at=at, epoch=epoch, **more)


@dataclass(frozen=True, slots=True)
class HandoffPeriod:
    """The handoff of a conversation, as the events of one turn leave it.

    ``conversation``: before the events. ``ending``: the way the handoff ended in them. ``ended`` and ``ratings``: to be
    reported. ``first_reply``: the handoff whose first reply is among them. ``changed_messages``: those that were edited
    or deleted. ``owner_changed``: the conversation has another owner now. ``asks_rating``: the contact is to be asked
    for a rating. ``draft_requests``: people's requests for drafts. ``resolution``: the newest, while it may belong to
    this handoff; ``resolutions``: all that are kept. ``left_address``: the contact has left a new address. ``danger``:
    the language in which the contact has just said that a life is in danger, empty otherwise."""

    conversation: Conversation
    handoff: Handoff | None
    ending: Literal["", "returned", "closed"] = ""
    ended: tuple[HandoffEnded, ...] = ()
    ratings: tuple[Rating, ...] = ()
    first_reply: Handoff | None = None
    changed_messages: tuple[str, ...] = ()
    owner_changed: bool = False
    asks_rating: bool = False
    draft_requests: tuple[DraftRequested, ...] = ()
    resolution: HandoffResolved | None = None
    left_address: bool = False
    resolutions: tuple[Resolution, ...] = ()
    danger: str = ""

    @classmethod
    def from_events(
        cls, conversation: Conversation, events: Sequence[InboundEvent], decisions: HandoffDecisions, *, may_ask: bool
    ) -> HandoffPeriod:
        """The period after ``events``, in the order of the log. ``may_ask``: the tenant allows to ask contacts for a
        rating."""
        period = cls(conversation, conversation.facts.handoff, resolutions=conversation.facts.resolutions)
        for event in events:
            period = period._apply_event(event, decisions, may_ask=may_ask)
        period = period._apply_current_owner()
        if period.asks_rating and conversation.owner != "closed":
            return period.without_rating()
        return period

    @property
    def is_new(self) -> bool:
        """True if the handoff was opened by these events."""
        previous = self.conversation.facts.handoff
        return self.handoff is not None and (previous is None or self.handoff.number != previous.number)

    @property
    def needs_transcript(self) -> bool:
        """True if these events need the recent transcript."""
        says_something = self.asks_rating or bool(self.ratings or self.draft_requests)
        changes_summary = self.handoff is not None and bool(self.handoff.summary_lines and self.changed_messages)
        return says_something or changes_summary or self.is_new or bool(self.ending or self.danger)

    @property
    def facts(self) -> Facts:
        """The facts after the events. After a handback the agent begins afresh: earlier answers that did not help are
        no reason for another handoff."""
        changes: dict[str, Any] = {"handoff": self.handoff, "resolutions": self.resolutions}
        if self.ended:
            changes |= {"declined_in_a_row": 0, "person_offered": False, "last_route": ""}
        return self.conversation.facts.model_copy(update=changes)

    def with_handoff(self, **fields: Any) -> HandoffPeriod:
        if self.handoff is None:
            return self
        return replace(self, handoff=self.handoff.model_copy(update=fields))

    def with_addresses(self, found: Sequence[str]) -> HandoffPeriod:
        """With the addresses that the contact has written while waiting for a person."""
        handoff = self.handoff
        new = [] if handoff is None else [each for each in dict.fromkeys(found) if each not in handoff.reach_at]
        if handoff is None or not new or not is_open(handoff) or self.conversation.owner != "queue":
            return self
        return replace(self.with_handoff(reach_at=[*handoff.reach_at, *new][-MAX_ADDRESSES:]), left_address=True)

    def without_rating(self) -> HandoffPeriod:
        return replace(self.with_handoff(asked=""), asks_rating=False)

    def _apply_event(self, event: InboundEvent, decisions: HandoffDecisions, *, may_ask: bool) -> HandoffPeriod:
        payload, change = event.payload, decisions.changes.get(event.id)
        period = self._close_without_resolution(event, change)
        if isinstance(payload, HandoffResolved):
            period = replace(period, resolution=payload)
        if change is not None and change.result.won:
            period = period._apply_owner_change(change.request, change.result.epoch)
        if isinstance(payload, HandoffResolved):
            return period._apply_resolution(payload, may_ask=may_ask)
        if isinstance(payload, DraftRequested):
            return replace(period, draft_requests=(*period.draft_requests, payload))
        if isinstance(payload, MessageEdited | MessageDeleted):
            changed = dict.fromkeys([*period.changed_messages, payload.message_id])
            return replace(period, changed_messages=tuple(changed))
        if event.message is not None:
            return period._apply_message(event, event.message, decisions.ratings)
        return period

    # ── the owner ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _apply_owner_change(self, request: OwnerRequested, epoch: int) -> HandoffPeriod:
        period = replace(self, owner_changed=True)
        if request.reason == REOPENED:
            period = replace(period, ending="returned")
        if request.to not in PEOPLE:
            return period._end(request.to, request.by, request.at)
        if not is_open(period.handoff):
            period = period._open(request.reason, request.at)
        period = period.with_handoff(epoch=epoch)
        return period._claim(request.by, request.name, request.at) if request.to == "person" else period

    def _open(self, reason: str, at: datetime) -> HandoffPeriod:
        conversation = self.conversation
        handoff = open_handoff(
            self.handoff, reason=reason, since_seq=conversation.head_seq, at=at, epoch=conversation.epoch
        )
        return replace(self, handoff=handoff, resolution=None)

    def _claim(self, by: str, name: str, at: datetime) -> HandoffPeriod:
        claimed = self.handoff.claimed_at if self.handoff is not None else None
        return self.with_handoff(by=by, name=name, claimed_at=claimed or at)

    def _end(self, to: Owner, by: str, at: datetime) -> HandoffPeriod:
        handoff = self.handoff
        if handoff is None or handoff.ended_at is not None:
            return self
        period = self.with_handoff(ended_at=at, by=handoff.by or by)
        if to == "agent":
            return replace(period, ending="returned")._report("returned")
        period = replace(period, ending="closed")
        if self.resolution is not None:
            return period._report("resolved", self.resolution)
        if names_surface(by):
            return period.with_handoff(unsaid=True)
        return period._report("closed")

    def _report(
        self, ended: Literal["resolved", "returned", "closed"], resolution: HandoffResolved | None = None
    ) -> HandoffPeriod:
        """Report the figures of the handoff that has ended."""
        handoff = self.handoff
        if handoff is None or handoff.ended_at is None:
            return self
        outcome, tags = ("", []) if resolution is None else (resolution.outcome, resolution.tags)
        figures = handoff.model_dump(include=_FIGURES)
        report = HandoffEnded(**figures, ended=ended, outcome=outcome, tags=tags, at=handoff.ended_at)
        return replace(self.with_handoff(unsaid=False), ended=(*self.ended, report))

    def _close_without_resolution(self, event: InboundEvent, change: OwnerChange | None) -> HandoffPeriod:
        """Report a handoff as closed without a resolution if another event came first."""
        goes_on = event.is_from_contact or (change is not None and change.result.won)
        overdue = self.handoff is not None and self.handoff.unsaid and goes_on
        return self._report("closed") if overdue and not isinstance(event.payload, HandoffResolved) else self

    def _apply_current_owner(self) -> HandoffPeriod:
        """Apply the current owner of the conversation: a request may be decided before or after its record is read."""
        conversation, holder = self.conversation, self.conversation.holder
        at = conversation.updated_at if holder is None else holder.since
        by, reason = ("", "") if holder is None else (holder.by, holder.reason)
        period, handoff = self, self.handoff
        if conversation.owner in PEOPLE:
            if not is_open(handoff):
                period = replace(period, owner_changed=True)._open(reason, at)
            unclaimed = period.handoff is not None and period.handoff.claimed_at is None
            if conversation.owner == "person" and unclaimed:
                period = period._claim(by, "" if holder is None else holder.name, at)
            return period.with_handoff(epoch=conversation.epoch)
        if handoff is not None and conversation.epoch > handoff.epoch:
            changed = period.owner_changed or is_open(handoff)
            return replace(period, owner_changed=changed)._end(conversation.owner, by, at)
        return period

    # ── messages and ratings ─────────────────────────────────────────────────────────────────────────────────────────

    def _apply_message(
        self, event: InboundEvent, message: InboundMessage, ratings: Mapping[str, Score | None]
    ) -> HandoffPeriod:
        if message.author.kind == "person":
            return self._apply_reply(message)
        if event.id in ratings:
            return self._apply_rating(message, ratings[event.id])
        if not event.is_from_contact:
            return self
        # Any other message of the contact ends the question for a rating.
        period, handoff = self.without_rating(), self.handoff
        language = topics_in(message.text).get("danger") if handoff is not None and is_open(handoff) else None
        if handoff is None or language is None or handoff.in_danger:
            return period
        reason = REASON_SEPARATOR.join(filter(None, (IN_DANGER, handoff.reason)))
        return replace(period.with_handoff(reason=reason), danger=language)

    def _apply_reply(self, message: InboundMessage) -> HandoffPeriod:
        handoff = self.handoff
        if handoff is None or handoff.ended_at is not None:
            return self
        promised = merge_promises(handoff.promised, find_promises(message.text))
        period = self.with_handoff(replies=handoff.replies + 1, promised=promised)
        if handoff.first_reply_at is not None:
            return period
        period = period.with_handoff(first_reply_at=message.sent_at)
        if handoff.claimed_at is not None and handoff.claimed_at > handoff.opened_at:
            return replace(period, first_reply=period.handoff)
        return period

    def _apply_resolution(self, resolution: HandoffResolved, *, may_ask: bool) -> HandoffPeriod:
        number = 0 if self.handoff is None else self.handoff.number
        kept = Resolution(**resolution.model_dump(), number=number)
        period = replace(self, resolutions=(*self.resolutions, kept)[-MAX_RESOLUTIONS:])
        if self.handoff is not None and self.handoff.unsaid:
            period = period._report("resolved", resolution)
        handoff = period.handoff
        if not (resolution.ask and may_ask) or handoff is None or handoff.asked or handoff.score is not None:
            return period
        question = rating_question_id(self.conversation.id, handoff.number)
        return replace(period.with_handoff(asked=question), asks_rating=True)

    def _apply_rating(self, message: InboundMessage, score: Score | None) -> HandoffPeriod:
        handoff = self.handoff
        if score is None or handoff is None:
            return self
        question = rating_question_id(self.conversation.id, handoff.number)
        rating = Rating(message_id=question, score=score, by=handoff.by, at=message.sent_at)
        rated = tuple(
            each.model_copy(update={"score": score}) if each.number == handoff.number else each
            for each in self.resolutions
        )
        period = replace(self.with_handoff(asked="", score=score), resolutions=rated)
        return replace(period, ratings=(*self.ratings, rating))


@dataclass(frozen=True, slots=True)
class HandoffContext:
    """The handoff as a turn sees it, with the transcript that it needs.

    ``choices``: the choices of a contact who waits for a person. ``lines``: the end of the transcript, if needed, and
    ``locale``: the contact's language in it. ``resumes``: only messages from the handoff period are left to answer.
    ``reopens``: the contact wrote at the moment of closing, so people cannot have seen it."""

    period: HandoffPeriod
    choices: Sequence[Choice] = ()
    lines: Sequence[TranscriptMessage] = ()
    locale: str = ""
    resumes: bool = False
    reopens: bool = False

    @property
    def conversation(self) -> Conversation:
        """The conversation with the facts after these events."""
        return self.period.conversation.model_copy(update={"facts": self.period.facts})
