"""A receiver of webhooks for tests of the vendors: it keeps every request, and answers as it is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web
from multidict import CIMultiDictProxy


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    method: str
    url: str
    """As it was called."""
    headers: CIMultiDictProxy[str]
    body: bytes
    status: int

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


class Receiver:
    """``statuses`` are used up one by one; then everything gets 200. A status of 0 cuts the connection. ``answer`` is
    type and text of the answers. Meta's handshake is answered if ``verify_token`` fits."""

    def __init__(self) -> None:
        self.requests: list[ReceivedRequest] = []
        self.handshakes: list[dict[str, str]] = []
        self.statuses: list[int] = []
        self.answer = ("text/plain", "")
        self.verify_token: str | None = None
        self._news = asyncio.Condition()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Receiver]:
        app = web.Application(client_max_size=8 * 1024**2)
        app.router.add_route("*", "/{path:.*}", self._receive)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
        self.url = f"{self.base}/hook"
        try:
            yield self
        finally:
            await runner.cleanup()

    @property
    def accepted(self) -> list[ReceivedRequest]:
        """Webhooks that were posted and got 200; files that the vendor fetched here are none."""
        return [each for each in self.requests if each.status == 200 and each.method == "POST"]

    async def until(self, true: Callable[[], Any], *, deadline: float = 60) -> Any:
        """Waits until ``true()`` is truthy after some request, and returns it. Raises TimeoutError."""
        async with asyncio.timeout(deadline), self._news:
            while not (result := true()):
                await self._news.wait()
        return result

    async def _receive(self, request: web.Request) -> web.Response:
        if "hub.mode" in request.query:
            return self._shake(request)
        status = self.statuses.pop(0) if self.statuses else 200
        async with self._news:
            url = f"{request.scheme}://{request.host}{request.raw_path}"
            received = ReceivedRequest(request.method, url, request.headers, await request.read(), status)
            self.requests.append(received)
            self._news.notify_all()
        if status == 0:
            assert request.transport is not None
            request.transport.abort()
        return web.Response(status=status or 500, content_type=self.answer[0], text=self.answer[1])

    def _shake(self, request: web.Request) -> web.Response:
        self.handshakes.append(dict(request.query))
        good = self.verify_token in (None, request.query.get("hub.verify_token"))
        return web.Response(status=200 if good else 403, text=request.query["hub.challenge"] if good else "")
