"""A server connection: aiohttp's, with the contract's error body for bytes that are not HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog
from aiohttp import web

from gateway.http.responses import http_error_response, internal_error_response

log = structlog.get_logger("parley.gateway")

KEEP_ALIVE_SECONDS = 75.0


class Connection(web.RequestHandler):
    """Serves the requests of one connection and calls ``on_close`` when it ends. Bytes that are not HTTP are never
    logged."""

    __slots__ = ("_on_close",)

    def __init__(self, server: web.Server, loop: asyncio.AbstractEventLoop, *, on_close: Callable[[], None]) -> None:
        super().__init__(
            server,
            loop=loop,
            keepalive_timeout=KEEP_ALIVE_SECONDS,
            access_log=None,  # type: ignore[arg-type]  # None switches it off
            auto_decompress=False,
        )
        self._on_close = on_close

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
        super().connection_lost(exc)
        self._on_close()
