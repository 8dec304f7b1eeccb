"""Publishing what was committed: snapshot first, then the outbox, then forget it (design §1, step 3)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from agent_worker.replies import snapshot_envelope
from schemas import crashpoints
from schemas.conversation import Turn
from schemas.envelope import Envelope
from schemas.ports import Bus, Conversations, Turns
from schemas.topics import TURN_COMPLETED


class Outbox:
    """Publishing again is safe: every id is the same each time."""

    def __init__(self, bus: Bus, conversations: Conversations, turns: Turns) -> None:
        self._bus = bus
        self._conversations = conversations
        self._turns = turns

    async def publish(self, conversation: str, envelopes: Sequence[Envelope], now: datetime) -> None:
        snapshot = await self._conversations.snapshot(conversation)
        head = [] if snapshot is None else [snapshot_envelope(snapshot, now)]
        if self._bus.atomic:
            await self._bus.append([*head, *envelopes])
        else:
            # A reply must not be visible before the state that knows it can be rebuilt.
            await self._bus.append(head)
            if envelopes:
                await self._bus.append(envelopes)
        crashpoints.reach("worker.after_publish")
        for envelope in envelopes:
            if envelope.type == TURN_COMPLETED:
                await self._turns.add(conversation, envelope.payload(Turn))
        if envelopes:
            await self._conversations.published(conversation, [envelope.id for envelope in envelopes])

    async def publish_pending(self, conversation: str, now: datetime) -> int:
        """Publish what an earlier holder left; returns how many envelopes."""
        left = await self._conversations.pending(conversation)
        if left:
            await self.publish(conversation, left, now)
        return len(left)
