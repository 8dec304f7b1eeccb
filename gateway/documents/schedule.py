"""The times at which a source is synced: a regular interval, and longer and longer pauses after failures."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from agent_worker.sources.registry import sync_minutes_of
from gateway.documents.document_sources import DocumentSource
from schemas.errors import ParleyError

_UNREADABLE_MINUTES = 60.0
"""Of a location that no source reads: each attempt tells the operator so."""
_FIRST_RETRY_S = 60.0
_MAX_RETRY_S = 3600.0
_JITTER = 0.1
_MIN_STALE_S = 3600.0
_STALE_INTERVALS = 3


@dataclass(frozen=True, slots=True)
class SyncSchedule:
    """``interval_s``: 0 for a source that is synced only when asked."""

    interval_s: float

    @classmethod
    def of(cls, source: DocumentSource) -> SyncSchedule:
        minutes = source.sync_minutes
        if minutes is None:
            try:
                minutes = sync_minutes_of(source.location)
            except ParleyError:
                minutes = _UNREADABLE_MINUTES
        return cls(60 * minutes)

    @property
    def stale_after_s(self) -> float:
        """Seconds without a success after which the source counts as stale; 0: never."""
        return max(_STALE_INTERVALS * self.interval_s, _MIN_STALE_S) if self.interval_s else 0

    def next_run(self, now: datetime, failures: int, retry_after_s: float) -> datetime | None:
        """None: only when asked. ``failures``: in a row; ``retry_after_s``: how long the vendor asks to wait. Spread at
        random, so that sources of many tenants do not all start at once."""
        if not self.interval_s:
            return None
        wait = self.interval_s
        if failures:
            longest = max(self.interval_s, _MAX_RETRY_S)
            wait = min(longest, _FIRST_RETRY_S * 2.0 ** min(failures - 1, 20))
        wait *= random.uniform(1 - _JITTER, 1 + _JITTER)
        return now + timedelta(seconds=max(wait, retry_after_s))

    def is_stale(self, since: datetime | None, now: datetime) -> bool:
        """``since``: the last success, or when the source was first seen."""
        return since is not None and 0 < self.stale_after_s < (now - since).total_seconds()
