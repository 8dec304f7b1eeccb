"""Deterministic ids: the same input gives the same id in every process and after every crash."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from uuid import UUID

_NAMESPACE = hashlib.sha1(UUID("6f1d1f6e-6a0b-5d5e-9a39-70a1e7c0de01").bytes, usedforsecurity=False)
"""The hash of the common beginning of every id."""
PROBE = ".probe"
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


def _derive(kind: str, *parts: str) -> str:
    # Length-prefixed, so that ("a", "bc") and ("ab", "c") give different ids.
    return _uuid(kind + "".join([f"|{len(part)}:{part}" for part in parts]))


def _uuid(name: str) -> str:
    # A UUIDv5, computed here because every message needs several, and uuid.uuid5 takes four times as long.
    digest = _NAMESPACE.copy()
    digest.update(name.encode())
    text = digest.hexdigest()
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{_VARIANT[text[16]]}{text[17:20]}-{text[20:32]}"


def conversation_id(tenant: str, channel: str, account: str, place: str) -> str:
    """The conversation at one place; also the Kafka key of everything in it."""
    return _derive("conversation", tenant, channel, account, place)


def contact_id(tenant: str, channel: str, address: str) -> str:
    """The contact first seen under this address; later addresses are linked to it, never renamed."""
    return _derive("contact", tenant, channel, address)


def event_id(
    tenant: str, channel: str, account: str, place: str, external_id: str, kind: str, revision: str = ""
) -> str:
    """One inbound event. ``kind`` is the event type's short name, ``revision`` tells edits and statuses apart."""
    return _uuid(
        f"{_account(tenant, channel, account)}|{len(place)}:{place}|{len(external_id)}:{external_id}"
        f"|{len(kind)}:{kind}|{len(revision)}:{revision}"
    )


@lru_cache(maxsize=1024)
def _account(tenant: str, channel: str, account: str) -> str:
    return f"event|{len(tenant)}:{tenant}|{len(channel)}:{channel}|{len(account)}:{account}"


def turn_id(conversation: str, handled: Iterable[str]) -> str:
    """The turn that answers exactly these events, in any order."""
    return _derive("turn", conversation, *sorted(handled))


@lru_cache(maxsize=1024)
def turn_record_id(turn: str) -> str:
    """The event that records a completed turn. Cached, because publishing a turn needs it twice."""
    return derived_id(turn, "turn")


def reply_id(turn: str, index: int) -> str:
    """The ``index``-th reply of a turn (0-based)."""
    return _uuid(f"reply|{len(turn)}:{turn}|{len(str(index))}:{index}")


def action_key(tenant: str, conversation: str, action: str, arguments: str, authority: str) -> str:
    """The id of one action, the same for every attempt; also its idempotency key in other systems. ``arguments`` in
    canonical form."""
    return _derive("action", tenant, conversation, action, arguments, authority)


def part_id(message: str, index: int, count: int) -> str:
    """One piece of a message that is sent in several pieces. The last one has the message's own id: its outcome is the
    outcome of the whole message. See ``message_of_part``."""
    return message if index == count - 1 else f"{message}.{index}"


def live_part_id(message: str) -> str:
    """The piece of a message that was shown while it was written; it becomes the message's first piece."""
    return f"{message}.stream"


def probe_id(part: str, at: datetime) -> str:
    """The marker of a request that only makes the vendor report something after the attempt that ended ``at``."""
    return f"{part}{PROBE}{int(at.timestamp() * 1000)}"


def message_of_part(part: str) -> str:
    """The message that a part belongs to."""
    return part.partition(".")[0]


def derived_id(origin: str, purpose: str, n: int = 0) -> str:
    """An event caused by ``origin``: a snapshot, a turn record, an ownership change, the n-th replay."""
    return _uuid(f"derived|{len(origin)}:{origin}|{len(purpose)}:{purpose}|{len(str(n))}:{n}")
