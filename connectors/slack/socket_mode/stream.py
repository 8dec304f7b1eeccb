"""Stream of one account's events over Socket Mode, dispatched by slack-bolt: docs/adr/0049-slack-bolt.md

Slack promises to resend what nobody acknowledged. Nothing here relies on that: whenever events may have been missed,
histories are read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass

import structlog
from slack_bolt.async_app import AsyncBoltContext

from connectors.slack.app import SlackApp
from connectors.slack.backfill import RECEIVES_ROOMS
from connectors.slack.channel import SlackChannel
from connectors.slack.client import SlackClient
from connectors.slack.errors import find_error
from connectors.slack.inbound.requests import Json, PayloadKind
from connectors.slack.socket_mode.socket import EnvelopeHandler, Socket
from schemas.errors import InvalidRequest, RetryLater, SetupError, TemporaryRefusal, Unavailable
from schemas.ports import Account, ChannelEvent, Clock, EventStreamContext

log = structlog.get_logger("parley.slack")

ROOM_TYPES = ("channel", "group", "mpim")
INBOX_SIZE = 1000
"""Envelopes that may wait."""
BATCH_SIZE = 100
"""Envelopes whose events are appended together."""
CATCH_UP_SECONDS = 1.5
"""Seconds that new events wait for missed ones; Slack waits three seconds for an acknowledgement."""
RETRY_SECONDS = 5.0
"""Longest pause between attempts to append."""
STALE_SOCKET_SECONDS = 60.0
"""After this the connection of an earlier holder that hangs has been closed."""
MIN_LIFETIME = 5.0
"""Seconds. A connection that ends sooner is not replaced at once."""
DRAIN_SECONDS = 15.0
"""Seconds for which an old connection may still deliver events; Slack closes it ten seconds after its warning."""


@dataclass(frozen=True, slots=True)
class PendingEnvelope:
    """The events of an envelope, whose listener waits until they are appended."""

    events: list[ChannelEvent]
    appended: asyncio.Future[None]


class SlackStream:
    """The connections of one account: usually one, two while one replaces the other."""

    def __init__(self, channel: SlackChannel, account: Account, context: EventStreamContext, clock: Clock) -> None:
        self._channel = channel
        self._account = account
        self._context = context
        self._app = SlackApp(account.settings, self._take, clock)
        self._client = SlackClient(account.settings, as_app=True)
        self._inbox: asyncio.Queue[PendingEnvelope] = asyncio.Queue(INBOX_SIZE)
        self._waiting: set[asyncio.Future[None]] = set()
        self._sockets: set[Socket] = set()
        self._background: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """See schemas.ports.EventStreamChannel."""
        worker = asyncio.create_task(self._process_inbox())
        connector = asyncio.create_task(self._connect())
        try:
            await asyncio.wait({worker, connector}, return_when=asyncio.FIRST_COMPLETED)
            for task in (worker, connector):
                if task.done():
                    task.result()
        finally:
            for task in (worker, connector, *self._background):
                task.cancel()
            await asyncio.gather(worker, connector, *self._background, return_exceptions=True)
            for appended in self._waiting:
                appended.cancel()  # ends the listener, which acknowledges nothing
            await asyncio.gather(*(socket.close() for socket in self._sockets), return_exceptions=True)
            await self._client.close()

    async def _connect(self) -> None:
        """Keep connected until a connection ends right after it began; the caller waits before the next one."""
        loop = asyncio.get_running_loop()
        current = await self._open_socket()
        await self._live(current)
        while True:
            opened = loop.time()
            await current.leaving.wait()
            if loop.time() - opened < MIN_LIFETIME:
                return
            log.info("socket_closing", channel="slack", account=self._account.name, reason=current.reason)
            # Open the new connection first, so that there is always one.
            replacement = await self._open_socket()
            had_ended = current.ended.is_set()
            if had_ended:
                await self._live(replacement)
            self._run_in_background(self._leave(current, looked_after=had_ended))
            current = replacement

    async def _live(self, socket: Socket) -> None:
        """Go live after a time without a connection."""
        await self._context.live(missed=True, hold=CATCH_UP_SECONDS)
        if socket.connections > sum(not each.ended.is_set() for each in self._sockets):
            self._run_in_background(self._catch_up_later())

    async def _catch_up_later(self) -> None:
        """Catch up once more: a holder that hangs may have lost the account but still receive part of the events."""
        await asyncio.sleep(STALE_SOCKET_SECONDS)
        self._context.request_backfill()

    def _run_in_background(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _open_socket(self) -> Socket:
        # Not by slack_sdk's socket client, which repeats a refused request forever and tells nobody.
        reply = await self._client.ask("apps.connections.open", {})
        if (error := find_error(reply)) is not None:
            raise _explain_error(error, reply.body)
        url = reply.body.get("url")
        if not isinstance(url, str) or not url.startswith(("ws://", "wss://")):
            raise RetryLater("Slack gives no address for a socket")
        socket = Socket(self._account.settings)
        EnvelopeHandler(self._app, socket)
        await socket.open(url)
        self._sockets.add(socket)
        return socket

    async def _leave(self, socket: Socket, *, looked_after: bool) -> None:
        """Close an old connection after envelopes in progress were acknowledged there. ``looked_after``: what may be
        lost with it is being caught up already."""
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                await socket.ended.wait()
        except TimeoutError:
            pass
        finally:
            await socket.close()
            self._sockets.discard(socket)
            if not (socket.was_drained or looked_after):
                self._context.request_backfill()

    async def _take(self, kind: PayloadKind, body: Json, _context: AsyncBoltContext) -> None:
        """Return once the events of a payload are appended; the listener that called then acknowledges. Raises
        Unavailable."""
        appended = asyncio.get_running_loop().create_future()
        try:
            # Nothing before this waits, so the tasks that slack_sdk starts, one an envelope, come here in order.
            self._inbox.put_nowait(PendingEnvelope(self._parse(kind, body), appended))
        except asyncio.QueueFull:
            log.warning("inbox_full", channel="slack", account=self._account.name)
            self._context.request_backfill()
            raise Unavailable("too many envelopes are waiting") from None
        self._waiting.add(appended)
        appended.add_done_callback(self._waiting.discard)
        await appended

    async def _process_inbox(self) -> None:
        while True:
            batch = [await self._inbox.get()]
            while len(batch) < BATCH_SIZE and not self._inbox.empty():
                batch.append(self._inbox.get_nowait())
            await self._append([event for each in batch for event in each.events])
            for each in batch:
                if not each.appended.done():
                    each.appended.set_result(None)

    async def _append(self, events: Sequence[ChannelEvent]) -> None:
        """Append, trying until it succeeds: Slack may not resend, later events must not overtake, and people who
        pressed a button would only see an error."""
        while True:
            try:
                return await self._context.take(events)
            except TemporaryRefusal as error:
                log.warning("append_failed", channel="slack", account=self._account.name, code=error.code)
                await asyncio.sleep(min(RETRY_SECONDS, (error.retry_after_ms or 1000) / 1000))

    def _parse(self, kind: PayloadKind, body: Json) -> list[ChannelEvent]:
        event = body.get("event")
        if isinstance(event, dict) and event.get("type") == "message" and event.get("channel_type") in ROOM_TYPES:
            self._context.remember({RECEIVES_ROOMS: True})
        try:
            return self._channel.parse_payload(kind, body, self._account)
        except InvalidRequest as error:
            log.info("event_malformed", channel="slack", account=self._account.name, reason=error.message)
            return []


def _explain_error(error: Exception, body: object) -> Exception:
    """Return the error; for a token of the wrong kind, one that tells the operator what to do."""
    code = body.get("error") if isinstance(body, dict) else ""
    if code in ("not_allowed_token_type", "missing_scope"):
        fix = "app_token must be an app-level token (xapp-…) with the scope connections:write"
        return SetupError(f"Slack does not open a socket: {code}", fix=fix)
    return error
