"""Retries inside a lane: which failures are tried again, how soon, and when a record is given up on."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import datetime
from enum import Enum
from typing import TypeVar

import structlog

from infra.bus.lane import LaneBatch
from schemas.errors import Fenced, Parked, ParleyError, StateLost, TemporaryRefusal, Unavailable
from schemas.ports import GiveUp, LaneHandler

log = structlog.get_logger("parley.lanes")

T = TypeVar("T")
_FIRST_DELAY = 0.05
_LONGEST_DELAY = 30.0
_LONGEST_OUTAGE_DELAY = 5.0
"""The longest time until a lane notices that the store or the broker is back."""
_LONGEST_LOSS_DELAY = 1.0
"""The same for lost shards: their rebuild takes seconds, and the store itself answers."""
_FENCED_LIMIT = 50


class BatchOutcome(Enum):
    DONE = "done"
    """Answered, or given up on: the records need no more work."""
    INTERRUPTED = "interrupted"
    """The partition is being taken away: the records are read again by its next owner."""


async def run_handler(
    handler: LaneHandler, give_up: GiveUp, batch: LaneBatch, attempts: int
) -> BatchOutcome | datetime:
    """Run the handler until its batch is done; a datetime means: park the unfinished records until then.

    An outage of the store or broker is waited for without limit, because no record is at fault. Other failures count;
    after ``attempts`` of them the records are tried one by one, so that only the one at fault is given up on."""
    failures = fenced = waits = 0
    failure: BaseException
    while True:
        try:
            await handler(batch)
            return BatchOutcome.DONE
        except Parked as parked:
            return parked.until
        except TemporaryRefusal as error:
            waits += 1
            pause, failure = _outage_pause(waits, error), error
        except Fenced as error:
            fenced += 1
            failures += fenced > _FENCED_LIMIT
            pause, failure = min(1.0, 0.01 * fenced), error
        except (Exception, asyncio.CancelledError) as error:
            _raise_own_cancellation(error)
            failures += attempts if isinstance(error, ParleyError) and not error.retryable else 1
            pause, failure = max(_requested_wait(error), _backoff(failures, _LONGEST_DELAY)), error
        if failures >= attempts:
            return await _single_out(handler, give_up, batch, attempts, failure)
        log.info("lane_retry", conversation_id=batch.conversation, attempt=batch.attempt, code=_code(failure))
        batch.attempt += 1
        if await wait_or_stop(batch.revoking, pause):
            return BatchOutcome.INTERRUPTED


def _raise_own_cancellation(error: BaseException) -> None:
    """Our own cancellation means that we are fenced; a cancellation that leaks out of something the handler awaited is
    a failure like others."""
    task = asyncio.current_task()
    if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
        raise error


async def _single_out(
    handler: LaneHandler, give_up: GiveUp, batch: LaneBatch, attempts: int, failure: BaseException
) -> BatchOutcome | datetime:
    if len(batch.records) == 1:
        return await _give_up(give_up, batch, failure)
    for single in batch.split():
        outcome = await run_handler(handler, give_up, single, attempts)
        if outcome is not BatchOutcome.DONE:
            return outcome
        batch.finished += 1
    return BatchOutcome.DONE


async def _give_up(give_up: GiveUp, batch: LaneBatch, failure: BaseException) -> BatchOutcome:
    log.error("gave_up", conversation_id=batch.conversation, code=_code(failure), exc_info=failure)
    error = failure if isinstance(failure, Exception) else RuntimeError("cancelled from within")

    async def write() -> bool:
        await give_up(batch.conversation, list(batch.records), error, batch.attempt)
        return True

    done = await retry_until_success(batch.revoking, write, "give_up_failed", conversation_id=batch.conversation)
    return BatchOutcome.DONE if done else BatchOutcome.INTERRUPTED


async def retry_until_success(
    hurry: asyncio.Event, action: Callable[[], Awaitable[T]], trouble: str, **context: object
) -> T | None:
    """Repeat an action that no record can be blamed for, until it succeeds; None when ``hurry`` ended the waiting."""
    waits = 0
    while True:
        try:
            return await action()
        except Exception as error:
            waits += 1
            if waits == 1:
                log.warning(trouble, code=_code(error), reason=str(error), **context)
            if await wait_or_stop(hurry, _outage_pause(waits, error)):
                return None


def _outage_pause(waits: int, error: Exception) -> float:
    longest = _LONGEST_LOSS_DELAY if isinstance(error, StateLost) else _LONGEST_OUTAGE_DELAY
    return max(_requested_wait(error), _backoff(waits, longest))


def _requested_wait(error: BaseException) -> float:
    """The requested wait in seconds. A server of ours that is down asks for a fixed wait without knowing, so it is
    retried earlier."""
    requested_ms = error.retry_after_ms if isinstance(error, ParleyError) else None
    share = 0.1 if isinstance(error, Unavailable) else 1.0
    return 0.0 if requested_ms is None else min(share * requested_ms / 1000, _LONGEST_DELAY)


def _backoff(n: int, longest: float) -> float:
    most = min(longest, _FIRST_DELAY * 2.0 ** min(n, 12))
    return random.uniform(most / 2, most)


async def wait_or_stop(hurry: asyncio.Event, seconds: float) -> bool:
    """Wait; True as soon as ``hurry`` is set."""
    try:
        async with asyncio.timeout(seconds):
            await hurry.wait()
    except TimeoutError:
        return False
    return True


def _code(error: BaseException) -> str:
    return error.code if isinstance(error, ParleyError) else type(error).__name__
