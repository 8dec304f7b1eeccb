"""Client of a desk: requests that a person or the vendor waits for, and messages that only one person sees."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

import structlog

from connectors.desk.port import Desk, DeskConnection
from connectors.outbound.connections import AccountConnections
from schemas.errors import DeliveryError, SendRefused, Unavailable
from schemas.ports import Account, Clock

log = structlog.get_logger("parley.desk")
T = TypeVar("T")


class DeskClient:
    """Client for all accounts of one desk. ``desk``: see ``connectors.desk.port``."""

    def __init__(self, desk: Desk, clock: Clock) -> None:
        self.desk = desk
        self._accounts = AccountConnections(desk, clock)

    async def close(self) -> None:
        await self._accounts.close()

    async def ask(self, account: Account, question: Callable[[DeskConnection], Awaitable[T]]) -> T:
        """Call the desk's connection. Raises SendRefused; Unavailable if the desk cannot be reached now, or not with
        these credentials."""
        connection = cast(DeskConnection, self._accounts.get_connection(account))
        try:
            return await question(connection)
        except SendRefused:
            raise
        except DeliveryError as error:
            log.warning("desk_unavailable", tenant=account.tenant, account=account.name, code=error.code)
            why = f"{self.desk.title} does not respond at the moment"
            raise Unavailable(why, retry_after_ms=error.retry_after_ms or 1000) from error

    async def whisper(self, account: Account, thread: str, by: str, text: str, *, undo: str = "") -> None:
        """Show a text to one person in a thread. Best effort, never repeated. ``undo``: id of a reply that they can
        still take back."""
        try:
            await self.ask(account, lambda connection: connection.whisper(thread, by, text, undo=undo))
        except (SendRefused, Unavailable) as error:
            log.info("desk_note_failed", tenant=account.tenant, account=account.name, reason=error.message)
