"""Overload protection: requests above a limit are refused before any work is done for them.

Requests that write wait for each other, so beyond the capacity of a process each further request only delays the
others. A late refusal would cost nearly as much as an accepted request, and under steady overload a process would do
nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from aiohttp import web

from gateway.http.responses import Handler, error_response
from schemas.errors import Unavailable

MAX_CONCURRENT = 500
"""Messages that one process accepts at the same time. Only complete requests count, so slow senders take no room."""
FLAG_SECONDS = 1.0
"""Under overload there is room for a moment again and again: the flag stays up between refusals."""
LOG_EVERY_S = 5.0

log = structlog.get_logger("parley.gateway")


class OverloadFlag:
    """A flag for other work of the process, which can wait. Calling it tells whether a request was refused within the
    last second."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._until = 0.0

    def set(self) -> None:
        """Record a refusal."""
        self._until = self._monotonic() + FLAG_SECONDS

    def __call__(self) -> bool:
        return self._monotonic() < self._until


class OverloadGuard:
    """The outer middleware that refuses POST requests while too many messages are being accepted. ``accepting`` returns
    their number."""

    __middleware_version__ = 1
    """Marks an object as a middleware for aiohttp."""

    def __init__(
        self, accepting: Callable[[], int], limit: int = MAX_CONCURRENT, *, flag: OverloadFlag | None = None
    ) -> None:
        self._accepting = accepting
        self._limit = limit
        self._flag = flag or OverloadFlag()
        self._refused = 0
        self._logged_at = 0.0
        self._checking = 0
        self._error = Unavailable("too many requests at once", retry_after_ms=1_000)

    @property
    def is_full(self) -> bool:
        """There is no room for another message."""
        return self._count_pending() >= self._limit

    def _count_pending(self) -> int:
        return self._accepting() + self._checking

    @contextmanager
    def count_as_pending(self) -> Iterator[None]:
        """Count a message while the store is asked whether its sender may send it."""
        self._checking += 1
        try:
            yield
        finally:
            self._checking -= 1

    async def __call__(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        refusal = self.refuse_if_full() if request.method == "POST" else None
        return await handler(request) if refusal is None else refusal

    def refuse_if_full(self) -> web.Response | None:
        """Return the refusal of another message; None while there is room."""
        if not self.is_full:
            return None
        self._record_refusal()
        return error_response(self._error)

    def _record_refusal(self) -> None:
        self._refused += 1
        self._flag.set()
        now = time.monotonic()
        if now - self._logged_at >= LOG_EVERY_S:
            log.warning("requests_refused", refused=self._refused, at_once=self._limit)
            self._refused, self._logged_at = 0, now
