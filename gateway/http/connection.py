"""One connection of the front door: aiohttp's, with a short way for webhooks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import aiohttp
import structlog
from aiohttp import web
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader

from gateway.http.fast_refusals import Refusals, head_of
from gateway.http.fast_webhooks import Shortcut, Taken
from gateway.http.responses import http_error, internal_error

log = structlog.get_logger("parley.gateway")

KEEP_ALIVE = 75.0
SHORTCUT: web.AppKey[Shortcut] = web.AppKey("shortcut", Shortcut)
"""Where an application keeps its short way, when it has one."""
REFUSALS: web.AppKey[Refusals] = web.AppKey("refusals", Refusals)
"""Where it keeps the refusals of what comes while it is crowded."""

NOWHERE = -1
"""As the place of a connection: whether a head begins here or goes on is not known."""
_KNOWN_INSIDES = aiohttp.__version__.startswith("3.14.")
"""The short way waits for requests as ``RequestHandler.start`` of this aiohttp does. With another every request goes
the long way, which uses nothing that is not public."""


class Connection(web.RequestHandler):
    """Serves webhooks by the short way for as long as nothing else comes; from then on all that comes is aiohttp's.

    A vendor's connection carries webhooks alone. While too many messages are under way it refuses from their first
    bytes those that it may (``gateway/http/fast_refusals.py``). Answers what is not even HTTP with the contract's error
    body, and never logs what it was.
    """

    __slots__ = ("_at", "_body", "_closed", "_left_out", "_refusals", "_shortcut")

    def __init__(
        self,
        server: web.Server,
        shortcut: Shortcut | None,
        refusals: Refusals | None,
        loop: asyncio.AbstractEventLoop,
        *,
        closed: Callable[[], None],
    ) -> None:
        super().__init__(
            server,
            loop=loop,
            keepalive_timeout=KEEP_ALIVE,
            access_log=None,  # type: ignore[arg-type]  # how it is switched off
            auto_decompress=False,
        )
        self._closed = closed
        self._shortcut = shortcut if _KNOWN_INSIDES else None
        self._refusals = refusals if _KNOWN_INSIDES else None
        self._body: StreamReader | None = None
        self._at = 0
        """How many bytes of a body are to come before the next head; NOWHERE when that is not known."""
        self._left_out = False
        """They belong to a request that was refused, and the parser must not see them."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun already")
        log.info("request_unreadable", status=status, error=type(exc).__name__)
        response = internal_error() if status >= 500 else http_error(status, "the request is not valid HTTP")
        response.force_close()
        return response

    def connection_lost(self, exc: BaseException | None) -> None:
        body = self._body
        super().connection_lost(exc)
        self._closed()
        if body is not None:
            body.set_exception(ConnectionResetError("the connection was lost"))

    def data_received(self, data: bytes) -> None:
        refusals = self._refusals
        if refusals is None or not (self._left_out or refusals.crowding.near):
            # To know where the next head begins costs something; it is known again from the next whole request on.
            self._at = NOWHERE
            super().data_received(data)
        elif self._at > 0:
            self._more(data)
        else:
            self._begin(refusals, data)

    def _begin(self, refusals: Refusals, data: bytes) -> None:
        """A head may begin here. Refuse what it heads, if it is to be refused."""
        head = head_of(data) if self._is_idle else None
        if head is None or head.size < len(data):
            self._at = NOWHERE
            super().data_received(data)
            return
        answer = refusals.answer(head) if self._at == 0 and refusals.crowding.crowded else None
        self._at = head.size - len(data)
        if answer is None or self.transport is None:
            super().data_received(data)
            if self._is_idle:  # it had begun before, and is not whole
                self._at = NOWHERE
            return
        self._left_out = self._at > 0
        self.transport.write(answer)
        self._keep()

    def _more(self, data: bytes) -> None:
        """The rest of a body, or some of it."""
        mine, rest = data[: self._at], data[self._at :]
        self._at -= len(mine)
        if not self._left_out:
            self._at = NOWHERE if rest else self._at
            super().data_received(data)
            return
        self._left_out = self._at > 0
        if rest:
            self.data_received(rest)

    @property
    def _is_idle(self) -> bool:
        """Waits for a request, and may be written to."""
        waiter = self._waiter
        free = waiter is not None and not waiter.done() and not self._messages and not self._paused
        return free and not (self._close or self._force_close or self._upgraded)

    async def start(self) -> None:
        if self._shortcut is not None:
            try:
                await self._shortly(self._shortcut)
            except asyncio.CancelledError:
                self.force_close()
                raise
        if self._manager is not None:  # None once the connection is lost
            await super().start()

    async def _shortly(self, shortcut: Shortcut) -> None:
        """Until something else comes, or the connection ends."""
        messages = self._messages
        while not self._force_close:
            if not messages:
                self._waiter = self._loop.create_future()
                try:
                    await self._waiter
                finally:
                    self._waiter = None
            message, body = messages[0]
            taken = shortcut.takes(message) if isinstance(message, RawRequestMessage) else None
            if taken is None:
                return
            messages.popleft()
            if self._parser is not None:
                self._parser.message_consumed()
            if self._buffer_paused and len(messages) <= self._msg_queue_resume_size:
                self._resume_reading_if_drained()
            await self._answer(shortcut, taken, body)

    async def _answer(self, shortcut: Shortcut, taken: Taken, body: StreamReader) -> None:
        # Whoever stops the server waits for what is in progress.
        self._request_in_progress = True
        self._body = body
        try:
            answer = await shortcut.answer(taken, body, "http" if self.ssl_context is None else "https")
            if self.transport is None:
                return
            self.transport.write(answer)
            if self._paused:
                await self._drain_helper()
        except ConnectionError:
            self.force_close()
        finally:
            self._body = None
            self._request_in_progress = False
            if self._handler_waiter is not None:
                self._handler_waiter.set_result(None)
        if body.is_eof() and not self._close:
            self._keep()
        else:
            # The server stops, or the rest of the body would be taken for the next request.
            self.force_close()

    def _keep(self) -> None:
        """Close later, when nothing more has come."""
        if self._force_close:
            return
        self._next_keepalive_close_time = self._loop.time() + KEEP_ALIVE
        if self._keepalive_handle is None:
            self._keepalive_handle = self._loop.call_at(self._next_keepalive_close_time, self._process_keepalive)
