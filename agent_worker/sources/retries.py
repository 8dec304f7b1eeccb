"""Requests to a vendor's server that are repeated while they fail for a reason that may pass."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

import aiohttp
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt

from schemas.errors import RateLimited, Unavailable

Value = TypeVar("Value")
Sleep = Callable[[float], Awaitable[object]]
MAX_ATTEMPTS = 7
_MAX_DIGITS = 9


class TemporaryFailure(Exception):
    """A failure that may pass. ``retry_after``: seconds that the server asks for, 0 if it says nothing; ``is_limit``:
    too much was asked of it."""

    def __init__(self, why: str, *, retry_after: float = 0.0, is_limit: bool = False) -> None:
        super().__init__(why)
        self.retry_after = retry_after
        self.is_limit = is_limit


@dataclass(frozen=True, slots=True)
class Retries:
    """Truncated exponential backoff with jitter. ``vendor``: its name in errors. The server may ask for another delay;
    a longer one than ``max_wait_s`` ends the sync, which goes on at the next one."""

    vendor: str
    attempts: int = MAX_ATTEMPTS
    first_delay_s: float = 1.0
    max_delay_s: float = 64.0
    max_wait_s: float = 120.0
    sleep: Sleep = asyncio.sleep

    async def run(self, send: Callable[[], Awaitable[Value]]) -> Value:
        """Repeat ``send`` while it raises TemporaryFailure, or its connection breaks. Raises RateLimited and
        Unavailable."""
        retrying = AsyncRetrying(
            sleep=self._pause,
            stop=stop_after_attempt(self.attempts),
            wait=self._wait,
            retry=retry_if_exception(self._may_pass),
            reraise=True,
        )

        async def attempt() -> Value:
            return await send()

        try:
            return await retrying(attempt)
        except TemporaryFailure as error:
            failure = error
        except (aiohttp.ClientError, TimeoutError) as error:
            failure = TemporaryFailure(type(error).__name__)
        if failure.retry_after > self.max_wait_s:
            message = f"{self.vendor} asks to wait {failure.retry_after:.0f} s"
            raise RateLimited(message, fix="sync again later", retry_after_ms=int(failure.retry_after * 1000))
        problem = RateLimited if failure.is_limit else Unavailable
        message = f"{self.vendor} does not answer ({failure}, {self.attempts} attempts)"
        raise problem(message, fix="sync again later")

    def delay(self, attempt: int, retry_after: float) -> float:
        """Seconds before the next attempt; ``attempt`` counts from 0."""
        if retry_after:
            return retry_after + random.uniform(0, self.first_delay_s)
        return min(self.max_delay_s, self.first_delay_s * 2.0**attempt) * random.uniform(0.5, 1)

    def _may_pass(self, error: BaseException) -> bool:
        if isinstance(error, TemporaryFailure):
            return error.retry_after <= self.max_wait_s
        return isinstance(error, (aiohttp.ClientError, TimeoutError))

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome is not None else None
        return self.delay(state.attempt_number - 1, getattr(error, "retry_after", 0.0))

    async def _pause(self, seconds: float) -> None:
        await self.sleep(seconds)


def read_retry_after(headers: Mapping[str, str]) -> float:
    """Seconds that the server asks to wait, as a number or until a date; 0 if it says nothing."""
    value = headers.get("Retry-After", "")
    if value.isascii() and value.isdigit():
        return float(value[:_MAX_DIGITS])
    try:
        wait = parsedate_to_datetime(value) - datetime.now(UTC)
    except (ValueError, TypeError):
        return 0.0
    return max(0.0, wait.total_seconds())
