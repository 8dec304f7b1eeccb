"""Time limits and intervals of streams, in seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EventStreamTimings:
    """A lease lives for ``ttl`` and is renewed every ``renew``; other processes try to acquire it every ``poll``. A
    holder that cannot renew stops ``margin`` before the end, which also covers clock differences between machines. So
    the account of a killed holder is taken over within ``ttl + poll``, plus the time to connect."""

    ttl: float = 6.0
    renew: float = 1.5
    poll: float = 1.0
    margin: float = 1.5
    revoked_pause: float = 300.0
    """Pause of an account that its vendor refuses, as for sending."""
    backoff: float = 1.0
    max_backoff: float = 60.0
    """First and longest pause between attempts to connect, unless the vendor asks for more. The longest also applies to
    attempts to read a history."""
    overlap: float = 120.0
    """Overlap of a history request with the events already received, for clock differences and events in flight."""
    history_retry: float = 2.0
    """First pause before a failed history request is repeated."""
    note_interval: float = 10.0
    """Largest age of the stored time of the last event."""
