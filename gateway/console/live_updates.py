"""The part of a page that changes by itself: asked for again, and answered once it is another one."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable

from aiohttp import web

from gateway.console.guard import LIVE
from gateway.console.html import Html, tag
from gateway.console.sessions import ConsoleSessions
from gateway.webchat.watch import Doors
from gateway.wiring.parts import Parts

LOOK_AGAIN = 2.0
"""Seconds: most changes have no signal that reaches a list, and signals may be lost."""
LONGEST_WAIT = 25.0
TAG = "X-Parley-Tag"

Render = Callable[[], Awaitable[Html]]
Whole = Callable[[Html], web.Response]


class Live:
    def __init__(self, parts: Parts, sessions: ConsoleSessions, doors: Doors) -> None:
        self._signals = parts.state.signals
        self._sessions = sessions
        self._doors = doors

    async def answer(self, request: web.Request, topic: str, render: Render, whole: Whole) -> web.Response:
        """The whole page; for the page's script only the part, 204 when it stayed as it is for so long. ``topic``: the
        conversation whose signals say that it may be another one."""
        seen = request.headers.get(LIVE)
        if seen is None:
            return whole(_region(request, await render()))
        loop = asyncio.get_running_loop()
        until = loop.time() + LONGEST_WAIT
        async with self._doors.watch(self._signals, topic) as watch:
            while True:
                part = await render()
                # Whoever was signed out while they waited sees nothing more.
                await self._sessions.admit(request)
                if _tag(part) != seen:
                    return web.Response(text=part, content_type="text/html", headers={TAG: _tag(part)})
                if watch.ended or loop.time() >= until:
                    return web.Response(status=204)
                await watch.next(LOOK_AGAIN)


def _region(request: web.Request, part: Html) -> Html:
    again = request.rel_url.without_query_params("told")
    return tag("div", part, id="live", data_live=str(again), data_seen=_tag(part))


def _tag(part: Html) -> str:
    return hashlib.sha256(part.encode()).hexdigest()[:16]
