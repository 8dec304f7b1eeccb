"""A provider that keeps failing is left alone for a while, so that nobody waits for it in vain."""

from __future__ import annotations

import time
from collections.abc import Callable

from agent_worker.grounding.failures import AttemptFailed, NotAsked

IN_A_ROW = 5
"""Failures after which the provider rests."""
REST = 20.0
"""Seconds until one request tries whether it is back; each rest in a row doubles, up to ``LONGEST_REST``."""
LONGEST_REST = 300.0


class Breaker:
    """One a provider and process. Closed: all may ask; open: nobody; half open: one, and its outcome decides."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._failures = 0
        self._rest = REST
        self._until = 0.0
        self._probing = False

    def ask(self) -> None:
        """Raises NotAsked while the provider rests. Whoever was let through must tell what came of it."""
        left = self._until - self._monotonic()
        if left > 0 or self._probing:
            raise NotAsked(f"its provider rests for {max(1, round(left))} s")
        self._probing = self._until > 0

    def worked(self) -> None:
        self._failures, self._rest, self._until, self._probing = 0, REST, 0.0, False

    def failed(self, error: AttemptFailed) -> None:
        """Only what the provider did wrong counts; a refused sentence is a sign of life. A provider that says for how
        long it wants to be left alone gets that."""
        if not error.outage:
            return self.worked()
        self._failures += 1
        asked_for = min(error.retry_after, LONGEST_REST)
        if self._probing or self._failures >= IN_A_ROW:
            self._until = self._monotonic() + max(self._rest, asked_for)
            self._rest = min(self._rest * 2, LONGEST_REST)
        elif asked_for:
            self._until = self._monotonic() + asked_for
        self._probing = False

    def gave_up(self) -> None:
        """Whoever asked went away before the outcome (a message corrected the question): nothing is known."""
        self._probing = False
