"""Deliveries on Redis: the intent to send, its outcome, and the vendor's ids."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import cast
from uuid import uuid4

from infra.bus.partitioner import shard_of
from infra.state import rules
from infra.state.redis.client import codec, listing
from infra.state.redis.client.shards import Shards
from schemas.conversation import DeliveryOutcome
from schemas.messages import OutboundMessage
from schemas.ports import SendVerdict

_VERDICTS: dict[str, SendVerdict] = {
    "go": "go",
    "in_doubt": "in_doubt",
    "stale_owner": "stale_owner",
    "expired": "expired",
    "sent": "already_sent",
    "failed": "already_sent",
    "unknown": "in_doubt",
}


def pack(outcome: DeliveryOutcome) -> str:
    return f"{outcome.state} {outcome.model_dump_json()}"


def external_key(shards: Shards, tenant: str, channel: str, account: str, external_id: str) -> tuple[int, str]:
    """``(shard, key)``: the shard follows from the vendor's id, because a receipt knows nothing else."""
    shard = shard_of(f"external:{tenant}:{channel}:{account}:{external_id}")
    return shard, shards.key(shard, "e", tenant, channel, account, external_id)


class RedisDeliveries:
    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def begin_send(
        self, conversation: str, message: OutboundMessage, *, deadline: float, now: datetime
    ) -> SendVerdict:
        return await self._begin(conversation, message, deadline, now, again=False)

    async def begin_resend(
        self,
        conversation: str,
        message: OutboundMessage,
        *,
        deadline: float,
        now: datetime,
        held: datetime | None = None,
    ) -> SendVerdict:
        return await self._begin(conversation, message, deadline, now, again=True, held=held)

    async def _begin(
        self,
        conversation: str,
        message: OutboundMessage,
        deadline: float,
        now: datetime,
        *,
        again: bool,
        held: datetime | None = None,
    ) -> SendVerdict:
        (verdict,) = await self._shards.run_for(
            conversation,
            "begin_send",
            ("c:", "d:", "dt:", "i"),
            conversation,
            message.id,
            uuid4().hex,
            rules.to_micros(now),
            rules.to_micros(now + timedelta(seconds=deadline)),
            int(now >= message.expires_at),
            message.epoch if message.author.kind == "agent" else "",
            rules.to_micros(now - rules.DELIVERY_HORIZON),
            codec.KEEP,
            int(again),
            "" if held is None else rules.to_micros(held),
        )
        return _VERDICTS[verdict.decode()]

    async def withdraw(self, conversation: str, message_id: str) -> None:
        await self._shards.run_for(conversation, "withdraw_send", ("d:", "dt:", "i"), conversation, message_id)

    async def intent_deadline(self, conversation: str, message_id: str) -> datetime | None:
        (deadline,) = await self._shards.run_for(conversation, "read_score", ("i",), f"{conversation} {message_id}")
        return None if deadline is None else rules.from_micros(int(float(deadline)))

    async def record(self, conversation: str, outcome: DeliveryOutcome) -> None:
        await self._shards.run_for(
            conversation,
            "record_delivery",
            ("d:", "dt:", "i"),
            conversation,
            outcome.message_id,
            pack(outcome),
            rules.to_micros(outcome.at),
            codec.KEEP,
        )

    async def outcome(self, conversation: str, message_id: str) -> DeliveryOutcome | None:
        (entry,) = await self._shards.run_for(conversation, "read_hash_field", ("d:",), message_id)
        if entry is None or entry.startswith(b"?"):
            return None
        return DeliveryOutcome.model_validate_json(entry.partition(b" ")[2])

    async def by_external_id(self, tenant: str, channel: str, account: str, external_id: str) -> tuple[str, str] | None:
        shard, key = external_key(self._shards, tenant, channel, account, external_id)
        (value,) = await self._shards.run(shard, "read_value", [key])
        return None if value is None else cast(tuple[str, str], tuple(value.decode().split("\n", 1)))

    async def bind(
        self, tenant: str, channel: str, account: str, external_id: str, conversation: str, message_id: str
    ) -> None:
        shard, key = external_key(self._shards, tenant, channel, account, external_id)
        await self._shards.run(shard, "put_value", [key], f"{conversation}\n{message_id}", codec.KEEP)

    async def unresolved(self, *, before: datetime, limit: int) -> list[tuple[str, str]]:
        found = await listing.read_due(self._shards, "i", rules.to_micros(before), limit)
        return [cast(tuple[str, str], tuple(member.split(" ", 1))) for _, member in found]
