"""What the client's consumers hand out → what the ports describe."""

from __future__ import annotations

from typing import Any

from schemas.ports import Record


def record_of(raw: Any, topic: str) -> Record:
    """``raw`` is the client's ConsumerRecord, ``topic`` the logical name. Never fails: poison has to stay readable."""
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
    """Whether the consumer's fetch loop has ended with an error. The client then returns nothing for ever and tells
    nobody, so this looks behind its public face."""
    return bool(consumer._fetcher.error_future.done())
