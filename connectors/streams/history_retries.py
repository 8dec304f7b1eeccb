"""Asking a vendor's history, which is slow on purpose: a limit is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from schemas.errors import SendDelayed

T = TypeVar("T")
TRIES = 5
LONGEST = 90.0
"""Seconds that one question waits at most; vendors let some programs ask once a minute."""


async def patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """The answer to a question that shows nothing to anybody. Raises what ``ask`` does, SendDelayed only at last."""
    for _ in range(TRIES):
        try:
            return await ask()
        except SendDelayed as error:
            wait = (error.retry_after_ms or 1000) / 1000
            if wait > LONGEST:
                raise
            await asyncio.sleep(wait)
    return await ask()
