"""How many sockets and long polls one visitor, and one client address, may hold open at this process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from gateway.config.settings import Config
from gateway.webchat.sessions import Visit
from schemas.errors import RateLimited

TRY_AGAIN_MS = 5_000


class OpenConnections:
    """Built once for the app."""

    def __init__(self, config: Config) -> None:
        self._limits = {name: tenant.limits for name, tenant in config.tenants.items()}
        self._open: Counter[tuple[str, ...]] = Counter()

    def hold(self, visit: Visit) -> AbstractContextManager[None]:
        """Counts one more until the end of the block that it is given to. Raises RateLimited when that would be too
        many: the newest is refused, for a client that comes back whenever it is closed would otherwise close its others
        for ever."""
        limits = self._limits[visit.tenant]
        bounds: dict[tuple[str, ...], int] = {("visitor", visit.conversation): limits.sockets_per_visitor}
        if visit.assurance != "verified":
            bounds["address", visit.tenant, visit.address] = limits.sockets_per_address
        for key, most in bounds.items():
            if self._open[key] >= most:
                raise RateLimited("too many open connections", retry_after_ms=TRY_AGAIN_MS)
        self._open.update(bounds.keys())
        return self._until_closed(tuple(bounds))

    @contextmanager
    def _until_closed(self, keys: tuple[tuple[str, ...], ...]) -> Iterator[None]:
        try:
            yield
        finally:
            for key in keys:
                self._open[key] -= 1
                if not self._open[key]:
                    del self._open[key]
