"""The state of a conversation that the desk shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from connectors.desk.rules import TenantDeskRules
from schemas.conversation import Contact, Conversation, Turn, display_name
from schemas.desk import Handoff
from schemas.messages import TranscriptMessage
from schemas.ports import State

MAX_LINES = 2_000
PAGE_SIZE = 200
LINES_BEFORE_HANDOFF = 4
"""Lines before the handoff that the card shows."""
LINES_KEPT = timedelta(days=7)
"""Age up to which lines are shown. The records of posts are kept a day longer."""


@dataclass(frozen=True, slots=True)
class View:
    """A snapshot of a conversation. ``lines``: the lines of the current handoff, or of the last one; ``before``: the
    last lines before it."""

    conversation: Conversation
    contact: Contact | None
    before: Sequence[TranscriptMessage]
    lines: Sequence[TranscriptMessage]
    turns: Sequence[Turn]
    now: datetime

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
        return display_name(self.contact, self.conversation.origin)

    @property
    def status(self) -> str:
        """The owner of the conversation, in words."""
        holder = self.conversation.holder
        name = (holder.name or holder.by) if holder is not None else ""
        match self.conversation.owner:
            case "queue":
                return "waiting for a person"
            case "person":
                return f"with {name}"
            case "closed":
                return f"resolved by {name}" if name else "resolved"
        return "with the agent" if self.handoff is None else "back with the agent"

    @property
    def all_lines(self) -> Sequence[TranscriptMessage]:
        return [*self.before, *self.lines]

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
    def summary(self) -> list[str]:
        return self.handoff.summary_lines if self.handoff is not None else []

    @property
    def waiting_since(self) -> datetime | None:
        """The time since which the contact waits for an answer from a person; None if nobody waits."""
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
    def in_danger(self) -> bool:
        return self.is_with_people and self.handoff is not None and self.handoff.in_danger

    @property
    def needs_people(self) -> bool:
        return needs_people(self.conversation)

    def channel(self, rules: TenantDeskRules) -> str:
        """The channel of the desk that shows the conversation."""
        return rules.channel_for(intent=self.intent, locale=self.conversation.facts.locale)

    def window_closes(self, rules: TenantDeskRules) -> datetime | None:
        """Compute the time until which the contact's channel lets people answer; None without such a limit."""
        origin, heard = self.conversation.origin, self.conversation.facts.heard_at
        window: timedelta | None = rules.windows.get((origin.channel, origin.account))
        if heard is None:
            heard = max((line.created_at for line in self.all_lines if line.author.kind == "contact"), default=None)
        return None if window is None or heard is None else heard + window


def needs_people(conversation: Conversation) -> bool:
    """Return whether people have to see a conversation."""
    memory = conversation.facts.actions
    return conversation.owner in ("queue", "person") or (memory is not None and bool(memory.approvals))


async def load_view(state: State, conversation: Conversation, now: datetime) -> View:
    """Load the view of a conversation. Raises StateUnavailable, StateLost."""
    handoff = conversation.facts.handoff
    since = handoff.since_seq if handoff is not None else None
    contact = await state.contacts.get(conversation.origin.tenant, conversation.origin.contact_id)
    read = await _lines(state, conversation.id, max(0, (since or 0) - LINES_BEFORE_HANDOFF))
    if since is None:
        holder = conversation.holder
        holder_since = holder.since if holder is not None and conversation.owner in ("queue", "person") else now
        since = max((line.seq for line in read if line.created_at < holder_since), default=0)
    ended = handoff.ended_at if handoff is not None else None
    lines = [line for line in read if line.seq > since and line.created_at > now - LINES_KEPT]
    if ended is not None and conversation.owner not in ("queue", "person"):
        lines = [line for line in lines if line.created_at <= ended]
    before = [line for line in read if line.seq <= since and line.state != "dropped"][-LINES_BEFORE_HANDOFF:]
    turns = await state.turns.list_newest(conversation.id, limit=5)
    return View(conversation, contact, before, lines, turns, now)


async def _lines(state: State, conversation: str, after: int) -> list[TranscriptMessage]:
    lines: list[TranscriptMessage] = []
    while len(lines) < MAX_LINES:
        page = await state.transcript.read(conversation, after=after, limit=PAGE_SIZE)
        lines += page
        if len(page) < PAGE_SIZE:
            break
        after = page[-1].seq
    return lines
