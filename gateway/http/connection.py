"""A server connection: aiohttp's, with a fast path for webhooks and for refusals under overload."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import aiohttp
import structlog
from aiohttp import web
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader

from gateway.http.fast_refusals import FastRefusals, parse_head
from gateway.http.fast_webhooks import FastWebhooks, WebhookRequest
from gateway.http.responses import http_error_response, internal_error_response

log = structlog.get_logger("parley.gateway")

KEEP_ALIVE_SECONDS = 75.0
FAST_WEBHOOKS: web.AppKey[FastWebhooks] = web.AppKey("fast_webhooks", FastWebhooks)
"""The fast path of an application, if it has one."""
FAST_REFUSALS: web.AppKey[FastRefusals] = web.AppKey("fast_refusals", FastRefusals)
"""The fast refusals of an application."""

UNKNOWN_POSITION = -1
"""In place of a number of bytes: it is not known where the next request head begins."""
_IS_SUPPORTED_AIOHTTP = aiohttp.__version__.startswith("3.14.")
"""The fast paths use internals of ``RequestHandler`` in this release of aiohttp. With any other release every request
takes the normal path, which uses public interfaces only."""


class Connection(web.RequestHandler):
    """Serves webhooks by the fast path until another request comes; from then on aiohttp handles the connection.

    A vendor's connection carries nothing but webhooks. Under overload, requests that are certainly messages are refused
    from their first bytes (``gateway/http/fast_refusals.py``). Bytes that are not HTTP get the contract's error body;
    they are never logged.
    """

    __slots__ = ("_body", "_body_left", "_fast_refusals", "_fast_webhooks", "_is_refused", "_on_close")

    def __init__(
        self,
        server: web.Server,
        fast_webhooks: FastWebhooks | None,
        fast_refusals: FastRefusals | None,
        loop: asyncio.AbstractEventLoop,
        *,
        on_close: Callable[[], None],
    ) -> None:
        super().__init__(
            server,
            loop=loop,
            keepalive_timeout=KEEP_ALIVE_SECONDS,
            access_log=None,  # type: ignore[arg-type]  # None switches it off
            auto_decompress=False,
        )
        self._on_close = on_close
        self._fast_webhooks = fast_webhooks if _IS_SUPPORTED_AIOHTTP else None
        self._fast_refusals = fast_refusals if _IS_SUPPORTED_AIOHTTP else None
        self._body: StreamReader | None = None
        self._body_left = 0
        """Bytes of a body before the next request head, or UNKNOWN_POSITION."""
        self._is_refused = False
        """The body belongs to a refused request: the parser must not see it."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if request.writer.output_size > 0:
            raise ConnectionError("the response was already started")
        log.info("request_unreadable", status=status, error=type(exc).__name__)
        response = (
            internal_error_response() if status >= 500 else http_error_response(status, "the request is not valid HTTP")
        )
        response.force_close()
        return response

    def connection_lost(self, exc: BaseException | None) -> None:
        body = self._body
        super().connection_lost(exc)
        self._on_close()
        if body is not None:
            body.set_exception(ConnectionResetError("the connection was lost"))

    def data_received(self, data: bytes) -> None:
        refusals = self._fast_refusals
        if refusals is None or not (self._is_refused or refusals.overload.is_nearly_full):
            # Tracking where the next head begins has a cost; it starts again with the next complete request.
            self._body_left = UNKNOWN_POSITION
            super().data_received(data)
        elif self._body_left > 0:
            self._receive_body(data)
        else:
            self._receive_head(refusals, data)

    def _receive_head(self, refusals: FastRefusals, data: bytes) -> None:
        """Handle bytes with which a request may begin: refuse it, or pass it to the parser."""
        head = parse_head(data) if self._is_idle else None
        if head is None or head.size < len(data):
            self._body_left = UNKNOWN_POSITION
            super().data_received(data)
            return
        answer = refusals.respond(head) if self._body_left == 0 and refusals.overload.is_full else None
        self._body_left = head.size - len(data)
        if answer is None or self.transport is None:
            super().data_received(data)
            if self._is_idle:  # these bytes continued a request that is still incomplete
                self._body_left = UNKNOWN_POSITION
            return
        self._is_refused = self._body_left > 0
        self.transport.write(answer)
        self._restart_keep_alive()

    def _receive_body(self, data: bytes) -> None:
        """Handle the rest of a body, or a piece of it."""
        body, rest = data[: self._body_left], data[self._body_left :]
        self._body_left -= len(body)
        if not self._is_refused:
            self._body_left = UNKNOWN_POSITION if rest else self._body_left
            super().data_received(data)
            return
        self._is_refused = self._body_left > 0
        if rest:
            self.data_received(rest)

    @property
    def _is_idle(self) -> bool:
        """Whether it waits for a request and may be written to."""
        waiter = self._waiter
        free = waiter is not None and not waiter.done() and not self._messages and not self._paused
        return free and not (self._close or self._force_close or self._upgraded)

    async def start(self) -> None:
        if self._fast_webhooks is not None:
            try:
                await self._serve_webhooks(self._fast_webhooks)
            except asyncio.CancelledError:
                self.force_close()
                raise
        if self._manager is not None:  # None once the connection is lost
            await super().start()

    async def _serve_webhooks(self, fast_webhooks: FastWebhooks) -> None:
        """Serve webhooks until another request comes or the connection ends."""
        messages = self._messages
        while not self._force_close:
            if not messages:
                self._waiter = self._loop.create_future()
                try:
                    await self._waiter
                finally:
                    self._waiter = None
            message, body = messages[0]
            webhook = fast_webhooks.match(message) if isinstance(message, RawRequestMessage) else None
            if webhook is None:
                return
            messages.popleft()
            if self._parser is not None:
                self._parser.message_consumed()
            if self._buffer_paused and len(messages) <= self._msg_queue_resume_size:
                self._resume_reading_if_drained()
            await self._respond(fast_webhooks, webhook, body)

    async def _respond(self, fast_webhooks: FastWebhooks, webhook: WebhookRequest, body: StreamReader) -> None:
        # A stopping server waits for requests in progress.
        self._request_in_progress = True
        self._body = body
        try:
            answer = await fast_webhooks.respond(webhook, body, "http" if self.ssl_context is None else "https")
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
            self._restart_keep_alive()
        else:
            # The server is stopping, or the rest of the body would be read as the next request.
            self.force_close()

    def _restart_keep_alive(self) -> None:
        """Close the connection later unless another request comes."""
        if self._force_close:
            return
        self._next_keepalive_close_time = self._loop.time() + KEEP_ALIVE_SECONDS
        if self._keepalive_handle is None:
            self._keepalive_handle = self._loop.call_at(self._next_keepalive_close_time, self._process_keepalive)
