"""The outbox: publishes what was committed, the snapshot first, and then forgets it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import structlog

from agent_worker.turn.envelopes import SOURCE
from schemas.conversation import Conversation, PackedSnapshot, Snapshot, Turn
from schemas.envelope import Envelope, as_json
from schemas.errors import ParleyError
from schemas.ids import derived_id
from schemas.ports import Bus, Conversations
from schemas.runtime import crash_points
from schemas.topics import CONVERSATION_SNAPSHOT, TURN_COMPLETED

log = structlog.get_logger("parley.worker")


class Outbox:
    """Publishes committed envelopes. Publishing again is safe: every id is the same each time."""

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
        """``snapshot``: of the commit just made; ``turns``: the turn records among ``envelopes``. Both are looked up
        when they are not given."""
        state = snapshot or await self._conversations.snapshot(conversation)
        head = [] if state is None else [build_snapshot_event(state, now)]
        if self._bus.atomic:
            await self._bus.append([*head, *envelopes])
        else:
            # A reply must not be visible before the snapshot from which its state could be rebuilt.
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
        """Announce to a connector that a reply begins. Failures are ignored, because the whole reply follows."""
        try:
            await self._bus.append([begun])
        except ParleyError as error:
            log.debug("not_announced", code=error.code)

    async def publish_pending(self, conversation: str, now: datetime) -> int:
        """Publish the envelopes that an earlier holder of the conversation left behind; return their number."""
        pending = await self._conversations.read_outbox(conversation)
        if pending:
            await self.publish(conversation, pending, now)
        return len(pending)


def build_snapshot_event(snapshot: Snapshot | PackedSnapshot, now: datetime) -> Envelope:
    conversation: PackedSnapshot | Conversation
    if isinstance(snapshot, PackedSnapshot):
        conversation, payload = snapshot, snapshot.data
    else:
        conversation, payload = snapshot.conversation, as_json(snapshot)
    return Envelope(
        id=derived_id(conversation.id, "snapshot", conversation.version),
        type=CONVERSATION_SNAPSHOT,
        data=payload,
        time=now,
        source=SOURCE,
        tenant=conversation.origin.tenant,
        channel=conversation.origin.channel,
        account=conversation.origin.account,
        conversation=conversation.id,
    )
