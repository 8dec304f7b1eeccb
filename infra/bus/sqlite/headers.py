"""Headers as the file holds them: a JSON list of the attributes in a fixed order. Their names would be as many bytes
again, on every record, written twice.

The order is part of the file's format: no name may ever be moved, taken out or put in.
"""

from __future__ import annotations

from datetime import UTC
from typing import Any

import orjson

from schemas.envelope import CONTENT_TYPE, SPEC_VERSION, Envelope

_NAMES = (
    "ce_id",
    "ce_type",
    "ce_source",
    "ce_tenant",
    "ce_channel",
    "ce_account",
    "ce_conversation",
    "ce_subject",
    "ce_correlationid",
    "ce_causationid",
    "ce_replayof",
    "traceparent",
    "ce_time",
)


def pack(event: Envelope) -> bytes:
    """Raises TypeError for text that is not Unicode."""
    return orjson.dumps(
        (
            event.id,
            event.type,
            event.source,
            event.tenant,
            event.channel,
            event.account,
            event.conversation,
            event.subject,
            event.correlation_id,
            event.causation_id,
            event.replay_of,
            event.traceparent,
            event.time if event.time.tzinfo is UTC else event.time.astimezone(UTC),
            *([event.extra] if event.extra else []),
        )
    )


def unpack(stored: bytes) -> dict[str, str]:
    """What ``Envelope.headers`` said. Older files hold just that, as a JSON object."""
    found: list[Any] | dict[str, str] = orjson.loads(stored)
    if isinstance(found, dict):
        return found
    headers = {name: text for name, text in zip(_NAMES, found, strict=False) if text}
    headers["ce_specversion"] = SPEC_VERSION
    headers["content-type"] = CONTENT_TYPE
    if len(found) > len(_NAMES):
        headers |= found[-1]
    return headers
