"""Connections of one channel's accounts, and pauses of accounts.

When a vendor stops an account (a revoked token, a limit of the whole account), one message finds out and all others
wait without asking. After the pause the next message tries again.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog

from connectors.registry import explain_missing_library
from schemas.errors import Parked
from schemas.ports import Account, Clock, Connection, Transport

log = structlog.get_logger("parley.outbound")

AccountKey = tuple[str, str]


class AccountConnections:
    """The connections of one channel in one process."""

    def __init__(self, channel: Transport, clock: Clock) -> None:
        self._channel = channel
        self._clock = clock
        self._connections: dict[AccountKey, tuple[Account, Connection]] = {}
        self._pauses: dict[AccountKey, tuple[datetime, str]] = {}

    def get_connection(self, account: Account) -> Connection:
        """Return the account's connection, the same one until its settings change. Raises MissingDependency."""
        key = (account.tenant, account.name)
        known = self._connections.get(key)
        if known is None or known[0].settings is not account.settings:
            with explain_missing_library():
                known = self._connections[key] = (account, self._channel.connect(account))
        return known[1]

    def check_not_paused(self, account: Account) -> None:
        """Raises Parked while the account is paused."""
        key = (account.tenant, account.name)
        until, reason = self._pauses.get(key, (None, ""))
        if until is None:
            return
        if self._clock() < until:
            raise Parked(reason, until=until)
        del self._pauses[key]

    def pause(self, account: Account, pause: timedelta, reason: str) -> datetime:
        """Pause all sends of this account; return the end of the pause."""
        until = self._clock() + pause
        self._pauses[account.tenant, account.name] = until, reason
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
        opened, self._connections = list(self._connections.values()), {}
        for _, connection in opened:
            await connection.close()
