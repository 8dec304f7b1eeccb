"""Approvals that nobody gave in time: the conversation is told so, as an event in its lane, while it waits."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import structlog

from agent_worker.replies import Chain
from schemas import ids, topics
from schemas.actions import ApprovalExpired
from schemas.conversation import Conversation
from schemas.errors import ParleyError
from schemas.ports import Bus, State

log = structlog.get_logger("parley.actions")
AT_ONCE = 50
TOLD_AGAIN = timedelta(seconds=60)
"""After this long, should nobody have heard it, it is said once more; the event has the same id."""


class Expiry:
    """``round`` is for one process at a time; two at once do no harm, for what they say has one id."""

    def __init__(self, bus: Bus, state: State) -> None:
        self._bus = bus
        self._state = state

    async def round(self, now: datetime) -> int:
        """How many conversations were told."""
        due = await self._state.conversations.expiring(before=now, limit=AT_ONCE)
        return sum(await asyncio.gather(*(self._one(conversation, now) for conversation in due)))

    async def _one(self, conversation: str, now: datetime) -> bool:
        try:
            known = await self._state.conversations.get(conversation)
            told = known is not None and await self._tell(known, now)
            await self._state.conversations.postpone(conversation, now + TOLD_AGAIN)
        except ParleyError as error:
            log.warning("expiry_not_told", conversation_id=conversation, code=error.code)
            return False
        return told

    async def _tell(self, conversation: Conversation, now: datetime) -> bool:
        memory = conversation.facts.actions
        expired = [each for each in memory.approvals if each.expires_at <= now] if memory is not None else []
        events = [
            Chain(conversation, approval.id, approval.id).wrap(
                topics.APPROVAL_EXPIRED,
                ApprovalExpired(approval_id=approval.id, at=now),
                id=ids.derived_id(approval.id, "expired"),
                now=now,
            )
            for approval in expired
        ]
        if events:
            await self._bus.append(events)
            log.info("approvals_expired", conversation_id=conversation.id, approvals=len(events))
        return bool(events)
