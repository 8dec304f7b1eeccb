"""Publishing what was committed: snapshot first, then the outbox, then forget it (design §1, step 3)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import structlog

from agent_worker.turn.envelopes import snapshot_envelope
from schemas import crash_points
from schemas.conversation import PackedSnapshot, Turn
from schemas.envelope import Envelope
from schemas.errors import ParleyError
from schemas.ports import Bus, Conversations
from schemas.topics import TURN_COMPLETED

log = structlog.get_logger("parley.worker")


class Outbox:
    """Publishing again is safe: every id is the same each time."""

    def __init__(self, bus: Bus, conversations: Conversations) -> None:
        self._bus = bus
        self._conversations = conversations

    async def publish(
        self,
        conversation: str,
        envelopes: Sequence[Envelope],
        now: datetime,
        *,
        snapshot: PackedSnapshot | None = None,
        turns: Sequence[Turn] | None = None,
    ) -> None:
        """``snapshot`` is of the commit just made and ``turns`` are those among ``envelopes``; both are looked up when
        they are not given."""
        state = snapshot or await self._conversations.snapshot(conversation)
        head = [] if state is None else [snapshot_envelope(state, now)]
        if self._bus.atomic:
            await self._bus.append([*head, *envelopes])
        else:
            # A reply must not be visible before the state that knows it can be rebuilt.
            await self._bus.append(head)
            if envelopes:
                await self._bus.append(envelopes)
        crash_points.reach("worker.after_publish")
        if envelopes:
            if turns is None:
                turns = [envelope.payload(Turn) for envelope in envelopes if envelope.type == TURN_COMPLETED]
            ids = [envelope.id for envelope in envelopes]
            await self._conversations.published(conversation, ids, turns=turns)

    async def announce(self, begun: Envelope) -> None:
        """Tell a connector that a reply begins. It is shown as a whole later, so this may fail."""
        try:
            await self._bus.append([begun])
        except ParleyError as error:
            log.debug("not_announced", code=error.code)

    async def publish_pending(self, conversation: str, now: datetime) -> int:
        """Publish what an earlier holder left; returns how many envelopes."""
        left = await self._conversations.pending(conversation)
        if left:
            await self.publish(conversation, left, now)
        return len(left)
