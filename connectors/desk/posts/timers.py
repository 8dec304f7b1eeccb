"""Times by which people should have answered: what is said when they have not, and who notices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from connectors import conversation_signals
from connectors.desk.contents import NoticeKind, TimeNotice
from connectors.desk.posts.posted_state import PostRecords, current_root
from connectors.desk.rules import DeskRules
from connectors.desk.view import View, view_of
from schemas import ids
from schemas.conversation import Conversation
from schemas.ports import Bus, Clock, State

SOON = timedelta(hours=2)
"""The thread hears of it so long before a window for answers closes."""
ESCALATED = "escalated at the desk"
"""Reason of an owner's change by which somebody asks others for help."""
LEASE = 60.0
"""Seconds after which another process takes over the times of a tenant."""
PAGE = 100
AGAIN = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class DueNotice:
    """A notice that is said once about one wait: ``about`` is what makes it another one. ``elsewhere``: a channel that
    is not the thread's."""

    notice: TimeNotice
    about: datetime
    elsewhere: str = ""

    def marker(self, conversation: str) -> str:
        kind = "escalate" if self.elsewhere else self.notice.kind
        return ids.derived_id(conversation, f"desk-{kind}-{self.about.isoformat()}")


def compute_due_times(view: View, rules: DeskRules) -> tuple[datetime, datetime] | None:
    """Compute when the thread is reminded, and when it is too late. None: nobody waits, or there is no limit."""
    since = view.waits_since
    first = view.handoff is None or view.handoff.first_reply_at is None
    limit = rules.times.first_reply if first else rules.times.next_reply
    if since is None or limit is None:
        return None
    return _add_office_time(rules, since, limit * rules.times.remind), _add_office_time(rules, since, limit)


def _add_office_time(rules: DeskRules, since: datetime, worked: timedelta) -> datetime:
    return since + worked if rules.hours is None else rules.hours.due(since, worked)


def list_due_notices(view: View, rules: DeskRules) -> Iterator[DueNotice]:
    """List what should have been said by now; of a reminder and the limit itself only the later."""
    since, holder = view.waits_since, view.conversation.holder
    is_escalated = holder is not None and holder.reason == ESCALATED and view.conversation.owner == "queue"
    if holder is not None and is_escalated and rules.times.escalate_to:
        yield _escalate(rules, "help", holder.since)
    if since is None:
        return
    if (times := compute_due_times(view, rules)) is not None:
        remind, late = times
        if view.at >= late:
            yield DueNotice(TimeNotice("late", since, late), since)
            if rules.times.escalate_to:
                yield _escalate(rules, "late", since)
        elif view.at >= remind:
            yield DueNotice(TimeNotice("remind", since, late), since)
    closes = view.window_closes(rules)
    if closes is not None and view.at >= closes:
        yield DueNotice(TimeNotice("closed", since, closes), closes)
    elif closes is not None and view.at >= closes - SOON:
        yield DueNotice(TimeNotice("closing", since, closes), closes)


def _escalate(rules: DeskRules, kind: NoticeKind, since: datetime) -> DueNotice:
    notice = TimeNotice(kind, since, since, is_elsewhere=True, mention=rules.times.mention)
    return DueNotice(notice, since, rules.times.escalate_to)


class NoticeTimer:
    """Tells whoever keeps a conversation's desk that something is due about it. One process sweeps for a tenant at a
    time. What comes of it is said once, because the posts are. ``desk``: the kind of these tenants' desk."""

    def __init__(self, desk: str, rules: Mapping[str, DeskRules], *, bus: Bus, state: State, clock: Clock) -> None:
        self._desk = desk
        self._rules = rules
        self._bus = bus
        self._state = state
        self._clock = clock
        self._holder = uuid4().hex
        self._records = PostRecords(state.deliveries)
        self._missed: dict[str, datetime] = {}

    async def run(self) -> None:
        """One look at every conversation that people have. Raises BusUnavailable, StateUnavailable, StateLost."""
        for tenant, rules in self._rules.items():
            lease = f"desk-times:{tenant}"
            if await self._state.leases.acquire(lease, self._holder, ttl=LEASE, now=self._clock()) is not None:
                await self._tenant(rules)

    async def _tenant(self, rules: DeskRules) -> None:
        for owner in ("queue", "person"):
            after = ""
            while True:
                page = await self._state.conversations.list_page(rules.tenant, owner=owner, after=after, limit=PAGE)
                for conversation in page.items:
                    await self._one(conversation, rules)
                if not (after := page.next):
                    break

    async def _one(self, conversation: Conversation, rules: DeskRules) -> None:
        now = self._clock()
        if await self._is_due(conversation, rules):
            await self._bus.append(
                [conversation_signals.build_desk_timer(self._desk, rules.tenant, conversation.id, now)]
            )

    async def _is_due(self, conversation: Conversation, rules: DeskRules) -> bool:
        view = await view_of(self._state, conversation, self._clock())
        root = await current_root(self._records, conversation.id)
        if root.place is None:
            return self._is_missed(view)
        for each in list_due_notices(view, rules):
            if await self._records.outcome(conversation.id, each.marker(conversation.id)) is None:
                return True
        return False

    def _is_missed(self, view: View) -> bool:
        """Nobody sees it yet, and whoever is to show it may have missed that: they are told now and then."""
        self._missed = {each: at for each, at in self._missed.items() if view.at < at + AGAIN}
        if view.at < view.opened_at + AGAIN or view.id in self._missed:
            return False
        self._missed[view.id] = view.at
        return True
