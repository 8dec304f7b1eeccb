"""What the desk asks Slack, and whispers to one person there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import structlog

from connectors.desk.thread_ids import channel_of, stamp_of
from connectors.outbound.connections import Accounts
from connectors.slack.errors import failure
from connectors.slack.requests import Json
from schemas.errors import DeliveryError, SendRefused, Unavailable
from schemas.ports import Account, Reply

log = structlog.get_logger("parley.desk")
PAGE = 1_000
"""As many as Slack gives at once: whoever pressed something waits three seconds at most."""


@runtime_checkable
class Asked(Protocol):
    """A connection by which any method can be called that may be carried out twice without harm."""

    async def ask(self, method: str, arguments: Mapping[str, Any]) -> Reply:
        """Raises SendDelayed."""


@dataclass(frozen=True, slots=True)
class Home:
    """The workspace in which our app is installed, the organization around it, and our own bot."""

    team: str
    enterprise: str = ""
    bot: str = ""


class WebApi:
    """Of all accounts that have a desk."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._homes: dict[tuple[str, str], Home] = {}

    async def home(self, account: Account) -> Home:
        """Raises Unavailable also where Slack does not say: nobody is at home nowhere."""
        key = (account.tenant, account.name)
        if key not in self._homes:
            try:
                told = await self.ask(account, "auth.test", {})
            except SendRefused as error:
                raise Unavailable("Slack does not say whose app this is") from error
            team, enterprise, bot = (str(told.get(name) or "") for name in ("team_id", "enterprise_id", "bot_id"))
            if not team or not bot:
                raise Unavailable("Slack does not say whose app this is")
            self._homes[key] = Home(team, enterprise, bot)
        return self._homes[key]

    async def close(self) -> None:
        await self._accounts.close()

    async def ask(self, account: Account, method: str, arguments: Mapping[str, Any]) -> Json:
        """Raises SendRefused, and Unavailable when Slack cannot be asked now, or not with this token."""
        connection = self._accounts.connection(account)
        if not isinstance(connection, Asked):
            raise TypeError(f"{account.channel} has no desk")
        try:
            reply = await connection.ask(method, arguments)
            if (error := failure(reply)) is not None:
                raise error
        except SendRefused:
            raise
        except DeliveryError as error:
            said = {"tenant": account.tenant, "account": account.name, "method": method, "code": error.code}
            log.warning("slack_not_asked", **said)
            raise Unavailable("Slack cannot be asked now", retry_after_ms=error.retry_after_ms or 1000) from error
        body: Json = reply.body
        return body

    async def pages(self, account: Account, method: str, asked: Json, name: str) -> AsyncIterator[list[Any]]:
        """What stands under ``name`` on each page. Raises as ``ask``."""
        asked = {**asked, "limit": PAGE}
        while True:
            body = await self.ask(account, method, asked)
            found = body.get(name)
            yield found if isinstance(found, list) else []
            cursor = (body.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                return
            asked = {**asked, "cursor": cursor}

    async def message(self, account: Account, external_id: str) -> Json | None:
        """The message, with its metadata; None where there is none any more. Raises Unavailable."""
        stamp = stamp_of(external_id)
        asked = {"channel": channel_of(external_id), "ts": stamp, "oldest": stamp, "latest": stamp}
        try:
            more = {"inclusive": True, "include_all_metadata": True, "limit": 2}
            body = await self.ask(account, "conversations.replies", {**asked, **more})
        except SendRefused:
            return None
        told = body.get("messages")
        messages: Sequence[Any] = told if isinstance(told, list) else []
        return next((each for each in messages if isinstance(each, dict) and each.get("ts") == stamp), None)

    async def whisper(self, account: Account, place: str, by: str, text: str, *, blocks: Sequence[Json] = ()) -> None:
        """To one person, in the thread. Best effort: it is no loss to anybody but them, and repeating it is."""
        asked: Json = {"channel": channel_of(place), "thread_ts": stamp_of(place), "text": text}
        if blocks:
            asked["blocks"] = list(blocks)
        try:
            await self.ask(account, "chat.postEphemeral", {**asked, "user": by.removeprefix("slack:")})
        except (SendRefused, Unavailable) as error:
            log.info("whisper_lost", tenant=account.tenant, account=account.name, reason=error.message)
