"""The stretch in which people have a conversation: what the events of one turn make of it (design §7).

Everything follows from the log and from who owns the conversation, so a turn that is done again makes the same of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from agent_worker.handoff.promises import kept, promises
from agent_worker.handoff.rating import question_id
from agent_worker.turn.inbound_events import Event
from schemas.changes import MessageDeleted, MessageEdited
from schemas.conversation import Conversation, Facts, Owner, OwnerRequested
from schemas.desk import DraftRequested, Handoff, HandoffEnded, HandoffResolved, RatingGiven, Score, names_surface
from schemas.handoff.rules import PEOPLE
from schemas.messages import Choice, InboundMessage, TranscriptMessage
from schemas.ports import Owned

Ending = Literal["resolved", "returned", "closed"]
_FIGURES = {"number", "reason", "by", "replies", "opened_at", "claimed_at", "first_reply_at"}
REOPENED = "the contact wrote while it was closed"


@dataclass(frozen=True, slots=True)
class Change:
    """A request for the owner, and how it was decided."""

    request: OwnerRequested
    owned: Owned


def is_open(handoff: Handoff | None) -> bool:
    return handoff is not None and handoff.ended_at is None


def _is_word(event: Event) -> bool:
    return isinstance(event.payload, HandoffResolved)


def opened(before: Handoff | None, *, reason: str, since_seq: int, at: datetime, epoch: int, **more: Any) -> Handoff:
    """The next one. ``more`` are other fields of it."""
    number = 1 if before is None else before.number + 1
    return Handoff(number=number, reason=reason, since_seq=since_seq, opened_at=at, epoch=epoch, **more)


@dataclass(slots=True)
class Stretch:
    """``handoff``: as it is after this turn's events; ``begun``: it began with them. ``ended`` and ``given`` are to be
    told; ``first_reply``: the handoff whose first reply this is. ``changed``: lines of the transcript that were edited
    or deleted. ``moved``: somebody else may speak since, the agent (``returned``) or nobody (``closed``) after people.
    ``thanks``: the contact has just told how it went; ``asks``: it is to be asked."""

    conversation: Conversation
    handoff: Handoff | None
    begun: bool = False
    ended: list[HandoffEnded] = field(default_factory=list)
    given: list[RatingGiven] = field(default_factory=list)
    first_reply: Handoff | None = None
    changed: dict[str, None] = field(default_factory=dict)
    moved: bool = False
    returned: bool = False
    closed: bool = False
    asks: bool = False
    thanks: bool = False
    drafts: list[DraftRequested] = field(default_factory=list)
    lines: list[TranscriptMessage] = field(default_factory=list)
    """The end of the talk, where it is needed."""
    locale: str = ""
    """What the contact writes in, by those lines."""
    offered: Sequence[Choice] = ()
    """What the contact may choose while it waits for a person."""
    reopens: bool = False
    """The contact wrote while people closed it, who cannot have seen that."""
    revived: bool = False
    """Nothing is to be answered but what waited while people had it."""
    _resolved: HandoffResolved | None = None

    def take(
        self,
        events: Sequence[Event],
        changes: Mapping[str, Change | None],
        ratings: Mapping[str, Score | None],
        rates: bool,
    ) -> None:
        """Each event of the turn, in the order of the log. ``rates``: the tenant lets contacts be asked how it went."""
        for event in events:
            payload, change = event.payload, changes.get(event.id)
            self._say_at_last(event, change)
            self._resolved = payload if isinstance(payload, HandoffResolved) else self._resolved
            if change is not None and change.owned.won:
                self._change(change.request, change.owned.epoch)
            if isinstance(payload, HandoffResolved):
                self._resolve(payload, rates)
            elif isinstance(payload, DraftRequested):
                self.drafts.append(payload)
            elif isinstance(payload, MessageEdited | MessageDeleted):
                self.changed[payload.message_id] = None
            elif event.message is not None:
                self._heard(event, event.message, ratings)
        self._settle()
        if self.asks and self.conversation.owner != "closed":
            self.asks = False
            self.update(asked="")

    @property
    def looks_back(self) -> bool:
        """Whether the end of the talk is needed to make anything of it."""
        said = self.asks or self.thanks or bool(self.drafts)
        summed_up = self.handoff is not None and bool(self.handoff.summary and self.changed)
        return said or summed_up or self.begun or self.returned or self.closed

    def facts(self) -> Facts:
        """What is remembered from now on. After people gave it back the agent begins anew: what did not help before is
        no reason to call them again."""
        kept_on: dict[str, Any] = {"handoff": self.handoff}
        if self.ended:
            kept_on |= {"declined_in_a_row": 0, "person_offered": False, "last_route": ""}
        return self.conversation.facts.model_copy(update=kept_on)

    def update(self, **fields: Any) -> None:
        if self.handoff is not None:
            self.handoff = self.handoff.model_copy(update=fields)

    # ── who has it ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _change(self, request: OwnerRequested, epoch: int) -> None:
        self.moved = True
        if request.reason == REOPENED:
            self.returned = True
        if request.to not in PEOPLE:
            return self._end(request.to, request.by, request.at)
        if not is_open(self.handoff):
            self._open(request.reason, request.at)
        self.update(epoch=epoch)
        if request.to == "person":
            self._claim(request.by, request.name, request.at)

    def _open(self, reason: str, at: datetime) -> None:
        self.begun, self._resolved = True, None
        self.handoff = opened(
            self.handoff,
            reason=reason,
            since_seq=self.conversation.head_seq,
            at=at,
            epoch=self.conversation.epoch,
        )

    def _claim(self, by: str, name: str, at: datetime) -> None:
        claimed = self.handoff.claimed_at if self.handoff is not None else None
        self.update(by=by, name=name, claimed_at=claimed or at)

    def _end(self, to: Owner, by: str, at: datetime) -> None:
        handoff = self.handoff
        if handoff is None or handoff.ended_at is not None:
            return
        self.returned, self.closed = to == "agent", to == "closed"
        self.update(ended_at=at, by=handoff.by or by)
        if self.returned:
            self._say("returned")
        elif self._resolved is not None:
            self._say("resolved", self._resolved)
        elif names_surface(by):
            self.update(unsaid=True)
        else:
            self._say("closed")

    def _say(self, ended: Ending, word: HandoffResolved | None = None) -> None:
        """The figures of what has ended."""
        handoff = self.handoff
        if handoff is None or handoff.ended_at is None:
            return
        self.update(unsaid=False)
        figures = handoff.model_dump(include=_FIGURES)
        outcome, tags = ("", []) if word is None else (word.outcome, word.tags)
        self.ended.append(HandoffEnded(**figures, ended=ended, outcome=outcome, tags=tags, at=handoff.ended_at))

    def _say_at_last(self, event: Event, change: Change | None) -> None:
        """Where the word that was waited for has not come before something else happened."""
        goes_on = event.is_from_contact or (change is not None and change.owned.won)
        if self.handoff is not None and self.handoff.unsaid and goes_on and not _is_word(event):
            self._say("closed")

    def _settle(self) -> None:
        """Who has it by now. A request may be decided before its record is read, or after: then this is what counts."""
        conversation, holder = self.conversation, self.conversation.holder
        at = conversation.updated_at if holder is None else holder.since
        by, reason = ("", "") if holder is None else (holder.by, holder.reason)
        if conversation.owner in PEOPLE:
            if not is_open(self.handoff):
                self.moved = True
                self._open(reason, at)
            if conversation.owner == "person" and self.handoff is not None and self.handoff.claimed_at is None:
                self._claim(by, "" if holder is None else holder.name, at)
            self.update(epoch=conversation.epoch)
        elif self.handoff is not None and conversation.epoch > self.handoff.epoch:
            self.moved = self.moved or is_open(self.handoff)
            self._end(conversation.owner, by, at)

    # ── what is said ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _heard(self, event: Event, message: InboundMessage, ratings: Mapping[str, Score | None]) -> None:
        if message.author.kind == "person":
            self._spoke(message)
        elif event.id in ratings:
            self._rate(message, ratings[event.id])
        elif event.is_from_contact:
            # What is written next is no answer to that question any more.
            self.asks = False
            self.update(asked="")

    def _spoke(self, message: InboundMessage) -> None:
        handoff = self.handoff
        if handoff is None or handoff.ended_at is not None:
            return
        more = promises(message.text)
        self.update(replies=handoff.replies + 1, promised=kept(handoff.promised, more))
        if handoff.first_reply_at is None:
            self.update(first_reply_at=message.sent_at)
            if handoff.claimed_at is not None and handoff.claimed_at > handoff.opened_at:
                self.first_reply = self.handoff

    # ── how it went ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _resolve(self, word: HandoffResolved, rates: bool) -> None:
        if self.handoff is not None and self.handoff.unsaid:
            self._say("resolved", word)
        handoff = self.handoff
        if word.ask and rates and handoff is not None and not handoff.asked and handoff.score is None:
            self.asks = True
            self.update(asked=question_id(self.conversation.id, handoff.number))

    def _rate(self, message: InboundMessage, score: Score | None) -> None:
        if score is None or self.handoff is None:
            return
        self.thanks = True
        self.given.append(
            RatingGiven(
                message_id=question_id(self.conversation.id, self.handoff.number),
                score=score,
                by=self.handoff.by,
                at=message.sent_at,
            )
        )
        self.update(asked="", score=score)
