"""Encode headers for the file: a JSON list of the attributes in a fixed order. Their names would double the bytes of
every record.

The order is part of the file format: no name may ever be moved, removed or inserted."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Any

import orjson

from schemas.envelope import CONTENT_TYPE, SPEC_VERSION, Envelope
from schemas.privacy.contact_keys import SEALED

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
_SEAL_NAMES = ("content-type", "ce_contact", "ce_keygeneration")
_SEAL_KEYS = frozenset(_SEAL_NAMES)


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
            *([_pack_extra(event.extra)] if event.extra else []),
        )
    )


def unpack(stored: bytes) -> dict[str, str]:
    """The headers as ``Envelope.headers`` returned them. Older files hold them as a JSON object."""
    values: list[Any] | dict[str, str] = orjson.loads(stored)
    if isinstance(values, dict):
        return values
    headers = {name: text for name, text in zip(_NAMES, values, strict=False) if text}
    headers["ce_specversion"] = SPEC_VERSION
    headers["content-type"] = CONTENT_TYPE
    if len(values) > len(_NAMES):
        extra: list[str] | dict[str, str] = values[-1]
        headers |= extra if isinstance(extra, dict) else zip(_SEAL_NAMES, (SEALED, *extra), strict=True)
    return headers


def _pack_extra(extra: Mapping[str, str]) -> Mapping[str, str] | tuple[str, ...]:
    """The headers of a seal, which nearly every record has, without their names; any others as they are."""
    if extra.keys() == _SEAL_KEYS and extra["content-type"] == SEALED:
        return extra["ce_contact"], extra["ce_keygeneration"]
    return extra
