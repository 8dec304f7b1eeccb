"""A circuit breaker per provider: one that keeps failing gets no requests for a while."""

from __future__ import annotations

import time
from collections.abc import Callable

from agent_worker.grounding.failures import AttemptFailed, NotSent

FAILURES_TO_OPEN = 5
"""Consecutive failures that open the breaker."""
OPEN_S = 20.0
"""Seconds until one request probes the provider. Each failed probe doubles them, up to ``MAX_OPEN_S``."""
MAX_OPEN_S = 300.0


class CircuitBreaker:
    """One for each provider and process. Closed: all requests pass; open: none; half-open: one passes, and its outcome
    decides."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._failures = 0
        self._open_seconds = OPEN_S
        self._open_until = 0.0
        self._probing = False

    def acquire(self) -> None:
        """Raises NotSent while the breaker is open. A caller that passes has to report the outcome."""
        remaining = self._open_until - self._monotonic()
        if remaining > 0 or self._probing:
            raise NotSent(f"its provider is not called for another {max(1, round(remaining))} s")
        self._probing = self._open_until > 0

    def record_success(self) -> None:
        self._failures, self._open_seconds, self._open_until, self._probing = 0, OPEN_S, 0.0, False

    def record_failure(self, error: AttemptFailed) -> None:
        """Only outages count; a rejected sentence shows that the provider works. A provider's ``Retry-After`` is
        respected."""
        if not error.outage:
            return self.record_success()
        self._failures += 1
        retry_after = min(error.retry_after, MAX_OPEN_S)
        if self._probing or self._failures >= FAILURES_TO_OPEN:
            self._open_until = self._monotonic() + max(self._open_seconds, retry_after)
            self._open_seconds = min(self._open_seconds * 2, MAX_OPEN_S)
        elif retry_after:
            self._open_until = self._monotonic() + retry_after
        self._probing = False

    def release(self) -> None:
        """The request was aborted without an outcome, for example because a new message corrected the question."""
        self._probing = False
