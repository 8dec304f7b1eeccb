"""The rows that an export makes of everything on the log of a test's worker."""

from __future__ import annotations

from pathlib import Path

from gateway.training_export import conversation_grouping
from gateway.training_export.conversation_history import EXPORT_TYPES
from gateway.training_export.examples import build_examples
from gateway.training_export.export_rows import ConversationExample, Preference
from schemas import topics
from schemas.ports import Bus
from tests.unit.agent_worker.worker_environment import CHANNEL, TENANT


async def export_rows(bus: Bus, folder: Path) -> list[ConversationExample | Preference]:
    with conversation_grouping.open_conversation_grouping(folder / "exports") as grouping:
        await grouping.gather(bus, TENANT, [topics.inbound(CHANNEL), topics.EVENTS], EXPORT_TYPES)
        return [
            row
            for conversation, events in grouping.conversations(None, None)
            for row in build_examples(TENANT, conversation, events, None, find_passages=grouping.find_passages)
        ]
