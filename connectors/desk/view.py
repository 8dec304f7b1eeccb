"""A conversation as its people need to see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from connectors.desk.rules import DeskRules
from schemas.conversation import Contact, Conversation, Turn, called
from schemas.desk import Handoff
from schemas.messages import TranscriptMessage
from schemas.ports import State

MOST_LINES = 2_000
PAGE = 200
BEFORE = 4
"""Lines from before the handoff that the card shows."""
KEPT = timedelta(days=7)
"""What is older is not shown any more: where it was shown is on record a day longer than that."""


@dataclass(frozen=True, slots=True)
class View:
    """``lines``: of the stretch that people have, or had last, the conversation; ``before``: the last ones that were
    said before it."""

    conversation: Conversation
    contact: Contact | None
    before: Sequence[TranscriptMessage]
    lines: Sequence[TranscriptMessage]
    turns: Sequence[Turn]
    at: datetime

    @property
    def id(self) -> str:
        return self.conversation.id

    @property
    def handoff(self) -> Handoff | None:
        return self.conversation.facts.handoff

    @property
    def is_with_people(self) -> bool:
        return self.conversation.owner in ("queue", "person")

    @property
    def name(self) -> str:
        return called(self.contact, self.conversation.origin)

    @property
    def opened_at(self) -> datetime:
        if self.handoff is not None:
            return self.handoff.opened_at
        holder = self.conversation.holder
        return self.conversation.created_at if holder is None else holder.since

    @property
    def reason(self) -> str:
        if self.handoff is not None and self.handoff.reason:
            return self.handoff.reason
        return self.conversation.holder.reason if self.conversation.holder is not None else ""

    @property
    def waits_since(self) -> datetime | None:
        """Since when the contact has had no word of a person; None while it is not our turn."""
        if not self.is_with_people:
            return None
        since: datetime | None = None if self._was_answered else self.opened_at
        for line in self.lines:
            if line.author.kind == "person" and line.state not in ("failed", "dropped"):
                since = None
            elif line.author.kind == "contact" and line.state != "deleted" and since is None:
                since = line.created_at
        return since

    @property
    def _was_answered(self) -> bool:
        return self.handoff is not None and self.handoff.first_reply_at is not None

    @property
    def intent(self) -> str:
        return next((turn.intent for turn in reversed(self.turns) if turn.intent), "")

    @property
    def is_wanted(self) -> bool:
        return is_wanted(self.conversation)

    def channel(self, rules: DeskRules) -> str:
        return rules.channel_for(intent=self.intent, locale=self.conversation.facts.locale)


def is_wanted(conversation: Conversation) -> bool:
    """Whether people have to see it."""
    memory = conversation.facts.actions
    return conversation.owner in ("queue", "person") or (memory is not None and bool(memory.approvals))


async def view_of(state: State, conversation: Conversation, now: datetime) -> View:
    """Raises StateUnavailable, StateLost."""
    handoff = conversation.facts.handoff
    since = handoff.since_seq if handoff is not None else None
    contact = await state.contacts.get(conversation.origin.tenant, conversation.origin.contact_id)
    read = await _lines(state, conversation.id, max(0, (since or 0) - BEFORE))
    if since is None:
        holder = conversation.holder
        begun = holder.since if holder is not None and conversation.owner in ("queue", "person") else now
        since = max((line.seq for line in read if line.created_at < begun), default=0)
    ended = handoff.ended_at if handoff is not None else None
    lines = [line for line in read if line.seq > since and line.created_at > now - KEPT]
    if ended is not None and conversation.owner not in ("queue", "person"):
        lines = [line for line in lines if line.created_at <= ended]
    before = [line for line in read if line.seq <= since and line.state != "dropped"][-BEFORE:]
    turns = await state.turns.listing(conversation.id, limit=5)
    return View(conversation, contact, before, lines, turns, now)


async def _lines(state: State, conversation: str, after: int) -> list[TranscriptMessage]:
    lines: list[TranscriptMessage] = []
    while len(lines) < MOST_LINES:
        page = await state.transcript.read(conversation, after=after, limit=PAGE)
        lines += page
        if len(page) < PAGE:
            break
        after = page[-1].seq
    return lines
