"""Too many requests at once are refused before anything is done for them, so that refusing costs next to nothing.

Requests that write wait for each other; beyond what a second can take, each more only makes all of them later. Refused
late, they would cost nearly as much as accepted ones, and under a steady overload nothing else would get done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from aiohttp import web

from gateway.http.responses import Handler, error_reply
from schemas.errors import Unavailable

AT_ONCE = 500
"""Messages that one process is accepting. Only complete requests count: who sends slowly takes up no room."""
NEAR = 4
"""From this part of it on, it is as good as reached."""
LOG_EVERY_S = 5.0

log = structlog.get_logger("parley.gateway")


class Crowding:
    """A middleware, to stand before all that works."""

    __middleware_version__ = 1
    """Aiohttp asks for this mark on whatever is to be called with a request and a handler."""

    def __init__(self, under_way: Callable[[], int], at_once: int = AT_ONCE, *, press: Press | None = None) -> None:
        self._under_way = under_way
        self._at_once = at_once
        self._press = press or Press()
        self._refused = 0
        self._told_at = 0.0
        self._checking = 0
        self._error = Unavailable("too many requests at once", retry_after_ms=1_000)

    @property
    def crowded(self) -> bool:
        """No room for one message more."""
        return self._count() >= self._at_once

    @property
    def near(self) -> bool:
        """It may be so soon."""
        return self._count() * NEAR >= self._at_once

    def _count(self) -> int:
        return self._under_way() + self._checking

    @contextmanager
    def checking(self) -> Iterator[None]:
        """Count a message as under way while the store is asked whether its sender may send it."""
        self._checking += 1
        try:
            yield
        finally:
            self._checking -= 1

    async def __call__(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        refusal = self.refusal() if request.method == "POST" else None
        return await handler(request) if refusal is None else refusal

    def refusal(self) -> web.Response | None:
        """The answer to one message more; None while there is room."""
        if not self.crowded:
            return None
        self.count()
        return self.response()

    def response(self) -> web.Response:
        return error_reply(self._error)

    def count(self) -> None:
        """One was refused."""
        self._refused += 1
        self._press.felt()
        now = time.monotonic()
        if now - self._told_at >= LOG_EVERY_S:
            log.warning("requests_refused", refused=self._refused, at_once=self._at_once)
            self._refused, self._told_at = 0, now


# The overload flag, for other work of the process that could be put off meanwhile.
LASTS_S = 1.0
"""From one refusal to the next there is room for a moment, again and again."""


class Press:
    """Called, it tells whether anybody was refused for want of room within the last second."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._until = 0.0

    def felt(self) -> None:
        """Somebody is refused."""
        self._until = self._monotonic() + LASTS_S

    def __call__(self) -> bool:
        return self._monotonic() < self._until
