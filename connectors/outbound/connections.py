"""The connections of one channel's accounts, and which accounts have to wait.

When a vendor stops an account (a revoked token, a limit of the whole account), one message learns it; all others wait
without asking. When the pause is over the first to come asks again for all.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog

from connectors.registry import installed
from schemas.errors import Parked
from schemas.ports import Account, Clock, Connection, Transport

log = structlog.get_logger("parley.outbound")

Name = tuple[str, str]


class Accounts:
    """For one process and one channel."""

    def __init__(self, channel: Transport, clock: Clock) -> None:
        self._channel = channel
        self._clock = clock
        self._open: dict[Name, tuple[Account, Connection]] = {}
        self._paused: dict[Name, tuple[datetime, str]] = {}

    def connection(self, account: Account) -> Connection:
        """The same one each time, until the account's settings change. Raises MissingDependency."""
        name = (account.tenant, account.name)
        known = self._open.get(name)
        if known is None or known[0].settings is not account.settings:
            with installed():
                known = self._open[name] = (account, self._channel.connect(account))
        return known[1]

    def admit(self, account: Account) -> None:
        """Raises Parked while the account is paused."""
        name = (account.tenant, account.name)
        until, reason = self._paused.get(name, (None, ""))
        if until is None:
            return
        if self._clock() < until:
            raise Parked(reason, until=until)
        del self._paused[name]

    def pause(self, account: Account, pause: timedelta, reason: str) -> datetime:
        """Nothing of this account is sent for so long; returns until when."""
        until = self._clock() + pause
        self._paused[account.tenant, account.name] = until, reason
        log.warning(
            "account_paused",
            tenant=account.tenant,
            channel=account.channel,
            account=account.name,
            reason=reason,
            seconds=int(pause.total_seconds()),
        )
        return until

    async def close(self) -> None:
        opened, self._open = list(self._open.values()), {}
        for _, connection in opened:
            await connection.close()
