"""Conversations of a test's worker, read from the log as a replay reads them."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

from agent_worker.learning.conversation_log import REPLAY_TYPES, ConversationLog, RecordedEvent, read_conversation
from agent_worker.learning.replay import ReplayedTurn, ReplayEngine
from agent_worker.models.local.model import LocalModel
from agent_worker.models.registry import Models
from agent_worker.settings import WorkerSettings
from schemas import topics
from schemas.ports import Bus, Knowledge, Model


async def read_conversations(bus: Bus, tenant: str, channels: list[str]) -> list[ConversationLog]:
    events: dict[str, list[RecordedEvent]] = defaultdict(list)
    for topic in (*map(topics.inbound, channels), *map(topics.outbound, channels), topics.EVENTS):
        async for record in await bus.read(topic):
            headers = record.headers
            if headers.get("ce_tenant") == tenant and headers["ce_type"] in REPLAY_TYPES:
                event = RecordedEvent(
                    id=headers["ce_id"],
                    type=headers["ce_type"],
                    channel=headers.get("ce_channel", ""),
                    account=headers.get("ce_account", ""),
                    at=datetime.fromisoformat(headers["ce_time"]),
                    body=record.value or b"",
                    replay_of=headers.get("ce_replayof", ""),
                )
                events[headers["ce_conversation"]].append(event)
    return [
        read_conversation(id, tenant, sorted(of_conversation, key=lambda event: event.at))
        for id, of_conversation in sorted(events.items())
    ]


async def replay_log(
    bus: Bus,
    tenant: str,
    channels: list[str],
    *,
    knowledge: Knowledge,
    settings: WorkerSettings,
    model: Model | None = None,
) -> list[ReplayedTurn]:
    """Replay everything on the log."""
    engine = ReplayEngine(
        tenant, knowledge, Models({"local": model or LocalModel(settings)}, settings=settings), settings
    )
    conversations = await read_conversations(bus, tenant, channels)
    return [turn for log in conversations for turn in await engine.replay(log)]
