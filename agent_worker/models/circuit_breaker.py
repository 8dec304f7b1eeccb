"""A circuit breaker per model: one that keeps failing gets no requests for a while. Models at the same address share a
second one, which counts only failed connections."""

from __future__ import annotations

import time
from collections.abc import Callable

from agent_worker.grounding.failures import AttemptFailed, NotSent

FAILURES_TO_OPEN = 5
"""Consecutive failures that open the breaker."""
OPEN_S = 20.0
"""Seconds until one request probes the model. Each failed probe doubles them, up to ``MAX_OPEN_S``."""
MAX_OPEN_S = 300.0


class CircuitBreaker:
    """One for each model and process. Closed: all requests pass; open: none; half-open: one passes, and its outcome
    decides. ``address``: the breaker that the models at one address share. ``name``: what is not called, for
    the turn's record."""

    def __init__(
        self,
        monotonic: Callable[[], float] = time.monotonic,
        *,
        address: CircuitBreaker | None = None,
        name: str = "it",
    ) -> None:
        self._monotonic = monotonic
        self._address = address
        self._name = name
        self._failures = 0
        self._open_seconds = OPEN_S
        self._open_until = 0.0
        self._tripped = False
        self._probing = False

    def acquire(self) -> None:
        """Raises NotSent while the breaker is open. A caller that passes has to report the outcome."""
        remaining = self._open_until - self._monotonic()
        if remaining > 0 or self._probing:
            raise NotSent(f"{self._name} is not called for another {max(1, round(remaining))} s")
        if self._address is not None:
            self._address.acquire()
        self._probing = self._tripped

    def record_success(self) -> None:
        self._failures, self._open_seconds, self._open_until = 0, OPEN_S, 0.0
        self._tripped = self._probing = False
        if self._address is not None:
            self._address.record_success()

    def record_failure(self, error: AttemptFailed) -> None:
        """Only outages count; a rejected sentence shows that the model works. A failed connection says nothing about
        the model, so it counts against the address."""
        if not error.outage:
            self.record_success()
        elif self._address is not None and error.unreachable:
            self._address.record_failure(error)
            self._probing = False
        else:
            if self._address is not None:
                self._address.record_success()
            self._count_failure(min(error.retry_after, MAX_OPEN_S))

    def _count_failure(self, retry_after: float) -> None:
        """Open the breaker for exactly as long as the provider asked for; otherwise after several failures."""
        self._failures += 1
        if retry_after:
            self._open_until = self._monotonic() + retry_after
        elif self._probing or self._failures >= FAILURES_TO_OPEN:
            self._tripped = True
            self._open_until = self._monotonic() + self._open_seconds
            self._open_seconds = min(self._open_seconds * 2, MAX_OPEN_S)
        self._probing = False

    def release(self) -> None:
        """The request was aborted without an outcome, for example because a new message corrected the question."""
        self._probing = False
        if self._address is not None:
            self._address.release()
