"""Times that pass by themselves: whatever is due about a conversation is told to whoever keeps its desk."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import uuid4

from connectors import live
from connectors.desk.posts import timers as times
from connectors.desk.posts.posted_state import Records
from connectors.desk.posts.roots import current_root
from connectors.desk.rules import DeskRules
from connectors.desk.view import View, view_of
from schemas.conversation import Conversation
from schemas.ports import Bus, Clock, State

LASTS = 60.0
"""Seconds after which another process takes over the times of a tenant."""
PAGE = 100
AGAIN = timedelta(minutes=2)


class Sweep:
    """One process sweeps for a tenant at a time. What it says is said once, because the posts are."""

    def __init__(self, rules: Mapping[str, DeskRules], *, bus: Bus, state: State, clock: Clock) -> None:
        self._rules = rules
        self._bus = bus
        self._state = state
        self._clock = clock
        self._holder = uuid4().hex
        self._records = Records(state.deliveries)
        self._missed: dict[str, datetime] = {}

    async def run(self) -> None:
        """One look at every conversation that people have. Raises BusUnavailable, StateUnavailable, StateLost."""
        for tenant, rules in self._rules.items():
            lease = f"desk-times:{tenant}"
            if await self._state.leases.acquire(lease, self._holder, ttl=LASTS, now=self._clock()) is not None:
                await self._tenant(rules)

    async def _tenant(self, rules: DeskRules) -> None:
        for owner in ("queue", "person"):
            after = ""
            while True:
                page = await self._state.conversations.listing(rules.tenant, owner=owner, after=after, limit=PAGE)
                for conversation in page.items:
                    await self._one(conversation, rules)
                if not (after := page.next):
                    break

    async def _one(self, conversation: Conversation, rules: DeskRules) -> None:
        now = self._clock()
        if await self._is_due(conversation, rules):
            await self._bus.append([live.of_time(rules.tenant, conversation.id, now)])

    async def _is_due(self, conversation: Conversation, rules: DeskRules) -> bool:
        view = await view_of(self._state, conversation, self._clock())
        root = await current_root(self._records, conversation.id)
        if root.place is None:
            return self._is_missed(view)
        for told in times.notices(view, rules):
            if await self._records.outcome(conversation.id, told.marker(conversation.id)) is None:
                return True
        return False

    def _is_missed(self, view: View) -> bool:
        """Nobody sees it yet, and whoever is to show it may have missed that: they are told now and then."""
        self._missed = {each: at for each, at in self._missed.items() if view.at < at + AGAIN}
        if view.at < view.opened_at + AGAIN or view.id in self._missed:
            return False
        self._missed[view.id] = view.at
        return True
