"""Limits for the sockets and long polls that a visitor and a client address may hold open at this process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from gateway.config.settings import Config
from gateway.webchat.sessions import Visit
from schemas.errors import RateLimited

RETRY_AFTER_MS = 5_000


class ConnectionLimiter:
    def __init__(self, config: Config) -> None:
        self._limits = {name: tenant.limits for name, tenant in config.tenants.items()}
        self._open: Counter[tuple[str, ...]] = Counter()

    def hold(self, visit: Visit) -> AbstractContextManager[None]:
        """Count a connection until the end of the ``with`` block. Raises RateLimited when there are too many. The
        newest one is refused: if an older one were closed instead, a client that reconnects would close its own
        connections for ever."""
        limits = self._limits[visit.tenant]
        allowed: dict[tuple[str, ...], int] = {("visitor", visit.conversation): limits.sockets_per_visitor}
        if visit.assurance != "verified":
            allowed["address", visit.tenant, visit.address] = limits.sockets_per_address
        for key, limit in allowed.items():
            if self._open[key] >= limit:
                raise RateLimited("too many open connections", retry_after_ms=RETRY_AFTER_MS)
        self._open.update(allowed.keys())
        return self._until_closed(tuple(allowed))

    @contextmanager
    def _until_closed(self, keys: tuple[tuple[str, ...], ...]) -> Iterator[None]:
        try:
            yield
        finally:
            for key in keys:
                self._open[key] -= 1
                if not self._open[key]:
                    del self._open[key]
