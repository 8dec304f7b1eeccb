"""Time limits for people's answers: the notices that are due, and the timer that triggers them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from connectors.desk.contents import NoticeKind, TimeNotice
from connectors.desk.posts.posted_state import PostRecords, find_root
from connectors.desk.rules import TenantDeskRules
from connectors.desk.view import View, load_view
from schemas import ids, topics
from schemas.conversation import Conversation
from schemas.desk import DeskUpdate
from schemas.envelope import Envelope, envelope
from schemas.ports import Bus, Clock, State

CLOSING_NOTICE = timedelta(hours=2)
"""Time before a channel's window for answers closes at which the thread gets a notice."""
ESCALATION_REASON = "escalated at the desk"
"""Reason recorded with the change of owner when somebody escalates."""
LEASE_SECONDS = 60.0
"""Seconds after which another process takes over the timer of a tenant."""
PAGE_SIZE = 100
MISSED_CARD_RETRY = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class DueNotice:
    """A notice that is posted once for each ``occasion``, the time that it is about. ``channel``: another channel to
    post it in, empty for the thread."""

    notice: TimeNotice
    occasion: datetime
    channel: str = ""

    def marker(self, conversation: str) -> str:
        kind = "escalate" if self.channel and self.notice.kind != "danger" else self.notice.kind
        return ids.derived_id(conversation, f"desk-{kind}-{self.occasion.isoformat()}")


def compute_due_times(view: View, rules: TenantDeskRules) -> tuple[datetime, datetime] | None:
    """Compute the times of the reminder and of the limit. None if nobody waits, or there is no limit."""
    since = view.waiting_since
    first = view.handoff is None or view.handoff.first_reply_at is None
    limit = rules.times.first_reply if first else rules.times.next_reply
    if since is None or limit is None:
        return None
    return _add_office_time(rules, since, limit * rules.times.remind), _add_office_time(rules, since, limit)


def _add_office_time(rules: TenantDeskRules, since: datetime, worked: timedelta) -> datetime:
    return since + worked if rules.hours is None else rules.hours.add_office_time(since, worked)


def list_due_notices(view: View, rules: TenantDeskRules) -> Iterator[DueNotice]:
    """List the notices that are due; after the limit, no reminder."""
    since, holder = view.waiting_since, view.conversation.holder
    if view.in_danger:
        yield _escalate(rules, "danger", view.opened_at, rules.times.escalate_to or view.channel(rules))
    is_escalated = holder is not None and holder.reason == ESCALATION_REASON and view.conversation.owner == "queue"
    if holder is not None and is_escalated and rules.times.escalate_to:
        yield _escalate(rules, "help", holder.since, rules.times.escalate_to)
    if since is None:
        return
    if (times := compute_due_times(view, rules)) is not None:
        remind, late = times
        if view.now >= late:
            yield DueNotice(TimeNotice("late", since, late), since)
            if rules.times.escalate_to:
                yield _escalate(rules, "late", since, rules.times.escalate_to)
        elif view.now >= remind:
            yield DueNotice(TimeNotice("remind", since, late), since)
    closes = view.window_closes(rules)
    if closes is not None and view.now >= closes:
        yield DueNotice(TimeNotice("closed", since, closes), closes)
    elif closes is not None and view.now >= closes - CLOSING_NOTICE:
        yield DueNotice(TimeNotice("closing", since, closes), closes)


def _escalate(rules: TenantDeskRules, kind: NoticeKind, since: datetime, channel: str) -> DueNotice:
    # Danger to a life is never left to whoever happens to look.
    mention = rules.times.mention or ("here" if kind == "danger" else "")
    return DueNotice(TimeNotice(kind, since, since, is_elsewhere=True, mention=mention), since, channel)


class NoticeTimer:
    """Publishes an event for each conversation with a due notice; the desk's consumer posts the notice, once. One
    process at a time checks a tenant. ``desk``: the kind of these tenants' desk."""

    def __init__(
        self, desk: str, rules: Mapping[str, TenantDeskRules], *, bus: Bus, state: State, clock: Clock
    ) -> None:
        self._desk = desk
        self._rules = rules
        self._bus = bus
        self._state = state
        self._clock = clock
        self._holder = uuid4().hex
        self._records = PostRecords(state.deliveries)
        self._missed: dict[str, datetime] = {}

    async def run(self) -> None:
        """Check every conversation that people have. Raises BusUnavailable, StateUnavailable, StateLost."""
        for tenant, rules in self._rules.items():
            lease = f"desk-times:{tenant}"
            if await self._state.leases.acquire(lease, self._holder, ttl=LEASE_SECONDS, now=self._clock()) is not None:
                await self._check_tenant(rules)

    async def _check_tenant(self, rules: TenantDeskRules) -> None:
        for owner in ("queue", "person"):
            after = ""
            while True:
                page = await self._state.conversations.list_page(
                    rules.tenant, owner=owner, after=after, limit=PAGE_SIZE
                )
                for conversation in page.items:
                    await self._check_conversation(conversation, rules)
                if not (after := page.next):
                    break

    async def _check_conversation(self, conversation: Conversation, rules: TenantDeskRules) -> None:
        now = self._clock()
        if await self._is_due(conversation, rules):
            await self._bus.append([build_desk_timer(self._desk, rules.tenant, conversation.id, now)])

    async def _is_due(self, conversation: Conversation, rules: TenantDeskRules) -> bool:
        view = await load_view(self._state, conversation, self._clock())
        root = await find_root(self._records, conversation.id)
        if root.place is None:
            return self._may_be_missed(view)
        for each in list_due_notices(view, rules):
            if await self._records.outcome(conversation.id, each.marker(conversation.id)) is None:
                return True
        return False

    def _may_be_missed(self, view: View) -> bool:
        """Return whether to trigger the consumer again for a conversation without a card, because it may have missed
        the event."""
        self._missed = {each: at for each, at in self._missed.items() if view.now < at + MISSED_CARD_RETRY}
        if view.now < view.opened_at + MISSED_CARD_RETRY or view.id in self._missed:
            return False
        self._missed[view.id] = view.now
        return True


def build_desk_timer(desk: str, tenant: str, conversation: str, at: datetime) -> Envelope:
    """Build the event that something is due at the desk."""
    return envelope(
        topics.DESK_UPDATE,
        DeskUpdate(at=at),
        id=ids.derived_id(conversation, f"desk-time:{at.isoformat()}"),
        time=at,
        source=f"/connectors/{desk}/{tenant}",
        tenant=tenant,
        channel=desk,
        conversation=conversation,
    )
