"""Socket Mode: events over a socket of ours. Why without Slack's client: docs/adr/0020-sockets-under-leases.md"""

from __future__ import annotations

import asyncio
from datetime import timedelta

import structlog

from connectors.slack import bodies
from connectors.slack.backfill import HEARS_ROOMS
from connectors.slack.channel import SlackChannel
from connectors.slack.client import Client
from connectors.slack.errors import failure
from connectors.slack.socket import Envelope, Socket
from schemas.errors import InvalidRequest, RefusedForNow, SendDelayed, SetupError
from schemas.ports import Account, Event, Line

log = structlog.get_logger("parley.slack")

ROOMS = ("channel", "group", "mpim")
INBOX = 1000
"""Envelopes that wait; Slack sends again what finds no room."""
AT_ONCE = 100
"""Envelopes whose events are appended together."""
HOLD = 1.5
"""Seconds for which what comes now waits for what was missed; Slack waits three for its acknowledgement."""
REPEATED = timedelta(seconds=30)
"""For so long nothing is missed: Slack sends what found nobody again at once, after a minute and after five."""
FLAPPING = 5.0
"""Seconds after which a socket's end is no reason to wait before the next one."""
LEAVING = 5.0
"""Seconds in which an old socket may still bring what was on its way."""


class SlackStream:
    """One account's sockets, of which there are two only while one takes the other's place."""

    def __init__(self, channel: SlackChannel, account: Account, line: Line) -> None:
        self._channel = channel
        self._account = account
        self._line = line
        self._app = Client(account.settings, as_app=True)
        self._inbox: asyncio.Queue[Envelope] = asyncio.Queue(INBOX)
        self._sockets: set[Socket] = set()
        self._farewells: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """See schemas.ports.Streaming."""
        worker = asyncio.create_task(self._work())
        replacing = asyncio.create_task(self._connect())
        try:
            await asyncio.wait({worker, replacing}, return_when=asyncio.FIRST_COMPLETED)
            for task in (worker, replacing):
                if task.done():
                    task.result()
        finally:
            for task in (worker, replacing, *self._farewells):
                task.cancel()
            await asyncio.gather(worker, replacing, *self._farewells, return_exceptions=True)
            await asyncio.gather(*(socket.close() for socket in self._sockets), return_exceptions=True)
            await self._app.close()

    async def _connect(self) -> None:
        """Until a socket ends as soon as it began; whoever called waits before the next one."""
        loop = asyncio.get_running_loop()
        current = await self._opened()
        silence = self._line.silence
        await self._line.live(missed=silence is not None and silence > REPEATED, hold=HOLD)
        while True:
            opened = loop.time()
            await current.leaving.wait()
            if loop.time() - opened < FLAPPING:
                return
            log.info("socket_leaves", channel="slack", account=self._account.name, reason=current.reason)
            # The new one first: while there is none, Slack counts its tries to deliver.
            following = await self._opened()
            farewell = asyncio.create_task(self._leave(current))
            self._farewells.add(farewell)
            farewell.add_done_callback(self._farewells.discard)
            current = following

    async def _opened(self) -> Socket:
        reply = await self._app.ask("apps.connections.open", {})
        if (error := failure(reply)) is not None:
            raise _explained(error, reply.body)
        url = reply.body.get("url")
        if not isinstance(url, str) or not url.startswith(("ws://", "wss://")):
            raise SendDelayed("Slack gives no address for a socket")
        socket = await Socket.opened(self._app.session, url, self._inbox)
        self._sockets.add(socket)
        return socket

    async def _leave(self, socket: Socket) -> None:
        """What is being appended may still be acknowledged there."""
        try:
            async with asyncio.timeout(LEAVING):
                await socket.ended()
        except TimeoutError:
            pass
        finally:
            await socket.close()
            self._sockets.discard(socket)

    async def _work(self) -> None:
        while True:
            envelopes = [await self._inbox.get()]
            while len(envelopes) < AT_ONCE and not self._inbox.empty():
                envelopes.append(self._inbox.get_nowait())
            try:
                await self._line.take([event for each in envelopes for event in self._events(each)])
            except RefusedForNow as error:
                # Not acknowledged: Slack sends them again, but not for long.
                self._line.behind()
                log.warning("append_failed", channel="slack", account=self._account.name, code=error.code)
                continue
            for each in envelopes:
                await each.ack(_answer(each))

    def _events(self, envelope: Envelope) -> list[Event]:
        told = envelope.payload.get("event")
        if isinstance(told, dict) and told.get("type") == "message" and told.get("channel_type") in ROOMS:
            self._line.remember({HEARS_ROOMS: True})
        try:
            return self._channel.events(envelope.what, envelope.payload, self._account)
        except InvalidRequest as error:
            log.info("event_malformed", channel="slack", account=self._account.name, reason=error.message)
            return []


def _answer(envelope: Envelope) -> bodies.Json | None:
    usage = bodies.usage_of(envelope.payload) if envelope.what == "slash_commands" else None
    return {"text": usage} if usage else None


def _explained(error: Exception, body: object) -> Exception:
    """A token that is none for sockets is something that only an operator can mend."""
    code = body.get("error") if isinstance(body, dict) else ""
    if code in ("not_allowed_token_type", "missing_scope"):
        fix = "app_token must be an app-level token (xapp-…) with the scope connections:write"
        return SetupError(f"Slack opens no socket: {code}", fix=fix)
    return error
