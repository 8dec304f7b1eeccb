"""One shard of a bot, on discord.py: it identifies or resumes a session, and sends heartbeats.

Events are taken as they arrive (``on_socket_raw_receive``), before discord.py reads them for its caches, which are as
small as they can be. What discord.py cannot read does not end the connection.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

import aiohttp
import discord
import structlog
from yarl import URL

from connectors.discord.errors import BLOCKED_MS
from connectors.discord.events import INTENT_FIX
from connectors.discord.gateway.event_queue import GatewayEvent, parse_frame
from connectors.discord.gateway.sessions import Session
from connectors.discord.models import get_log_fields
from connectors.discord.settings import API_BASE, GATEWAY, DiscordAccount
from schemas.errors import CredentialsRevoked, ParleyError, RetryLater, SetupError
from schemas.ports import Account

if TYPE_CHECKING:
    from aiohttp.client import ClientTimeout
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

log = structlog.get_logger("parley.discord")

INTENTS = discord.Intents(
    guilds=True, guild_messages=True, dm_messages=True, guild_reactions=True, dm_reactions=True, message_content=True
)
HEARTBEAT_TIMEOUT = 60.0
"""Seconds without any frame after which the connection is dead. Discord asks for a heartbeat every 41 s."""
MAX_LOSSES = 6
"""Losses of the connection in a row after which the session is given up. That takes half a minute."""
LOSS_PAUSE = 1.0
"""Seconds after the second loss in a row; there is none after the first, and each further one is about doubled."""
CLOSE_SECONDS = 0.5
"""For an orderly end; an account has to be let go within a second."""
MAX_RATE_LIMIT_WAIT = 30.0
"""The shortest that discord.py accepts."""
SETUP_ERRORS = {
    4010: "the shard is invalid",
    4011: "the bot is in too many servers for so few connections",
    4012: "this version of the gateway no longer exists",
    4013: "the intents are invalid",
    4014: "the bot may not have the intents it needs",
}
SESSION_LOST = frozenset({4007, 4009})
"""The session is no longer valid; the next connection begins a new one."""
CLOSE_CODE = 4000
"""Ours: 1000 and 1001 would end the session."""
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

    def receive(self, shard: int, event: GatewayEvent) -> None:
        """Take an event of any shard, in the order of arrival."""

    def report_lost(self, shard: int, *, resumable: bool) -> None:
        """The connection of the shard broke, and perhaps its session with it."""

    def get_session(self, shard: int) -> Session:
        """Return the session to resume; one without an id if there is none."""

    def get_stored_sequence(self, shard: int) -> int:
        """Return the number after which another process would resume the session; 0 if it could not."""


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
        self._socket_type = _build_socket_type(lambda: owner.get_stored_sequence(shard))

    async def run_session(self) -> None:
        """Run until the connection ends for good. Raises what the end means."""
        try:
            await self.login(self._account.settings.token.get_secret_value())
            await self.connect()
        except CONNECTION_ERRORS as error:
            raise explain_error(error) from error
        finally:
            await self._end(self._leave)
            await self._end(self.close)
            await self._account_connector.close()

    async def connect(self, *, reconnect: bool = True) -> None:
        """Replaces discord.py's loop, which resumes only its own sessions, after the last event that arrived. This one
        resumes after the last appended event, whichever process appended it. An event that discord.py cannot read ends
        nothing."""
        is_initial = True
        while self._losses < MAX_LOSSES:
            await asyncio.sleep(LOSS_PAUSE * (2 ** max(0, self._losses - 1) - 1))
            is_resumable = await self._read_until_lost(is_initial)
            await asyncio.sleep(0)  # until the listeners have run for what arrived before
            is_initial = False
            self._losses += 1
            self._owner.report_lost(self._number, resumable=is_resumable and self._losses < MAX_LOSSES)
        raise RetryLater("the gateway keeps closing the connection")

    async def _read_until_lost(self, is_initial: bool) -> bool:
        """Return whether the session can be resumed."""
        try:
            self.ws = await self._open_socket(initial=is_initial)
            while True:
                await self._read_event()
        except discord.gateway.ReconnectWebSocket as error:
            return error.resume and not (self._has_socket and self.ws.socket.close_code in SESSION_LOST)

    async def _open_socket(self, *, initial: bool) -> discord.gateway.DiscordWebSocket:
        session = self._owner.get_session(self._number)
        return await self._socket_type.from_client(
            self,
            initial=initial,
            shard_id=self._number,
            gateway=URL(session.url) if session.url else None,
            session=session.id or None,
            sequence=session.seq,
            resume=bool(session.id),
        )

    async def _read_event(self) -> None:
        try:
            await self.ws.poll_event()
        except (discord.gateway.ReconnectWebSocket, *CONNECTION_ERRORS):
            raise
        except Exception as error:
            log.warning("event_unreadable", **get_log_fields(self._account), error=type(error).__name__)

    @property
    def _has_socket(self) -> bool:
        socket: discord.gateway.DiscordWebSocket | None = self.ws
        return socket is not None

    async def _leave(self) -> None:
        """Close so that the session can be resumed: discord.py would say that it is over."""
        if self._has_socket:
            await self.ws.close(code=CLOSE_CODE)

    async def _end(self, close: Callable[[], Awaitable[None]]) -> None:
        """Another process may have the account soon; discord.py's own limit is thirty seconds."""
        with suppress(*CONNECTION_ERRORS):
            async with asyncio.timeout(CLOSE_SECONDS):
                await close()

    # ── hooks and events of discord.py ───────────────────────────────────────────────────────────────────────────────

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        await self._owner.admit(self._number, initial=initial)

    async def on_socket_raw_receive(self, message: str) -> None:
        """Take the event before discord.py reads it."""
        if (event := parse_frame(message)) is not None:
            if event.t in (NEW_SESSION, RESUMED_SESSION):
                self._losses = 0
            self._owner.receive(self._number, event)


