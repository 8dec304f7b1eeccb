"""The state of the server beside the items: tokens, quotas, faults to come, and a record of the requests."""

from __future__ import annotations

import random
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web

from tests.platforms.drive.items import DriveItems
from tests.platforms.drive.protocol import ApiError
from tests.platforms.drive.tokens import TokenServer


@dataclass(frozen=True)
class Fault:
    """``status`` 0: the connection is cut before the answer; 200: in the middle of it; else this error."""

    status: int
    reason: str = ""
    headers: dict[str, str] = field(default_factory=dict)


RATE_LIMITS = (Fault(403, "userRateLimitExceeded"), Fault(429, "rateLimitExceeded"))
OUTAGES = (Fault(500, "internalError"), Fault(502), Fault(503, "backendError"), Fault(0), Fault(200))
STORM = RATE_LIMITS + OUTAGES


class Faults:
    """``next`` are for the next requests of an operation; ``always`` for every one. A storm hits a share of all
    requests, from a seed."""

    def __init__(self) -> None:
        self._next: dict[str, deque[Fault]] = {}
        self.always: dict[str, Fault] = {}
        self._share = 0.0
        self._random = random.Random(0)
        self._kinds: tuple[Fault, ...] = STORM

    def next(self, operation: str, *faults: Fault) -> None:
        self._next.setdefault(operation, deque()).extend(faults)

    def storm(self, share: float, seed: int, kinds: tuple[Fault, ...] = STORM) -> None:
        self._share, self._random, self._kinds = share, random.Random(seed), kinds

    def take(self, operation: str) -> Fault | None:
        if queue := self._next.get(operation):
            return queue.popleft()
        if operation in self.always:
            return self.always[operation]
        if operation != "token" and self._random.random() < self._share:
            return self._random.choice(self._kinds)
        return None


class DriveServer:
    """``max_page_size``: pages are shorter than asked for, as is documented. ``oldest_change``: older page tokens are
    no longer valid. ``unlisted``: files that listings do not show yet. Quotas are per minute and account."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.items = DriveItems()
        self.tokens = TokenServer()
        self.faults = Faults()
        self.port = 0
        self.max_page_size = 1000
        self.oldest_change = 0
        self.is_search_incomplete = False
        self.unlisted: set[str] = set()
        self.is_sheets_enabled = True
        self.drive_quota = 12_000
        self.sheets_quota = 60
        self.window_s = 60.0
        self.requests: list[str] = []
        self.paths: list[str] = []
        self.bearers: list[str] = []
        self.on_request: Callable[[], None] = lambda: None
        self._clock = clock
        self._used: dict[tuple[str, bool], deque[float]] = {}
        self._page_tokens: list[int] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def record(self, operation: str, request: web.Request) -> None:
        self.requests.append(operation)
        self.paths.append(request.path_qs)
        self.bearers.append(request.headers.get("Authorization", ""))
        self.on_request()

    def count(self) -> Counter[str]:
        """The requests since the last count, by operation."""
        counted = Counter(self.requests)
        self.requests.clear()
        self.paths.clear()
        self.bearers.clear()
        return counted

    def take_quota(self, account: str, *, sheets: bool) -> None:
        limit = self.sheets_quota if sheets else self.drive_quota
        used = self._used.setdefault((account, sheets), deque())
        now = self._clock()
        while used and used[0] <= now - self.window_s:
            used.popleft()
        if len(used) >= limit:
            reason = "RATE_LIMIT_EXCEEDED" if sheets else "userRateLimitExceeded"
            raise ApiError(429 if sheets else 403, reason, "Quota exceeded for quota metric 'Queries'")
        used.append(now)

    def page_token(self, start: int) -> str:
        self._page_tokens.append(start)
        return f"~!!~page{len(self._page_tokens) - 1}"

    def page_start(self, token: str) -> int:
        if not token:
            return 0
        number = token.removeprefix("~!!~page")
        if not number.isdigit() or int(number) >= len(self._page_tokens):
            raise ApiError(400, "invalid", "Invalid Value")
        return self._page_tokens[int(number)]
