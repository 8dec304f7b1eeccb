"""The outcomes of a tenant's conversations, counted from the log.

Nothing is stored for this. A counter beside the log could only differ from it after a crash or a rebuild.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from agent_worker.learning.insights.outcomes import ConversationOutcome, assess
from agent_worker.learning.insights.timeline import TIMELINE_TYPES, LogEvent, Timeline, read_timeline
from gateway.training_export import conversation_grouping
from gateway.training_export.conversation_grouping import ConversationEvent, ConversationGrouping
from gateway.wiring.engines import channels_of
from gateway.wiring.process_services import ProcessServices
from schemas import topics

DEFAULT_PERIOD = timedelta(days=30)
_BATCH_SIZE = 50
"""Conversations that are read at a time. Between batches, other threads get their turn."""


@dataclass(frozen=True, slots=True)
class Period:
    """From ``since`` until just before ``until``. ``now``: when the figures were counted."""

    since: datetime
    until: datetime
    now: datetime


class OutcomeReader:
    def __init__(self, services: ProcessServices) -> None:
        self._services = services
        # A reading takes as much disk space as the tenant's part of the log, so only one runs at a time.
        self._lock = asyncio.Lock()

    async def read(self, tenant: str, period: Period) -> list[ConversationOutcome]:
        """What became of the conversations of the period, by id. Raises BusUnavailable."""
        services = self._services
        sources = [*map(topics.inbound, channels_of(services.config)), topics.EVENTS]
        async with self._lock:
            with conversation_grouping.open_conversation_grouping(services.config.data_path / "exports") as grouping:
                await grouping.gather(services.bus, tenant, sources, TIMELINE_TYPES)
                return await read_outcomes(grouping, period)


async def read_outcomes(grouping: ConversationGrouping, period: Period) -> list[ConversationOutcome]:
    """What became of the conversations of the period."""
    timelines = iterate_timelines(grouping.active_conversations(period.since))
    found: list[ConversationOutcome] = []
    while batch := await grouping.run_in_thread(_assess_next, timelines, period):
        found += [outcome for outcome in batch if outcome is not None]
    return found


def iterate_timelines(conversations: Iterator[tuple[str, list[ConversationEvent]]]) -> Iterator[Timeline]:
    for id, events in conversations:
        yield read_timeline(id, (LogEvent(each.id, each.type, each.channel, each.body) for each in events))


def _assess_next(timelines: Iterator[Timeline], period: Period) -> list[ConversationOutcome | None]:
    """The outcomes of the next conversations; empty when there are no more."""
    return [assess(timeline, period.since, period.until, period.now) for timeline in islice(timelines, _BATCH_SIZE)]
