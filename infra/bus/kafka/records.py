"""Records as the client hands them out → records as the port describes them."""

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
