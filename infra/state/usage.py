"""Space that an installation's state uses now, and how much it will use at the present rate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, runtime_checkable

from infra.state.registry import StateLocation


@dataclass(frozen=True, slots=True)
class TopicRate:
    """Records of the last day on one topic, and their bytes."""

    records: int
    bytes: int


@dataclass(frozen=True, slots=True)
class StateUsage:
    """``used`` and ``limit`` in bytes of the disk or the memory; limit 0: unknown. ``state``: the part of ``used`` that
    conversations take; ``began``: conversations that began in the last day; ``topics``: the log, if it is in the same
    place."""

    used: int
    limit: int
    state: int
    conversations: int
    began: int
    topics: Mapping[str, TopicRate] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GrowthEstimate:
    """``daily``: bytes that a day adds until retention removes as much; ``finally_used``: bytes then; ``days_left``
    until the limit is reached, None if it never is."""

    daily: int
    records: int
    finally_used: int
    days_left: int | None


@runtime_checkable
class UsageReader(Protocol):
    """A state engine that can tell how much space it uses."""

    async def read_usage(self, location: StateLocation, now: datetime) -> StateUsage | None:
        """None when nothing is stored yet. Raises StateUnavailable."""


def estimate_growth(usage: StateUsage, *, transcripts_days: int, topic_days: Mapping[str, int]) -> GrowthEstimate:
    """Estimate what the present rate leads to. All conversations count as large as the average one is now."""
    each = usage.state / usage.conversations if usage.conversations else 0.0
    daily = usage.began * each + sum(rate.bytes for rate in usage.topics.values())
    final = usage.began * each * transcripts_days
    final += sum(rate.bytes * topic_days.get(name, 0) for name, rate in usage.topics.items())
    final = max(final, float(usage.used))
    days_left = None
    if usage.limit and final > usage.limit and daily > 0:
        days_left = max(0, math.floor((usage.limit - usage.used) / daily))
    records = sum(rate.records for rate in usage.topics.values())
    return GrowthEstimate(round(daily), records, round(final), days_left)
