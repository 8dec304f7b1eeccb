"""What a tenant may send in, over all of its channels and ways."""

from __future__ import annotations

import math
from collections.abc import Awaitable

from gateway.parts import Parts
from schemas.errors import RateLimited


class Allowance:
    def __init__(self, parts: Parts) -> None:
        self._limiter = parts.state.limiter
        self._clock = parts.clock
        limits = {name: tenant.limits.inbound_per_s for name, tenant in parts.config.tenants.items()}
        self._limits = {name: (f"inbound:{name}", rate, max(1, math.ceil(rate))) for name, rate in limits.items()}

    def admit_tenant(self, tenant: str) -> Awaitable[None]:
        """Raises RateLimited when the tenant is over its ``inbound_per_s``."""
        return self.take(*self._limits[tenant])

    async def take(self, key: str, per_second: float, burst: int) -> None:
        """Raises RateLimited with the time until one more is allowed."""
        seconds = await self._limiter.take(key, per_second=per_second, burst=burst, now=self._clock())
        if seconds > 0:
            raise RateLimited("too many messages", retry_after_ms=math.ceil(seconds * 1000))
