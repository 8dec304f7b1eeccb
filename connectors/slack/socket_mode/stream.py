"""Socket Mode: events over a socket of ours. Why without Slack's client: docs/adr/0020-sockets-under-leases.md

Slack says that it sends again what nobody acknowledged. Nothing here rests on that: whenever something may have been
sent that did not reach us, histories are read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence

import structlog

from connectors.slack import requests
from connectors.slack.backfill import HEARS_ROOMS
from connectors.slack.channel import SlackChannel
from connectors.slack.client import Client
from connectors.slack.errors import failure
from connectors.slack.socket_mode.socket import Envelope, Socket
from schemas.errors import InvalidRequest, RefusedForNow, SendDelayed, SetupError
from schemas.ports import Account, Event, Line

log = structlog.get_logger("parley.slack")

ROOMS = ("channel", "group", "mpim")
INBOX = 1000
"""Envelopes that wait."""
AT_ONCE = 100
"""Envelopes whose events are appended together."""
HOLD = 1.5
"""Seconds for which what comes now waits for what was missed; Slack waits three for its acknowledgement."""
RETRY = 5.0
"""Seconds between two tries to append, at most."""
LINGERING = 60.0
"""Seconds after which the socket of an earlier holder that hangs is no longer open."""
FLAPPING = 5.0
"""Seconds after which a socket's end is no reason to wait before the next one."""
LEAVING = 15.0
"""Seconds in which an old socket may still bring what was on its way; Slack closes it ten after its warning."""


class SlackStream:
    """One account's sockets, of which there are two only while one takes the other's place."""

    def __init__(self, channel: SlackChannel, account: Account, line: Line) -> None:
        self._channel = channel
        self._account = account
        self._line = line
        self._app = Client(account.settings, as_app=True)
        self._inbox: asyncio.Queue[Envelope] = asyncio.Queue(INBOX)
        self._sockets: set[Socket] = set()
        self._aside: set[asyncio.Task[None]] = set()

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
            for task in (worker, replacing, *self._aside):
                task.cancel()
            await asyncio.gather(worker, replacing, *self._aside, return_exceptions=True)
            await asyncio.gather(*(socket.close() for socket in self._sockets), return_exceptions=True)
            await self._app.close()

    async def _connect(self) -> None:
        """Until a socket ends as soon as it began; whoever called waits before the next one."""
        loop = asyncio.get_running_loop()
        current = await self._opened()
        await self._live(current)
        while True:
            opened = loop.time()
            await current.leaving.wait()
            if loop.time() - opened < FLAPPING:
                return
            log.info("socket_leaves", channel="slack", account=self._account.name, reason=current.reason)
            # The new one first: while there is none, what happens finds nobody.
            following = await self._opened()
            was_deaf = current.has_ended
            if was_deaf:
                await self._live(following)
            self._beside(self._leave(current, looked_after=was_deaf))
            current = following

    async def _live(self, socket: Socket) -> None:
        """After a time without a socket."""
        await self._line.live(missed=True, hold=HOLD)
        if socket.connections > sum(not each.has_ended for each in self._sockets):
            self._beside(self._look_again())

    async def _look_again(self) -> None:
        """A holder that hangs has lost the account, but not its socket: that one is told a part of what happens."""
        await asyncio.sleep(LINGERING)
        self._line.behind()

    def _beside(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._aside.add(task)
        task.add_done_callback(self._aside.discard)

    async def _opened(self) -> Socket:
        reply = await self._app.ask("apps.connections.open", {})
        if (error := failure(reply)) is not None:
            raise _explained(error, reply.body)
        url = reply.body.get("url")
        if not isinstance(url, str) or not url.startswith(("ws://", "wss://")):
            raise SendDelayed("Slack gives no address for a socket")
        socket = await Socket.opened(self._app.session, url, self._inbox, self._line.behind)
        self._sockets.add(socket)
        return socket

    async def _leave(self, socket: Socket, *, looked_after: bool) -> None:
        """What is being appended may still be acknowledged there. ``looked_after``: what may be lost with it is read
        already."""
        try:
            async with asyncio.timeout(LEAVING):
                await socket.ended()
        except TimeoutError:
            pass
        finally:
            await socket.close()
            self._sockets.discard(socket)
            if not (socket.in_order or looked_after):
                self._line.behind()

    async def _work(self) -> None:
        while True:
            envelopes = [await self._inbox.get()]
            while len(envelopes) < AT_ONCE and not self._inbox.empty():
                envelopes.append(self._inbox.get_nowait())
            await self._append([event for each in envelopes for event in self._events(each)])
            for each in envelopes:
                await each.ack(_answer(each))

    async def _append(self, events: Sequence[Event]) -> None:
        """Until it succeeds. Slack's next try may never come, what was written later would overtake it, and whoever
        pressed a button or gave a command is told of an error and not heard again."""
        while True:
            try:
                return await self._line.take(events)
            except RefusedForNow as error:
                log.warning("append_failed", channel="slack", account=self._account.name, code=error.code)
                await asyncio.sleep(min(RETRY, (error.retry_after_ms or 1000) / 1000))

    def _events(self, envelope: Envelope) -> list[Event]:
        told = envelope.payload.get("event")
        if isinstance(told, dict) and told.get("type") == "message" and told.get("channel_type") in ROOMS:
            self._line.remember({HEARS_ROOMS: True})
        try:
            return self._channel.events(envelope.what, envelope.payload, self._account)
        except InvalidRequest as error:
            log.info("event_malformed", channel="slack", account=self._account.name, reason=error.message)
            return []


def _answer(envelope: Envelope) -> requests.Json | None:
    usage = requests.usage_of(envelope.payload) if envelope.what == "slash_commands" else None
    return {"text": usage} if usage else None


def _explained(error: Exception, body: object) -> Exception:
    """A token that is none for sockets is something that only an operator can mend."""
    code = body.get("error") if isinstance(body, dict) else ""
    if code in ("not_allowed_token_type", "missing_scope"):
        fix = "app_token must be an app-level token (xapp-…) with the scope connections:write"
        return SetupError(f"Slack opens no socket: {code}", fix=fix)
    return error
