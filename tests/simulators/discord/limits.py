"""Rate limits: a bucket per route and resource, the bot's own 50 a second, and the count of invalid requests.

Source: the page "Rate Limits" of Discord's documentation. The sizes of the buckets are not documented ("should not be
hard coded"); these are what bots have met.
"""

from __future__ import annotations

import hashlib
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

GLOBAL_PER_SECOND = 50
INVALID = 10_000
INVALID_SECONDS = 600.0
COUNTED = (401, 403, 429)


@dataclass(frozen=True, slots=True)
class Allowance:
    """``name`` is what routes share: two routes with one name have one bucket."""

    name: str
    count: int
    seconds: float


@dataclass(slots=True)
class Bucket:
    left: int
    ends: float


@dataclass(frozen=True, slots=True)
class BucketState:
    """Where a request stands in its bucket. ``wait``: seconds until it is let through; 0: it is."""

    headers: dict[str, str]
    wait: float


class Limits:
    """``pace`` shortens the windows: at 0.1, five messages in half a second, and 50 requests in a tenth of one; at 0
    there is no limit."""

    def __init__(self, now: Callable[[], float], pace: float) -> None:
        self._now = now
        self.pace = pace
        self.global_per_second = GLOBAL_PER_SECOND
        self.invalid_limit = INVALID
        self._buckets: dict[tuple[str, str], Bucket] = {}
        self._invalid: deque[float] = deque()
        self._second = Bucket(0, 0.0)

    def take(self, allowance: Allowance, resource: str) -> BucketState:
        """Use up one request of a bucket, if it has one left."""
        now = self._now()
        bucket = self._buckets.get((allowance.name, resource))
        if bucket is None or bucket.ends <= now:
            bucket = Bucket(allowance.count, now + allowance.seconds * self.pace)
            self._buckets[allowance.name, resource] = bucket
        refused = bucket.left == 0
        bucket.left = max(0, bucket.left - 1)
        after = max(0.001, bucket.ends - now)
        headers = {
            "X-RateLimit-Limit": str(allowance.count),
            "X-RateLimit-Remaining": str(bucket.left),
            "X-RateLimit-Reset": f"{bucket.ends:.3f}",
            "X-RateLimit-Reset-After": f"{after:.3f}",
            "X-RateLimit-Bucket": hashlib.sha256(allowance.name.encode()).hexdigest()[:32],
        }
        return BucketState(headers, after if refused else 0.0)

    def take_global(self) -> float:
        """Seconds to wait because of everything that was asked in this second; 0: none."""
        now = self._now()
        if self._second.ends <= now:
            self._second = Bucket(self.global_per_second, now + self.pace)
        self._second.left -= 1
        return 0.0 if self._second.left >= 0 else self._second.ends - now

    def answered(self, status: int, *, shared: bool) -> None:
        """Count what counts as invalid; a limit on a resource, shared with others, does not."""
        if status in COUNTED and not shared:
            self._invalid.append(self._now())

    @property
    def invalid(self) -> int:
        """Invalid requests of the last ten minutes."""
        while self._invalid and self._invalid[0] <= self._now() - INVALID_SECONDS:
            self._invalid.popleft()
        return len(self._invalid)

    @property
    def banned(self) -> bool:
        """So many that the address is shut out, whatever it asks."""
        return self.invalid >= self.invalid_limit


def whole_seconds(wait: float) -> str:
    """How the Retry-After header says it: rounded up, while the body has the exact number."""
    return str(math.ceil(wait))
