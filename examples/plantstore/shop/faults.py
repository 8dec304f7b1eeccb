"""How a shop misbehaves: for tests of those who depend on it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Literal

from aiohttp import web

from .store import Store

Fault = Literal["unavailable", "html", "silent_after", "error_after", "html_after", "forgets_key"]
"""``unavailable`` and ``html`` do nothing; the others do what they were asked, and then answer nothing for a minute, or
with 500, or with a page; or they answer well and forget the idempotency key."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Faults:
    """Each write takes the next one of ``waiting``; none when it is empty."""

    def __init__(self, store: Store) -> None:
        self.waiting: deque[Fault] = deque()
        self._store = store

    async def around(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        is_write = request.method == "POST" and "check" not in request.query
        fault = self.waiting.popleft() if self.waiting and is_write else None
        if fault == "unavailable":
            return web.json_response({"error": {"code": "unavailable", "message": "try later"}}, status=503)
        if fault == "html":
            return _page()
        answer = await handler(request)
        if fault == "silent_after":
            await asyncio.sleep(60)
        if fault == "forgets_key":
            await self._store.forget(request.headers.get("Idempotency-Key", ""))
        if fault == "error_after":
            return web.json_response({"error": {"code": "internal", "message": "oops"}}, status=500)
        return _page() if fault == "html_after" else answer


def _page() -> web.Response:
    return web.Response(text="<!doctype html><title>Be right back</title>", content_type="text/html")
