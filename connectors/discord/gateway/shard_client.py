"""One shard of a bot, on discord.py: it identifies, sends heartbeats, and resumes its session after a loss.

Events are taken as they arrive (``on_socket_raw_receive``), before discord.py reads them for its caches, which are as
small as they can be. What discord.py cannot read does not end the connection.
"""

from __future__ import annotations

import asyncio
import zlib
from contextlib import suppress
from typing import Protocol

import aiohttp
import discord
import structlog

from connectors.discord.errors import BLOCKED_MS
from connectors.discord.events import INTENT_FIX
from connectors.discord.gateway.addresses import AccountConnector
from connectors.discord.models import get_log_fields
from schemas.errors import CredentialsRevoked, ParleyError, RetryLater, SetupError
from schemas.ports import Account

log = structlog.get_logger("parley.discord")

INTENTS = discord.Intents(
    guilds=True, guild_messages=True, dm_messages=True, guild_reactions=True, dm_reactions=True, message_content=True
)
HEARTBEAT_TIMEOUT = 60.0
"""Seconds without any frame after which the connection is dead. Discord asks for a heartbeat every 41 s."""
MAX_LOSSES = 6
"""Losses of the connection in a row after which it is given up. discord.py pauses only after some of them."""
CLOSE_SECONDS = 0.5
"""For an orderly end; an account has to be let go within a second."""
MAX_RATE_LIMIT_WAIT = 30.0
"""The shortest that discord.py accepts."""
SETUP_ERRORS = {
    4010: "the shard is invalid",
    4011: "the bot is in too many servers for so few connections",
    4012: "this version of the gateway is gone",
    4013: "the intents are invalid",
}
NEW_SESSION, RESUMED_SESSION = "READY", "RESUMED"
CONNECTION_ERRORS = (discord.DiscordException, aiohttp.ClientError, OSError, zlib.error, UnicodeDecodeError)
"""The last two: what follows in a compressed stream cannot be read either."""

# Nobody speaks here: two warnings less.
discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False


class ShardOwner(Protocol):
    """The account's stream, to which its shards report. Only ``admit`` may raise: what a listener raises, discord.py
    merely logs."""

    async def admit(self, shard: int, *, initial: bool) -> None:
        """Wait until the shard may identify, and charge the budget. Raises RetryLater, Unavailable, Fenced."""

    def receive(self, raw: str) -> None:
        """Take a frame of any shard, in the order of arrival."""

    def report_connected(self, shard: int, *, fresh: bool) -> None:
        """The shard receives events; ``fresh``: in a new session, to which Discord repeats nothing."""

    def report_lost(self, shard: int) -> None:
        """The connection of the shard broke; discord.py will resume it."""

    def give_up(self, error: ParleyError) -> None:
        """End the stream with this error."""


class ShardClient(discord.Client):
    def __init__(self, account: Account, shard: int, count: int, owner: ShardOwner) -> None:
        self._account_connector = AccountConnector(account.settings)
        super().__init__(
            intents=INTENTS,
            shard_id=shard,
            shard_count=count,
            connector=self._account_connector,
            enable_debug_events=True,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            max_ratelimit_timeout=MAX_RATE_LIMIT_WAIT,
            max_messages=None,
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
            guild_ready_timeout=0.0,
        )
        self._account = account
        self._number = shard
        self._owner = owner
        self._losses = 0

    async def run_session(self) -> None:
        """Run until the connection ends for good. Raises what the end means."""
        try:
            await self.login(self._account.settings.token.get_secret_value())
            await self._listen()
        except CONNECTION_ERRORS as error:
            raise explain_error(error) from error
        finally:
            # Another process may have the account soon; discord.py's own limit is thirty seconds.
            with suppress(*CONNECTION_ERRORS):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self.close()
            await self._account_connector.close()
        raise RetryLater("the gateway ended the connection")

    async def _listen(self) -> None:
        """Read events. One that discord.py cannot read ends its loop, but not the connection: then reading goes on
        until that ends, too."""
        try:
            return await self.connect()
        except (ParleyError, *CONNECTION_ERRORS):
            raise
        except Exception as error:
            if not self._is_connected:
                # discord.py fails in other ways if its first connection ends before Discord's greeting.
                raise RetryLater("the gateway does not greet") from error
            self._log_unreadable(error)
        while self._is_connected:
            try:
                await self.ws.poll_event()
            except CONNECTION_ERRORS:
                raise
            except Exception as error:
                # The end of the connection comes here as well.
                if self._is_connected:
                    self._log_unreadable(error)

    @property
    def _is_connected(self) -> bool:
        socket: discord.gateway.DiscordWebSocket | None = self.ws
        return socket is not None and socket.open

    def _log_unreadable(self, error: Exception) -> None:
        log.warning("event_unreadable", **get_log_fields(self._account), error=type(error).__name__)

    # ── hooks and events of discord.py ───────────────────────────────────────────────────────────────────────────────

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        await self._owner.admit(self._number, initial=initial)

    async def on_socket_raw_receive(self, message: str) -> None:
        self._owner.receive(message)

    async def on_socket_event_type(self, event_type: str) -> None:
        """Unlike ``on_connect``, this is told before discord.py reads the event."""
        if event_type in (NEW_SESSION, RESUMED_SESSION):
            self._losses = 0
            self._owner.report_connected(self._number, fresh=event_type == NEW_SESSION)

    async def on_disconnect(self) -> None:
        self._losses += 1
        self._owner.report_lost(self._number)
        if self._losses >= MAX_LOSSES:
            self._owner.give_up(RetryLater("the gateway keeps closing the connection"))


def explain_error(error: Exception) -> ParleyError:
    """Return what an error of discord.py means for the account."""
    if isinstance(error, discord.LoginFailure):
        return CredentialsRevoked("the bot's token is not accepted")
    if isinstance(error, discord.PrivilegedIntentsRequired):
        return SetupError("Discord closed with 4014: the bot may not have the intents it needs", fix=INTENT_FIX)
    if isinstance(error, discord.ConnectionClosed):
        if error.code == 4004:
            return CredentialsRevoked("the bot's token is not accepted")
        if error.code in SETUP_ERRORS:
            return SetupError(f"Discord closed with {error.code}: {SETUP_ERRORS[error.code]}")
    if isinstance(error, discord.RateLimited):
        return RetryLater("too fast for Discord", retry_after_ms=int(error.retry_after * 1000))
    if isinstance(error, discord.HTTPException) and error.status in (403, 429):
        return RetryLater("shut out before Discord itself", retry_after_ms=BLOCKED_MS)
    return RetryLater(f"the gateway cannot be reached: {type(error).__name__}")
