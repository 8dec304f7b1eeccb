"""That a message was seen and an answer is being written, where a vendor can show it: see ``schemas.ports.Seer``.

Best effort. It never holds up a message: it takes no turn of the senders', waits in no lane, and what comes too late or
too often is left out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import structlog
from pydantic import ValidationError

from connectors.outbound.connections import Accounts
from schemas.errors import ParleyError
from schemas.facts import Writing, topic
from schemas.ports import Account, Clock, Limiter, Pace, Seer, Signals

log = structlog.get_logger("parley.outbound")

AT_ONCE = 16
ONE_TRY = 5.0
TOO_LATE = timedelta(seconds=5)
"""The answer may be there by then, and vendors go on showing that one is written."""
AT_A_PLACE = Pace(1 / 6, 1)
OF_AN_ACCOUNT = Pace(10, 20)
"""Far below what vendors allow: the rest is for messages."""


class Indicators:
    """Of one channel, in one process; the limiter sees to it that of several processes one shows it."""

    def __init__(
        self,
        channel: str,
        accounts: Accounts,
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
        self._showing: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until it is cancelled."""
        try:
            async for payload in self._signals.subscribe(topic(self._channel)):
                if len(self._showing) < AT_ONCE:
                    task = asyncio.create_task(self._show(payload))
                    self._showing.add(task)
                    task.add_done_callback(self._showing.discard)
        finally:
            for task in self._showing:
                task.cancel()

    async def _show(self, payload: bytes) -> None:
        try:
            about = Writing.model_validate_json(payload)
            account = self._account_of(about.tenant, self._channel, about.account)
            if account is None or self._clock() - about.at > TOO_LATE or not await self._may(about):
                return
            self._accounts.admit(account)
            connection = self._accounts.connection(account)
            if isinstance(connection, Seer):
                async with asyncio.timeout(ONE_TRY):
                    await connection.seen(about.place, about.answers)
        except (ParleyError, ValidationError, TimeoutError) as error:
            log.debug("not_shown_as_seen", channel=self._channel, error=type(error).__name__)

    async def _may(self, about: Writing) -> bool:
        key = f"seen:{about.tenant}:{self._channel}:{about.account}"
        for name, pace in ((f"{key}:{about.place}", AT_A_PLACE), (key, OF_AN_ACCOUNT)):
            wait = await self._limiter.take(name, per_second=pace.per_second, burst=pace.burst, now=self._clock())
            if wait > 0:
                return False
        return True
