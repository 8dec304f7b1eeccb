"""The journal of actions on Redis."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import cast
from uuid import uuid4

from infra.bus.partitioner import shard_of
from infra.state import journal_rules, rules
from infra.state.redis.client import codec, listing
from infra.state.redis.client.shards import Shards
from schemas.actions import ActionIntended, ActionSettled, JournalEntry
from schemas.ports import ActionClaim

COUNTED = int(journal_rules.COUNTED.total_seconds())


def pack(settled: ActionSettled) -> str:
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
        verdict, *known = await self._shards.run_for(
            conversation,
            "journal_claim",
            ("c:", "j:", "jo:", "jt:", "ji"),
            *(conversation, intended.key, uuid4().hex, intended.model_dump_json()),
            *(rules.to_micros(intended.at), rules.to_micros(intended.due), token, epoch),
            *(rules.to_micros(now - journal_rules.HORIZON), codec.KEEP),
        )
        if verdict == b"known":
            return ActionClaim("known", _entry(known[0], known[1]))
        return ActionClaim("go" if verdict == b"go" else "stale")

    async def withdraw(self, conversation: str, key: str) -> None:
        await self._shards.run_for(conversation, "journal_withdraw", ("j:", "jo:", "jt:", "ji"), conversation, key)

    async def record(self, conversation: str, settled: ActionSettled) -> None:
        await self._shards.run_for(
            conversation,
            "journal_record",
            ("j:", "jo:", "ji"),
            *(conversation, settled.key, pack(settled), int(settled.resolved), codec.KEEP),
        )

    async def entry(self, conversation: str, key: str) -> JournalEntry | None:
        intended, settled = await self._shards.run_for(conversation, "journal_entry", ("j:", "jo:"), key)
        return None if intended is None else _entry(intended, settled)

    async def find_by_authority(self, conversation: str, authorities: Collection[str]) -> list[JournalEntry]:
        return [entry for entry in await self._all(conversation) if entry.intended.authority in authorities]

    async def list_in_doubt(self, conversation: str) -> list[JournalEntry]:
        return [entry for entry in await self._all(conversation) if entry.in_doubt]

    async def _all(self, conversation: str) -> list[JournalEntry]:
        flat, outcomes = await self._shards.run_for(conversation, "journal_entries", ("j:", "jo:"))
        settled: Mapping[bytes, bytes] = dict(codec.pairs(outcomes))
        entries = [_entry(intended, settled.get(key)) for key, intended in codec.pairs(flat)]
        return sorted(entries, key=lambda entry: (entry.intended.at, entry.intended.key))

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


def _entry(intended: bytes, settled: bytes | None) -> JournalEntry:
    return JournalEntry(
        intended=ActionIntended.model_validate_json(intended.partition(b" ")[2]),
        settled=ActionSettled.model_validate_json(settled.partition(b" ")[2]) if settled else None,
    )
