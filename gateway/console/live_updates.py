"""Live updates of a page: its script polls for a part, and the response comes once that part has changed."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web
from markupsafe import Markup

from gateway.console.guard import LIVE_HEADER
from gateway.console.sessions import ConsoleSessions
from gateway.webchat.watch import WatchRegistry
from gateway.wiring.process_services import ProcessServices

POLL_EVERY = 2.0
"""Seconds between checks: most changes send no signal to a list, and signals may be lost."""
MAX_WAIT = 25.0
TAG_HEADER = "X-Parley-Tag"


@dataclass(frozen=True, slots=True)
class LivePart:
    """A part that is kept up to date. The script polls ``url`` while it shows what ``tag`` stands for; without them the
    part stays as it is."""

    content: Markup
    url: str | None = None
    tag: str | None = None


RenderPart = Callable[[], Awaitable[Markup]]
RenderPage = Callable[[LivePart], web.Response]


class LiveUpdates:
    """Serves pages with a part that is kept up to date."""

    def __init__(self, services: ProcessServices, sessions: ConsoleSessions, watches: WatchRegistry) -> None:
        self._signals = services.state.signals
        self._sessions = sessions
        self._watches = watches

    async def respond(
        self, request: web.Request, topic: str, render_part: RenderPart, render_page: RenderPage
    ) -> web.Response:
        """Respond with the whole page; to the page's script, with the changed part, or 204 if nothing changes in time.
        ``topic`` is that of the signals of a possible change."""
        shown_tag = request.headers.get(LIVE_HEADER)
        if shown_tag is None:
            part = await render_part()
            url = str(request.rel_url.without_query_params("notice"))
            return render_page(LivePart(part, url, _compute_tag(part)))
        loop = asyncio.get_running_loop()
        deadline = loop.time() + MAX_WAIT
        async with self._watches.open(self._signals, topic) as watch:
            while True:
                part = await render_part()
                # An operator who was signed out in the meantime must not see the part.
                await self._sessions.admit(request)
                if _compute_tag(part) != shown_tag:
                    return web.Response(text=part, content_type="text/html", headers={TAG_HEADER: _compute_tag(part)})
                if watch.ended or loop.time() >= deadline:
                    return web.Response(status=204)
                await watch.wait(POLL_EVERY)


def _compute_tag(part: Markup) -> str:
    return hashlib.sha256(part.encode()).hexdigest()[:16]
