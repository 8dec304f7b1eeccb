"""Typing indicators and read marks, where a vendor can show them: see ``schemas.ports.TypingIndicator``.

Best effort. They never hold up a message: they use none of its pace and wait in no lane, and those that are late or too
frequent are dropped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import structlog
from pydantic import ValidationError

from connectors.outbound.connections import AccountConnections
from schemas.conversation_activity import TypingSignal, typing_topic
from schemas.errors import ParleyError
from schemas.ports import Account, Clock, Limiter, RateLimit, Signals, TypingIndicator

log = structlog.get_logger("parley.outbound")

MAX_TASKS = 16
TIMEOUT = 5.0
MAX_AGE = timedelta(seconds=5)
"""After this the answer may be there already, and vendors would go on showing the indicator."""
PLACE_PACE = RateLimit(1 / 6, 1)
ACCOUNT_PACE = RateLimit(10, 20)
"""Far below vendors' limits, which are needed for messages."""


class TypingIndicators:
    """Shows the indicators of one channel, for one process; the limiter makes sure that only one of several processes
    shows each."""

    def __init__(
        self,
        channel: str,
        accounts: AccountConnections,
        *,
        signals: Signals,
        limiter: Limiter,
        clock: Clock,
        account_of: Callable[[str, str, str], Account | None],
    ) -> None:
        self._channel = channel
        self._accounts = accounts
        self._signals = signals
        self._limiter = limiter
        self._clock = clock
        self._account_of = account_of
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Run until cancelled."""
        try:
            async for payload in self._signals.subscribe(typing_topic(self._channel)):
                if len(self._tasks) < MAX_TASKS:
                    task = asyncio.create_task(self._show_indicator(payload))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
        finally:
            for task in self._tasks:
                task.cancel()

    async def _show_indicator(self, payload: bytes) -> None:
        try:
            request = TypingSignal.model_validate_json(payload)
            account = self._account_of(request.tenant, self._channel, request.account)
            if account is None or self._clock() - request.at > MAX_AGE or not await self._is_within_pace(request):
                return
            self._accounts.check_not_paused(account)
            connection = self._accounts.get_connection(account)
            if isinstance(connection, TypingIndicator):
                async with asyncio.timeout(TIMEOUT):
                    await connection.show_typing(request.place, request.answers)
        except (ParleyError, ValidationError, TimeoutError) as error:
            log.debug("not_shown_as_seen", channel=self._channel, error=type(error).__name__)

    async def _is_within_pace(self, request: TypingSignal) -> bool:
        key = f"seen:{request.tenant}:{self._channel}:{request.account}"
        for name, pace in ((f"{key}:{request.place}", PLACE_PACE), (key, ACCOUNT_PACE)):
            wait = await self._limiter.take(name, per_second=pace.per_second, burst=pace.burst, now=self._clock())
            if wait > 0:
                return False
        return True