def _build_socket_type(get_sequence: Callable[[], int]) -> type[discord.gateway.DiscordWebSocket]:
    """Return a WebSocket whose heartbeats name the event after which another process would resume, not the last that
    arrived: Discord does not say that it keeps events that a heartbeat has named."""

    class ShardSocket(discord.gateway.DiscordWebSocket):
        @property
        def sequence(self) -> int | None:
            return get_sequence() or None

        @sequence.setter
        def sequence(self, number: int | None) -> None:
            """Ignore the number of what has just arrived."""

    return ShardSocket


def explain_error(error: Exception) -> ParleyError:
    """Return what an error of discord.py means for the account."""
    if isinstance(error, discord.LoginFailure):
        return CredentialsRevoked("the bot's token is not accepted")
    if isinstance(error, discord.ConnectionClosed):
        if error.code == 4004:
            return CredentialsRevoked("the bot's token is not accepted")
        if error.code in SETUP_ERRORS:
            fix = INTENT_FIX if error.code == 4014 else ""
            return SetupError(f"Discord closed with {error.code}: {SETUP_ERRORS[error.code]}", fix=fix)
    if isinstance(error, discord.RateLimited):
        return RetryLater("rate-limited by Discord", retry_after_ms=int(error.retry_after * 1000))
    if isinstance(error, discord.HTTPException) and error.status in (403, 429):
        return RetryLater("blocked in front of Discord", retry_after_ms=BLOCKED_MS)
    return RetryLater(f"the gateway cannot be reached: {type(error).__name__}")


class AccountConnector(aiohttp.TCPConnector):
    """Leads requests and WebSockets to the account's addresses, where those differ from Discord's. A configured gateway
    is also used for the addresses that Discord gives for resumptions.

    discord.py has its addresses in class attributes, the same for all accounts of a process. But it takes a connector
    from aiohttp for each client, and every request passes there."""

    def __init__(self, settings: DiscordAccount) -> None:
        super().__init__(limit=0)
        self._api_base = settings.api_base.rstrip("/")
        self._gateway = settings.gateway_url

    async def connect(self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: ClientTimeout) -> Connection:
        address = self.find_address(req.url)
        if address != req.url:
            req.url = address
            req.headers["Host"] = address.authority
        return await super().connect(req, traces, timeout)

    def find_address(self, url: URL) -> URL:
        """Return where a request to this address is sent."""
        if url.scheme in ("ws", "wss"):
            return url if self._gateway == GATEWAY else URL(self._gateway).with_query(url.query)
        return URL(str(url).replace(API_BASE, self._api_base, 1)) if str(url).startswith(API_BASE) else url
