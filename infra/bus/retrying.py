"""Retries inside a lane: which failures are tried again, how soon, and when a record is given up (design §6)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import datetime
from enum import Enum
from typing import TypeVar

import structlog

from infra.bus.lane import LaneBatch
from schemas.errors import Fenced, Parked, ParleyError, RefusedForNow, Unavailable
from schemas.ports import GiveUp, LaneHandler

log = structlog.get_logger("parley.lanes")

T = TypeVar("T")
_FIRST_DELAY = 0.05
_LONGEST_DELAY = 30.0
_LONGEST_OUTAGE_DELAY = 5.0
"""How late a lane may notice that the store or the broker is back."""
_FENCED_LIMIT = 50


class Outcome(Enum):
    DONE = "done"
    """Answered, or given up: the records need no more work."""
    INTERRUPTED = "interrupted"
    """The partition is being taken away: the records are read again by its next owner."""


async def attempt(handler: LaneHandler, give_up: GiveUp, batch: LaneBatch, attempts: int) -> Outcome | datetime:
    """Run the handler until its batch is done; a datetime means: park what is not settled until then.

    A store or broker that is away is waited for without limit, because no record is at fault. Other failures count;
    after ``attempts`` of them the records are tried one by one, so that only the one at fault is given up.
    """
    failures = fenced = waits = 0
    failure: BaseException
    while True:
        try:
            await handler(batch)
            return Outcome.DONE
        except Parked as parked:
            return parked.until
        except RefusedForNow as error:
            waits += 1
            pause, failure = _outage_pause(waits, error), error
        except Fenced as error:
            fenced += 1
            failures += fenced > _FENCED_LIMIT
            pause, failure = min(1.0, 0.01 * fenced), error
        except (Exception, asyncio.CancelledError) as error:
            _raise_own_cancellation(error)
            failures += attempts if isinstance(error, ParleyError) and not error.retryable else 1
            pause, failure = max(_asked(error), _backoff(failures, _LONGEST_DELAY)), error
        if failures >= attempts:
            return await _single_out(handler, give_up, batch, attempts, failure)
        log.info("lane_retry", conversation_id=batch.conversation, attempt=batch.attempt, code=_code(failure))
        batch.attempt += 1
        if await interrupted(batch.hurry, pause):
            return Outcome.INTERRUPTED


def _raise_own_cancellation(error: BaseException) -> None:
    """We are fenced; while a cancellation that leaks out of something the handler awaited is a failure like others."""
    task = asyncio.current_task()
    if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
        raise error


async def _single_out(
    handler: LaneHandler, give_up: GiveUp, batch: LaneBatch, attempts: int, failure: BaseException
) -> Outcome | datetime:
    if len(batch.records) == 1:
        return await _surrender(give_up, batch, failure)
    for single in batch.singly():
        outcome = await attempt(handler, give_up, single, attempts)
        if outcome is not Outcome.DONE:
            return outcome
        batch.settled += 1
    return Outcome.DONE


async def _surrender(give_up: GiveUp, batch: LaneBatch, failure: BaseException) -> Outcome:
    log.error("gave_up", conversation_id=batch.conversation, code=_code(failure), exc_info=failure)
    error = failure if isinstance(failure, Exception) else RuntimeError("cancelled from within")

    async def write() -> bool:
        await give_up(batch.conversation, list(batch.records), error, batch.attempt)
        return True

    done = await patiently(batch.hurry, write, "give_up_failed", conversation_id=batch.conversation)
    return Outcome.DONE if done else Outcome.INTERRUPTED


async def patiently(
    hurry: asyncio.Event, action: Callable[[], Awaitable[T]], trouble: str, **context: object
) -> T | None:
    """Do something that no record can be blamed for, until it succeeds; None when ``hurry`` ended the waiting."""
    waits = 0
    while True:
        try:
            return await action()
        except Exception as error:
            waits += 1
            if waits == 1:
                log.warning(trouble, code=_code(error), reason=str(error), **context)
            if await interrupted(hurry, _outage_pause(waits, error)):
                return None


def _outage_pause(waits: int, error: Exception) -> float:
    return max(_asked(error), _backoff(waits, _LONGEST_OUTAGE_DELAY))


def _asked(error: BaseException) -> float:
    """The wait that was asked for, in seconds. A server of ours that is away asks blindly, so it is tried earlier."""
    asked = error.retry_after_ms if isinstance(error, ParleyError) else None
    share = 0.1 if isinstance(error, Unavailable) else 1.0
    return 0.0 if asked is None else min(share * asked / 1000, _LONGEST_DELAY)


def _backoff(n: int, longest: float) -> float:
    most = min(longest, _FIRST_DELAY * 2.0 ** min(n, 12))
    return random.uniform(most / 2, most)


async def interrupted(hurry: asyncio.Event, seconds: float) -> bool:
    """Wait; True as soon as ``hurry`` is set."""
    try:
        async with asyncio.timeout(seconds):
            await hurry.wait()
    except TimeoutError:
        return False
    return True


def _code(error: BaseException) -> str:
    return error.code if isinstance(error, ParleyError) else type(error).__name__
