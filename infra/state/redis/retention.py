"""Removal of expired keys on Redis: conversations are read, judged here, and removed by a script if nothing has
happened to them meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from infra.bus.partitioner import SHARDS, shard_of
from infra.state import retention_rules, rules
from infra.state.contact_lookup import ContactLookup
from infra.state.redis.client import codec, listing
from infra.state.redis.client.shards import Shards, quote_part
from infra.state.redis.contact_rows import (
    contacts_key,
    contacts_shard,
    index_key,
    list_rows,
    locate_stored_addresses,
    open_contacts,
)
from infra.state.redis.contacts import RedisContactSearch
from infra.state.redis.parking import letter_keys
from schemas.conversation import Conversation, Origin
from schemas.ports import Removal, RemovalStep, RetentionPeriods

SHARDS_AT_ONCE = 16
"""Shards of one step."""
LISTED_OF_KIND = 20_000
"""Conversations of one tenant, channel and owner that a round looks at on one shard, the least active first."""
AT_ONCE = 100
LINES_AT_ONCE = 200
CONTACTS_AT_ONCE = 200
LETTERS_AT_ONCE = 200
_LOOK = ("c:", "tz:", "t:", "n:")
_AWAITED = ("c:", "x:", "ap", "d:", "i", "ji")
_READ = (*_AWAITED, "t:", "n:")
_REMOVE = (
    *_READ, "p:", "tu:", "tz:", "h:", "dt:", "jt:", "u", "l", "k", "cc", "rm", "j:", "jo:", "o:"
)  # fmt: skip


class RedisRetention:
    def __init__(self, shards: Shards, search: RedisContactSearch) -> None:
        self._shards = shards
        self._search = search

    async def limit_time(self, now: datetime) -> datetime:
        seconds, micros = await self._shards.client.command("TIME")
        return min(now, rules.from_micros(int(seconds) * 1_000_000 + int(micros)))

    async def sweep_conversations(
        self, periods: Mapping[str, RetentionPeriods], *, groups: Sequence[str], now: datetime, after: str = ""
    ) -> RemovalStep:
        start = int(after or 0)
        end = min(start + SHARDS_AT_ONCE, SHARDS)
        removed = 0
        for tenant, kept in periods.items():
            found = await self._list_old(range(start, end), tenant, kept, now)
            cleaners = [_ConversationCleaner(self._shards, each, kept, groups, now) for each in found]
            for at in range(0, len(cleaners), AT_ONCE):
                removed += sum(await asyncio.gather(*(each.run() for each in cleaners[at : at + AT_ONCE])))
        return RemovalStep(str(end) if end < SHARDS else "", removed)

    async def _list_old(
        self, shards: Sequence[int], tenant: str, periods: RetentionPeriods, now: datetime
    ) -> list[str]:
        """The conversations of which something may have expired."""
        answers = await self._shards.run_on(shards, "retention_list", ("l", "lc"), quote_part(tenant), LISTED_OF_KIND)
        before = rules.to_micros(now - periods.transcripts)
        found: list[str] = []
        active: list[str] = []
        for (listed,) in answers:
            for id_, updated in codec.pairs(listed):
                (found if int(updated) < before else active).append(id_.decode())
        for at in range(0, len(active), AT_ONCE):
            some = active[at : at + AT_ONCE]
            are_old = await asyncio.gather(*(self._has_old_rows(each, periods, now) for each in some))
            found += [each for each, is_old in zip(some, are_old, strict=True) if is_old]
        return found

    async def _has_old_rows(self, conversation: str, periods: RetentionPeriods, now: datetime) -> bool:
        created, turn, lines = await self._shards.run_for(conversation, "retention_look", _LOOK)
        if created is None:
            return False
        if turn is not None and int(turn) < rules.to_micros(now - periods.turns):
            return True
        opened = await self._shards.values.open_lines(lines)
        return any(each.created_at < now - periods.transcripts for each in codec.unpack_lines(opened))

    async def sweep_tenant(
        self, tenant: str, periods: RetentionPeriods, *, letters_before: datetime, now: datetime, after: str = ""
    ) -> RemovalStep:
        removed = 0 if after else await self._remove_letters(tenant, letters_before)
        if not tenant:
            return RemovalStep("", removed)
        page = await self._search.search(tenant, "", after=after, limit=CONTACTS_AT_ONCE)
        old = [each.id for each in page.items if retention_rules.is_contact_expired(each, periods, now)]
        having = await self._search.list_conversations(tenant, old) if old else {}
        free = [id_ for id_ in old if not having.get(id_)]
        for id_ in free:
            removed += await self._remove_contact(tenant, id_, periods, now)
        return RemovalStep(page.next, removed)

    async def _remove_letters(self, tenant: str, before: datetime) -> int:
        shard, *keys = letter_keys(self._shards, tenant)
        total = 0
        while True:
            (count,) = await self._shards.run(
                shard, "retention_letters", keys, rules.to_micros(before), LETTERS_AT_ONCE
            )
            total += int(count)
            if int(count) < LETTERS_AT_ONCE:
                return total

    async def _remove_contact(self, tenant: str, id_: str, periods: RetentionPeriods, now: datetime) -> int:
        shard, start = contacts_shard(tenant), contacts_key(self._shards, tenant)
        ((body,),) = await self._shards.run(shard, "contact_bodies", [start], id_)
        if body is None or body[:1] == b">":
            return 0
        stored = (await open_contacts(self._shards.values, {id_: body}))[id_]
        if stored.contact is None or not retention_rules.is_contact_expired(stored.contact, periods, now):
            return 0
        _, unused = self._locate_unused_keys(tenant)
        keys = [start, index_key(self._shards, tenant), self._shards.key(shard, "rm"), unused]
        keys += locate_stored_addresses(self._shards, tenant, [stored])
        rows = list_rows(ContactLookup.of(self._shards.values.sealer, tenant), stored)
        terms = [part for row in sorted(rows) for part in row]
        (gone,) = await self._shards.run(
            shard, "retention_contact", keys, id_, body, _pack(Removal("contact", id_, tenant)), *terms
        )
        return len(gone)

    async def list_removals(self, *, limit: int) -> list[Removal]:
        answers = await self._shards.run_on_all("removals_list", ("rm",), limit)
        return [_unpack(name, note) for (flat,) in answers for name, note in codec.pairs(flat)][:limit]

    async def forget(self, removal: Removal, *, revived: bool = False) -> bool:
        shard, item = self._place_of(removal)
        (settled,) = await self._shards.run(
            shard,
            "removal_settle",
            [self._shards.key(shard, "rm"), item],
            f"{removal.kind} {removal.id}",
            removal.kind,
            int(revived),
        )
        return bool(settled)

    async def list_unused_keys(self, tenant: str, *, after: str = "", limit: int) -> list[str]:
        shard, key = self._locate_unused_keys(tenant)
        (found,) = await self._shards.run(shard, "unused_keys_list", [key], after, limit)
        return [id_.decode() for id_ in found]

    async def forget_key(self, tenant: str, contact: str) -> None:
        shard, key = self._locate_unused_keys(tenant)
        await self._shards.run(shard, "unused_key_settle", [key], contact)

    def _locate_unused_keys(self, tenant: str) -> tuple[int, str]:
        shard = contacts_shard(tenant)
        return shard, self._shards.key(shard, "rk", tenant)

    def _place_of(self, removal: Removal) -> tuple[int, str]:
        """``(shard, key of the item)``."""
        if removal.kind == "contact":
            start = contacts_key(self._shards, removal.tenant)
            return contacts_shard(removal.tenant), f"{start}:{removal.id}"
        conversation = removal.conversation or removal.id
        shard = shard_of(conversation)
        return shard, self._shards.key(shard, "c", conversation)

    async def tidy(self, *, now: datetime) -> None:
        """Redis frees memory itself, and drops the numbers when their time is over."""


# The removal of what has expired of one conversation.
@dataclass(frozen=True, slots=True)
class _ConversationCleaner:
    shards: Shards
    id: str
    periods: RetentionPeriods
    groups: Sequence[str]
    now: datetime

    async def run(self) -> int:
        """Return how many rows were removed."""
        removed = 0
        while True:
            count, is_finished = await self._step()
            removed += count
            if is_finished:
                return removed

    async def _step(self) -> tuple[int, bool]:
        fields, token, is_awaited, flat = await self._call("retention_read", _READ, LINES_AT_ONCE)
        fields = await listing.open_fields(self.shards, fields)
        conversation = codec.conversation_of(self.id, fields)
        if conversation is None or is_awaited or retention_rules.is_awaited(conversation, self.now):
            return 0, True
        lines = codec.unpack_lines(await self.shards.values.open_lines(flat))
        expired = retention_rules.expired_lines(lines, self.periods, self.now)
        is_inactive = retention_rules.is_inactive(conversation, self.periods, self.now)
        origin = conversation.origin
        files = [file.id for line in expired for file in line.attachments]
        notes = [part for id_ in files for part in (id_, _pack(self._describe("file", id_, origin)))]
        is_web = origin.channel == retention_rules.NUMBERED
        answer = await self._call(
            "retention_remove",
            _REMOVE,
            *_expected_fields(conversation, fields, token),
            rules.to_micros(self.now - self.periods.turns),
            int(is_inactive and len(expired) == len(lines)),
            *(rules.to_micros(self.now - floor) for floor in retention_rules.floors()),
            int(retention_rules.NUMBERS_KEPT.total_seconds()) if is_web else 0,
            _pack(self._describe("conversation", self.id, origin)),
            len(expired),
            *(line.id for line in expired),
            *notes,
        )
        # Without an answer something has happened, and a later round looks again.
        return (int(answer[0]) if answer else 0), not answer or len(expired) < LINES_AT_ONCE

    def _describe(self, kind: Any, id_: str, origin: Origin) -> Removal:
        conversation = self.id if kind == "file" else ""
        return Removal(kind, id_, origin.tenant, origin.channel, origin.account, conversation)

    async def _call(self, script: str, kinds: Sequence[str], *arguments: Any) -> list[Any]:
        parked = [f"w:{quote_part(group)}" for group in self.groups]
        # Kinds that end with a colon are the conversation's own keys; a group's index is one of the shard.
        return await self.shards.run_for(self.id, script, (*kinds, *parked), self.id, *arguments)


def _expected_fields(
    conversation: Conversation, fields: Sequence[bytes | None], token: bytes | None
) -> tuple[Any, ...]:
    """What must be as it was read: version, epoch, token, time of last activity and last number."""
    return conversation.version, conversation.epoch, token or b"", fields[7] or b"", fields[5] or b""


def _pack(removal: Removal) -> bytes:
    return orjson.dumps([removal.tenant, removal.channel, removal.account, removal.conversation])


def _unpack(name: bytes, note: bytes) -> Removal:
    kind, id_ = name.decode().split(" ", 1)
    fields: Any = (kind, id_, *orjson.loads(note))
    return Removal(*fields)
