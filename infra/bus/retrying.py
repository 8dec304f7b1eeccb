"""Retries inside a lane: which failures are tried again, how soon, and when a record is given up (design §6)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import datetime
from enum import Enum

import structlog

from infra.bus.lane import LaneBatch
from schemas.errors import Fenced, Parked, ParleyError, RefusedForNow
from schemas.ports import GiveUp, LaneHandler

log = structlog.get_logger("parley.lanes")

_FIRST_DELAY = 0.05
_LONGEST_DELAY = 30.0
_FENCED_LIMIT = 50


class Outcome(Enum):
    DONE = "done"
    """Answered, or given up: the records need no more work."""
    INTERRUPTED = "interrupted"
    """The partition is being taken away: the records are read again by its next owner."""


async def attempt(handler: LaneHandler, give_up: GiveUp, batch: LaneBatch, attempts: int) -> Outcome | datetime:
    """Run the handler until its batch is done; a datetime means: park the records until then.

    A store or broker that is away is waited for without limit, because no record is at fault. Other failures count;
    after ``attempts`` of them the records are tried one by one, so that only the one at fault is given up.
    """
    failures = fenced = waits = 0
    failure: Exception
    while True:
        try:
            await handler(batch)
            return Outcome.DONE
        except Parked as parked:
            return parked.until
        except RefusedForNow as error:
            waits += 1
            pause, failure = _backoff(waits, error.retry_after_ms), error
        except Fenced as error:
            fenced += 1
            failures += fenced > _FENCED_LIMIT
            pause, failure = min(1.0, 0.01 * fenced), error
        except Exception as error:
            failures += attempts if isinstance(error, ParleyError) and not error.retryable else 1
            pause, failure = _backoff(failures, None), error
        if failures >= attempts:
            return await _give_up(handler, give_up, batch, failure)
        log.info("lane_retry", conversation_id=batch.conversation, attempt=batch.attempt, code=_code(failure))
        batch.attempt += 1
        if await interrupted(batch.hurry, pause):
            return Outcome.INTERRUPTED


async def _give_up(handler: LaneHandler, give_up: GiveUp, batch: LaneBatch, failure: Exception) -> Outcome | datetime:
    if len(batch.records) == 1:
        log.error("gave_up", conversation_id=batch.conversation, code=_code(failure), exc_info=failure)
        done = await _until_written(batch, lambda: give_up(batch.conversation, batch.records, failure, batch.attempt))
        return Outcome.DONE if done else Outcome.INTERRUPTED
    for record in list(batch.records):
        outcome = await attempt(handler, give_up, batch.alone(record), 1)
        if outcome is not Outcome.DONE:
            return outcome
    return Outcome.DONE


async def _until_written(batch: LaneBatch, write: Callable[[], Awaitable[None]]) -> bool:
    waits = 0
    while True:
        try:
            await write()
            return True
        except RefusedForNow as error:
            waits += 1
            if await interrupted(batch.hurry, _backoff(waits, error.retry_after_ms)):
                return False


def _backoff(n: int, retry_after_ms: int | None) -> float:
    longest = min(_LONGEST_DELAY, _FIRST_DELAY * 2 ** min(n, 12))
    floor = 0.0 if retry_after_ms is None else min(retry_after_ms / 1000, _LONGEST_DELAY) * 0.1
    return max(floor, random.uniform(longest / 2, longest))


async def interrupted(hurry: asyncio.Event, seconds: float) -> bool:
    """Wait; True as soon as ``hurry`` is set."""
    try:
        await asyncio.wait_for(hurry.wait(), seconds)
    except TimeoutError:
        return False
    return True


def _code(error: Exception) -> str:
    return error.code if isinstance(error, ParleyError) else type(error).__name__
