"""Side effects on Redis: deliveries with the vendors' ids, and the journal of actions."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import cast
from uuid import uuid4

from infra.bus.partitioner import shard_of
from infra.state import journal_rules, rules
from infra.state.redis.client import codec, listing
from infra.state.redis.client.sealed_values import SealedValues
from infra.state.redis.client.shards import Shards
from infra.state.redis.conversations import PRECEDING_STATES
from schemas.actions import ActionIntended, ActionSettled, JournalEntry
from schemas.conversation import DeliveryOutcome
from schemas.messages import OutboundMessage, TranscriptMessage
from schemas.ports import ActionClaim, RecordedLine, SendVerdict, VendorMessage

_VERDICTS: dict[str, SendVerdict] = {
    "go": "go",
    "in_doubt": "in_doubt",
    "stale_owner": "stale_owner",
    "expired": "expired",
    "sent": "already_sent",
    "failed": "already_sent",
    "unknown": "in_doubt",
}


async def pack_delivery(values: SealedValues, conversation: str, outcome: DeliveryOutcome) -> bytes:
    plain = f"{outcome.state} {outcome.model_dump_json()}"
    return await values.seal(conversation, plain, after=b" ", readable=rules.list_readable(outcome))


def _pack_shown(line: TranscriptMessage) -> tuple[str, str, bytes]:
    return line.state, PRECEDING_STATES[line.state], b"" if line.state == "dropped" else codec.pack_line(line)[1]


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

    async def record(
        self,
        conversation: str,
        outcome: DeliveryOutcome,
        *,
        bound: VendorMessage | None = None,
        line: TranscriptMessage | None = None,
    ) -> RecordedLine:
        shown = () if line is None else _pack_shown(line)
        if shown and shown[2]:
            shown = (*shown[:2], await self._shards.values.seal_line(conversation, shown[2]))
        if bound is not None:
            key = (bound.tenant, bound.channel, bound.account, bound.external_id)
            await self.bind(*key, conversation, bound.message_id)
        seq, is_new = await self._shards.run_for(
            conversation,
            "record_delivery",
            ("d:", "dt:", "i", "c:", "t:", "n:", "p:"),
            conversation,
            outcome.message_id,
            await pack_delivery(self._shards.values, conversation, outcome),
            rules.to_micros(outcome.at),
            codec.KEEP,
            *shown,
        )
        return RecordedLine(int(seq), bool(is_new))

    async def outcome(self, conversation: str, message_id: str) -> DeliveryOutcome | None:
        (entry,) = await self._shards.run_for(conversation, "read_hash_field", ("d:",), message_id)
        if entry is None or entry.startswith(b"?"):
            return None
        opened = await self._shards.values.open(entry, after=b" ")
        if opened is None:
            return rules.forget_outcome(message_id, entry.partition(b" ")[2])
        return DeliveryOutcome.model_validate_json(opened.partition(b" ")[2])

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


COUNTED = int(journal_rules.COUNTED.total_seconds())


def pack_action(settled: ActionSettled) -> str:
    return f"{settled.outcome} {settled.model_dump_json()}"


def count_key(shards: Shards, tenant: str, contact: str, action: str, day: str) -> tuple[int, str]:
    """``(shard, key)``: the shard follows from the contact, whatever the conversation."""
    shard = shard_of(f"actions:{tenant}:{contact}")
    return shard, shards.key(shard, "jc", tenant, contact, action, day)


class RedisJournal:
    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def claim(
        self, conversation: str, intended: ActionIntended, *, token: int, epoch: int, now: datetime
    ) -> ActionClaim:
        body = await self._shards.values.seal(conversation, intended.model_dump_json())
        verdict, *known = await self._shards.run_for(
            conversation,
            "journal_claim",
            ("c:", "j:", "jo:", "jt:", "ji"),
            *(conversation, intended.key, uuid4().hex, body),
            *(rules.to_micros(intended.at), rules.to_micros(intended.due), token, epoch),
            *(rules.to_micros(now - journal_rules.HORIZON), codec.KEEP),
        )
        if verdict == b"known":
            return ActionClaim("known", await self._parse(known[0], known[1]))
        return ActionClaim("go" if verdict == b"go" else "stale")

    async def withdraw(self, conversation: str, key: str) -> None:
        await self._shards.run_for(conversation, "journal_withdraw", ("j:", "jo:", "jt:", "ji"), conversation, key)

    async def record(self, conversation: str, settled: ActionSettled) -> None:
        outcome = await self._shards.values.seal(conversation, pack_action(settled), after=b" ")
        await self._shards.run_for(
            conversation,
            "journal_record",
            ("j:", "jo:", "ji"),
            *(conversation, settled.key, outcome, int(settled.resolved), codec.KEEP),
        )

    async def entry(self, conversation: str, key: str) -> JournalEntry | None:
        intended, settled = await self._shards.run_for(conversation, "journal_entry", ("j:", "jo:"), key)
        return None if intended is None else await self._parse(intended, settled)

    async def find_by_authority(self, conversation: str, authorities: Collection[str]) -> list[JournalEntry]:
        return [entry for entry in await self._all(conversation) if entry.intended.authority in authorities]

    async def list_in_doubt(self, conversation: str) -> list[JournalEntry]:
        return [entry for entry in await self._all(conversation) if entry.in_doubt]

    async def _all(self, conversation: str) -> list[JournalEntry]:
        flat, outcomes = await self._shards.run_for(conversation, "journal_entries", ("j:", "jo:"))
        settled: Mapping[bytes, bytes] = dict(codec.pairs(outcomes))
        parsed = [await self._parse(intended, settled.get(key)) for key, intended in codec.pairs(flat)]
        entries = [entry for entry in parsed if entry is not None]
        return sorted(entries, key=lambda entry: (entry.intended.at, entry.intended.key))

    async def _parse(self, intended: bytes, settled: bytes | None) -> JournalEntry | None:
        """None for an action of somebody who was erased."""
        body, outcome = await self._shards.values.open_all([intended, settled], after=b" ")
        return None if body is None else _entry(body, outcome)

    async def unresolved(self, *, before: datetime, limit: int) -> list[tuple[str, str]]:
        found = await listing.read_due(self._shards, "ji", rules.to_micros(before), limit)
        return [cast(tuple[str, str], tuple(member.split(" ", 1))) for _, member in found]

    async def postpone(self, conversation: str, key: str, until: datetime) -> None:
        await self._shards.run_for(
            conversation, "postpone_due", ("ji",), f"{conversation} {key}", rules.to_micros(until)
        )

    async def admit(self, tenant: str, contact: str, action: str, day: str, key: str, *, most: int) -> bool:
        shard, counted = count_key(self._shards, tenant, contact, action, day)
        (admitted,) = await self._shards.run(shard, "admit_action", [counted], key, most, COUNTED)
        return bool(admitted)

    async def count_admitted(self, tenant: str, contact: str, action: str, day: str) -> int:
        shard, counted = count_key(self._shards, tenant, contact, action, day)
        (admitted,) = await self._shards.run(shard, "count_admitted", [counted])
        return int(admitted)


def _entry(intended: bytes, settled: bytes | None) -> JournalEntry:
    return JournalEntry(
        intended=ActionIntended.model_validate_json(intended.partition(b" ")[2]),
        settled=ActionSettled.model_validate_json(settled.partition(b" ")[2]) if settled else None,
    )
