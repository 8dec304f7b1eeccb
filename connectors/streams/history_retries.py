"""Retries for requests to a vendor's history, which wait out rate limits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from schemas.errors import RetryLater

T = TypeVar("T")
MAX_ATTEMPTS = 5
MAX_WAIT = 90.0
"""Seconds per wait; vendors allow some programs one request a minute."""


async def retry_when_limited(ask: Callable[[], Awaitable[T]]) -> T:
    """Return the result of ``ask``, a request without side effects. Raises what ``ask`` does; RetryLater only after
    the last attempt."""
    for _ in range(MAX_ATTEMPTS):
        try:
            return await ask()
        except RetryLater as error:
            wait = (error.retry_after_ms or 1000) / 1000
            if wait > MAX_WAIT:
                raise
            await asyncio.sleep(wait)
    return await ask()
