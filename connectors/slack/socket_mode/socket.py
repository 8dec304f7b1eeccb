"""One Socket Mode connection, by slack_sdk's client.

https://docs.slack.dev/apis/events-api/using-socket-mode
"""

from __future__ import annotations

import asyncio
import contextlib
import time

import aiohttp
import structlog
from slack_bolt.adapter.socket_mode.async_base_handler import AsyncBaseSocketModeHandler
from slack_bolt.adapter.socket_mode.async_internals import send_async_response
from slack_bolt.async_app import AsyncBoltRequest
from slack_bolt.response import BoltResponse
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest

from connectors.slack.app import LOGGER, UNREADABLE, SlackApp
from connectors.slack.client import build_web_client
from connectors.slack.inbound.requests import Json
from connectors.slack.settings import SlackAccount
from schemas.errors import RetryLater, TemporaryRefusal

log = structlog.get_logger("parley.slack")

PING_INTERVAL = 10.0
"""Seconds between pings; without a pong for half as long the connection counts as dead."""
HELLO_TIMEOUT = 10.0
CLOSE_TIMEOUT = 0.5
FULL_RETRY_MS = 10_000
BROKEN_TYPES = (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)


class Socket(SocketModeClient):
    """One connection for the whole life of the client, which normally replaces its connection by itself: it closes the
    old one first, and then acknowledges over the new one. Here, whoever opened the socket opens the next one."""

    def __init__(self, settings: SlackAccount) -> None:
        super().__init__(
            settings.app_token.get_secret_value(),
            logger=LOGGER,
            web_client=build_web_client(settings, settings.app_token),
            ping_interval=PING_INTERVAL,
        )
        self.proxy = None  # proxies and their exceptions come from the environment, see ``open``
        self.on_close_listeners.append(self._note_close)
        self.leaving = asyncio.Event()
        """Set when Slack wants the connection replaced, or when it has ended."""
        self.ended = asyncio.Event()
        """Set when nothing more can come over it."""
        self.reason = ""
        self.was_drained = False
        """Slack closed the connection, so everything sent over it was read."""
        self.connections = 0
        """Number of the app's connections when this one was opened, including it; 0 before Slack has said hello."""
        self._answered = asyncio.Event()

    async def open(self, url: str) -> None:
        """Return once Slack has said hello. Raises RetryLater; then the socket is closed."""
        try:
            async with asyncio.timeout(HELLO_TIMEOUT):
                await self.aiohttp_client_session.close()
                self.aiohttp_client_session = aiohttp.ClientSession(
                    trust_env=True, ws_response_class=self._build_connection_class()
                )
                self.wss_uri = url
                await self.connect()  # type: ignore[no-untyped-call]
                await self._answered.wait()
        except TimeoutError:
            pass
        except BaseException:
            await self.close()
            raise
        if not self.connections:
            await self.close()
            wait = FULL_RETRY_MS if self.reason == "too_many_websockets" else None
            raise RetryLater(f"no hello: {self.reason or 'nothing'}", retry_after_ms=wait)

    def _build_connection_class(self) -> type[aiohttp.ClientWebSocketResponse]:
        """slack_sdk looks only once in every ping interval whether the connection has broken."""
        report_end = self.connect_to_new_endpoint

        class Connection(aiohttp.ClientWebSocketResponse):
            async def receive(self, timeout: float | None = None) -> aiohttp.WSMessage:
                message = await super().receive(timeout)
                if message.type in BROKEN_TYPES:
                    await report_end()
                return message

        return Connection

    async def run_message_listeners(self, message: Json, raw_message: str) -> None:
        if message.get("type") == "hello":
            number = message.get("num_connections")
            self.connections = number if isinstance(number, int) and number > 0 else 1
            self._answered.set()
        elif message.get("type") == "disconnect":
            self.reason = str(message.get("reason"))[:40]
        await super().run_message_listeners(message, raw_message)

    async def connect_to_new_endpoint(self, force: bool = False) -> None:
        """Called when the connection has ended; with ``force`` when Slack has announced its end."""
        self.leaving.set()
        self._answered.set()
        if not force:
            self.ended.set()

    async def close(self) -> None:
        with contextlib.suppress(TimeoutError, aiohttp.ClientError, ConnectionError):
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self.disconnect()  # type: ignore[no-untyped-call]
        await super().close()  # type: ignore[no-untyped-call]

    async def _note_close(self, _message: aiohttp.WSMessage) -> None:
        self.was_drained = True


class EnvelopeHandler(AsyncBaseSocketModeHandler):
    """Hands envelopes to the app, and acknowledges each over its own connection."""

    def __init__(self, app: SlackApp, client: Socket) -> None:
        self.app = app.bolt
        self.client = client
        self._app = app
        client.socket_mode_request_listeners.append(self.handle)

    async def handle(self, client: AsyncBaseSocketModeClient, req: SocketModeRequest) -> None:
        started = time.time()
        try:
            response = await self._dispatch(req)
            # On a closed connection nothing happens: Slack may send the envelope again, as a repeat.
            with contextlib.suppress(ConnectionError, aiohttp.ClientError):
                await send_async_response(client, req, response, started)
        except TemporaryRefusal:
            pass  # not acknowledged
        except Exception as error:
            log.error("envelope_failed", channel="slack", error=type(error).__name__, exc_info=True)

    async def _dispatch(self, envelope: SocketModeRequest) -> BoltResponse:
        try:
            request = AsyncBoltRequest(mode="socket_mode", body=envelope.payload)
        except UNREADABLE as error:
            log.info("event_malformed", channel="slack", kind=envelope.type[:64], reason=type(error).__name__)
            return BoltResponse(status=200)
        return await self._app.dispatch(request)
