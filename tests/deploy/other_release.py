"""A process of another release, as far as others can tell: what it writes has fields that we do not know, or lacks
those that came late. Put into a process by ``TEST_RELEASE`` (tests/harness/fork_server.py)."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from infra.bus.sealed_bus import SealedBus
from infra.state.redis.conversations import RedisConversations, RedisTranscript
from schemas.conversation import Facts
from schemas.envelope import Envelope
from schemas.messages import TranscriptMessage
from schemas.topics import DELIVERY_RECORDED, TURN_COMPLETED

CAME_LATE = {DELIVERY_RECORDED: {"seq", "traceparent"}, TURN_COMPLETED: {"cost", "tokens"}}
"""Fields of a payload that a release before did not write."""


class _ExtendedFacts(Facts):
    mood: str = "calm"


class _ExtendedMessage(TranscriptMessage):
    mood: str = "calm"


def become(release: str) -> None:
    """``newer`` or ``older``, for everything this process writes from now on."""
    _rewrite_appends({"newer": _newer, "older": _older}[release])
    if release == "newer":
        _rewrite_state()


def _newer(envelope: Envelope) -> Envelope:
    data = None if envelope.data is None else json.dumps({**json.loads(envelope.data), "later": {"a": [1]}}).encode()
    return replace(envelope, data=data, extra={**envelope.extra, "ce_laterattribute": "x"})


def _older(envelope: Envelope) -> Envelope:
    late = CAME_LATE.get(envelope.type, set())
    value = {} if envelope.data is None else json.loads(envelope.data)
    data = json.dumps({key: part for key, part in value.items() if key not in late}).encode()
    return replace(envelope, data=None if envelope.data is None else data, traceparent="")


def _rewrite_appends(change: Callable[[Envelope], Envelope]) -> None:
    append = SealedBus.append

    async def changed(self: SealedBus, envelopes: Sequence[Envelope], *, topic: str | None = None) -> Any:
        return await append(self, [change(envelope) for envelope in envelopes], topic=topic)

    SealedBus.append = changed  # type: ignore[method-assign]


def _rewrite_state() -> None:
    commit, add = RedisConversations.commit, RedisTranscript.add

    async def committed(self: RedisConversations, conversation: str, *, facts: Facts, **rest: Any) -> Any:
        return await commit(self, conversation, facts=_ExtendedFacts(**facts.model_dump()), **rest)

    async def added(self: RedisTranscript, conversation: str, message: TranscriptMessage) -> int:
        return await add(self, conversation, _ExtendedMessage(**message.model_dump()))

    RedisConversations.commit = committed  # type: ignore[method-assign]
    RedisTranscript.add = added  # type: ignore[method-assign]
