"""Helpers around the client's consumers: decode records, detect dead fetch loops, stop cleanly."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

from schemas.ports import Record

log = structlog.get_logger("parley.bus")


def record_of(raw: Any, topic: str) -> Record:
    """Convert the client's ConsumerRecord ``raw``; ``topic`` is the logical name. Never fails: an undecodable record
    must stay readable."""
    key = raw.key
    return Record(
        topic=topic,
        partition=raw.partition,
        offset=raw.offset,
        key="" if key is None else key.decode(errors="replace"),
        timestamp_ms=raw.timestamp,
        headers={name: "" if text is None else text.decode(errors="replace") for name, text in raw.headers},
        value=raw.value,
    )


def has_died(consumer: Any) -> bool:
    """Return whether the consumer's fetch loop has ended with an error. The client then returns nothing for ever
    without an error, so this reads its private state."""
    return bool(consumer._fetcher.error_future.done())


def generation_of(consumer: Any) -> int:
    """The group's generation as the client knows it now. When the broker has forgotten the member, the client resets it
    at once, before any listener is called, and from then on commits like a tool outside of the group, which an empty
    group accepts. There is no public way to ask."""
    return int(consumer._coordinator.generation)


async def stop(consumer: Any) -> None:
    """Stop the consumer in whatever state it is. While its broker is down, or after its tasks have died, the client
    raises midway (even CancelledError, though nobody cancelled anything) and leaves its connections open."""
    ending = asyncio.ensure_future(consumer.stop())
    await asyncio.wait({ending})
    error = asyncio.CancelledError() if ending.cancelled() else ending.exception()
    if error is not None:
        log.info("kafka_consumer_stop", reason=repr(error))
        await consumer._client.close()
