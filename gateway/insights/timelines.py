"""The period of a report, and the timelines of its conversations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from agent_worker.learning.insights.timeline import LogEvent, Timeline, read_timeline
from gateway.training_export.conversation_grouping import ConversationEvent

DEFAULT_PERIOD = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Period:
    """From ``since`` until just before ``until``. ``now``: when the figures were counted."""

    since: datetime
    until: datetime
    now: datetime


def iterate_timelines(conversations: Iterator[tuple[str, list[ConversationEvent]]]) -> Iterator[Timeline]:
    """The timelines of grouped conversations."""
    for id, events in conversations:
        yield read_timeline(id, (LogEvent(each.id, each.type, each.channel, each.body) for each in events))
