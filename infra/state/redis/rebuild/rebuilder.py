"""Redis's side of a rebuild from the log. What the pieces are and in which order they come: ``infra.state.rebuild``."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import uuid4

from infra.bus.partitioner import shard_of
from infra.state import contact_merging, rules
from infra.state.redis import contacts, deliveries, journal, parking, tokens
from infra.state.redis.client import codec
from infra.state.redis.client.call import Argument
from infra.state.redis.client.shards import ALL, Shards, quoted
from infra.state.redis.rebuild.evictions import Evictions
from infra.state.redis.rebuild.write_batches import Bundles
from schemas.actions import ActionIntended, ActionSettled
from schemas.conversation import Contact, Delivered, Origin, Snapshot
from schemas.errors import StateLost, StateUnavailable
from schemas.facts import SessionEnded
from schemas.messages import TranscriptMessage
from schemas.ports import Record

_SPECIAL = re.compile(r"([\[\]*?\\^-])")
_KINDS = ("c:", "h:", "x:", "u", "l", "k", "lc", "p:", "ap")
_REBUILT = frozenset(b"c h x u l k lc o t n p d dt i e ct a j jo jt ji jc ap".split())
_SCAN = 2_000


class RedisRebuild:
    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self._rebuilds: dict[int, str] = {}
        self._bundles = Bundles(self._at)
        self._probed = 0
        self._evictions = Evictions(shards)
        self._evicted = ""

    async def check(self) -> frozenset[int]:
        if await self._evictions.are_new():
            return frozenset(ALL)
        answers = await asyncio.gather(*(self._shards.run(shard, "check", []) for shard in ALL), return_exceptions=True)
        lost: set[int] = set()
        for answer in answers:
            if isinstance(answer, StateLost):
                lost |= answer.shards
            elif isinstance(answer, BaseException):
                raise answer
        return frozenset(lost)

    async def ready(self) -> None:
        """Every shard is there, and one of them takes a write, another each time. Raises StateLost."""
        lost = await self.check()
        if lost:
            raise StateLost("state is lost or is being rebuilt", shards=lost)
        self._probed = (self._probed + 1) % len(ALL)
        await self._shards.run(self._probed, "probe", [])

    async def prepare(self, shards: frozenset[int]) -> None:
        # What is evicted from here on is missing from the rebuilt shards as well.
        self._evicted = await self._evictions.count()
        # The id fences: a rebuilder that was overtaken by this one writes nothing any more.
        rebuild = uuid4().hex
        seconds, micros = await self._shards.pipe.command("TIME")
        now = int(seconds) * 1_000_000 + int(micros)
        await asyncio.gather(
            *(self._shards.plain("prepare", [self._shards.head(shard)], rebuild, now) for shard in shards)
        )
        await self._empty(shards)
        self._rebuilds |= dict.fromkeys(shards, rebuild)

    async def restore(self, snapshot: Snapshot) -> None:
        state = snapshot.conversation
        tenant, channel = quoted(state.origin.tenant), quoted(state.origin.channel)
        fields: list[Argument] = [
            *("origin", state.origin.model_dump_json(), "owner", state.owner, "epoch", state.epoch),
            *("floor", state.agent_floor, "version", state.version, "head", state.head_seq),
            *("created", rules.micros(state.created_at), "updated", rules.micros(state.updated_at)),
            *("facts", state.facts.model_dump_json(), "due", rules.approvals_due(state.facts) or ""),
            *(("holder", state.holder.model_dump_json()) if state.holder is not None else ()),
        ]
        handled = [part for one in snapshot.handled for part in (rules.pack_id(one.id), rules.micros(one.at))]
        events = [rules.unpack_envelope(record) for record in snapshot.outbox]
        outbox = [part for event in events for part in (event.id, rules.micros(event.time), codec.pack_envelope(event))]
        shard = shard_of(state.id)
        await self._at(
            shard,
            "restore",
            self._keys(shard, state.id, _KINDS),
            *(state.id, tenant, channel, codec.KEEP, len(fields) // 2, *fields),
            *(len(snapshot.handled), *handled, len(events), *outbox),
            *(part for one in snapshot.recent for part in (one.id, one.seq)),
        )

    async def restore_contact(self, contact: Contact) -> None:
        # Nearly always nobody has this contact's id or addresses yet.
        if await self._put_contact(contact, {contact.id: b""}):
            return
        for _ in range(contacts.ATTEMPTS):
            if await self._unite_contact(contact):
                return
        raise StateUnavailable("a contact changes faster than it can be restored")

    async def restore_message(self, conversation: str, message: TranscriptMessage) -> None:
        _, line = codec.pack_line(message)
        await self._add(conversation, "restore_message", ("c:", "t:", "n:", "p:"), message.id, line, message.seq)

    async def restore_delivery(
        self, conversation: str, outcome: Delivered, *, channel: str = "", account: str = ""
    ) -> None:
        origin = await self._add(
            conversation,
            "restore_delivery",
            ("c:", "d:", "dt:"),
            *(outcome.message_id, deliveries.pack(outcome), rules.micros(outcome.at), codec.KEEP),
        )
        if outcome.external_id and origin:
            at = Origin.model_validate_json(origin)
            await self._bind(conversation, outcome, at.tenant, channel or at.channel, account or at.account)

    async def restore_parked(self, group: str, conversation: str, record: Record, *, until: datetime) -> None:
        keys = parking.keys_for(self._shards, group, conversation)
        arguments = (conversation, parking.entry_of(record, until), *parking.row_of(record))
        await self._bundles.add(shard_of(conversation), "restore_parked", keys, *arguments)

    async def restore_intended(self, tenant: str, conversation: str, intended: ActionIntended) -> None:
        entry = f"{uuid4().hex} {intended.model_dump_json()}"
        times = (rules.micros(intended.at), rules.micros(intended.due))
        await self._add(
            conversation,
            "restore_intended",
            ("j:", "jo:", "jt:", "ji"),
            *(conversation, intended.key, entry, *times, codec.KEEP),
        )
        shard, counted = journal.count_key(self._shards, tenant, intended.contact_id, intended.action, intended.day)
        await self._bundles.add(shard, "restore_count", [counted], intended.key, journal.COUNTED)

    async def restore_settled(self, conversation: str, settled: ActionSettled) -> None:
        outcome = (journal.pack(settled), int(settled.resolved), codec.KEEP)
        await self._add(conversation, "restore_settled", ("jo:", "ji"), conversation, settled.key, *outcome)

    async def restore_session_ended(self, conversation: str, ended: SessionEnded, *, now: datetime) -> None:
        shard, key = tokens.place_of(self._shards, conversation, ended.session)
        await self._bundles.add(shard, "restore_value", [key], "1", tokens.seconds(ended.until, now))

    async def finish(self, shards: frozenset[int]) -> None:
        ordered = sorted(shards)
        done = await asyncio.gather(
            *(
                self._shards.plain("finish", [self._shards.head(shard)], self._rebuilds.pop(shard, ""), uuid4().hex)
                for shard in ordered
            )
        )
        await self._evictions.note(self._evicted)
        overtaken = frozenset(shard for shard, finished in zip(ordered, done, strict=True) if not finished)
        if overtaken:
            raise StateLost("another rebuild has begun meanwhile", shards=overtaken)

    async def _unite_contact(self, contact: Contact) -> bool:
        shard = contacts.shard_for(contact.tenant)
        keys = contacts.keys_for(self._shards, contact.tenant, contact.addresses)
        (known,) = await self._at(shard, "restore_contact_get", keys[:1], contact.id)
        (flat,) = await self._at(shard, "restore_contact_find", keys)
        read = {id_.decode(): body for id_, body in codec.pairs(flat)}
        found = [Contact.model_validate_json(body) for body in read.values()]
        if known is None:
            read[contact.id] = b""
        else:
            found.append(Contact.model_validate_json(known))
            read[found[-1].id] = known
        one, losers, swallowed = contact_merging.restored(contact, found)
        return await self._put_contact(one, read, losers, swallowed)

    async def _put_contact(
        self, contact: Contact, read: dict[str, bytes], losers: Iterable[Contact] = (), swallowed: Iterable[str] = ()
    ) -> bool:
        """False when what was read is no longer so."""
        keys, arguments = contacts.written(self._shards, contact, losers, swallowed, read)
        (done,) = await self._at(contacts.shard_for(contact.tenant), "restore_contact_put", keys, *arguments)
        return bool(done)

    async def _bind(self, conversation: str, outcome: Delivered, tenant: str, channel: str, account: str) -> None:
        shard, key = deliveries.external_key(self._shards, tenant, channel, account, outcome.external_id)
        await self._bundles.add(
            shard, "restore_value", [key], f"{conversation}\n{outcome.part_of or outcome.message_id}", codec.KEEP
        )

    async def _add(self, conversation: str, script: str, kinds: Iterable[str], *arguments: Argument) -> Any:
        shard = shard_of(conversation)
        return await self._bundles.add(shard, script, self._keys(shard, conversation, kinds), *arguments)

    def _keys(self, shard: int, conversation: str, kinds: Iterable[str]) -> list[str]:
        start = self._shards.key(shard, "")
        return [f"{start}{kind}{conversation}" if kind[-1] == ":" else start + kind for kind in kinds]

    async def _at(self, shard: int, script: str, keys: list[str], *arguments: Argument) -> Any:
        head = self._shards.head(shard)
        return await self._shards.plain(script, [head, *keys], self._rebuilds.get(shard, ""), "", *arguments)

    async def _empty(self, shards: frozenset[int]) -> None:
        """Delete what the log brings back; the rest (parked records, dead letters, turns) is as true as before."""
        starts = {f"{self._shards.prefix}:{{s{shard:02x}}}:".encode() for shard in shards}
        length = len(next(iter(starts), b""))
        pattern = _SPECIAL.sub(r"\\\1", self._shards.prefix) + ":{s*"
        cursor: int | bytes = 0
        while True:
            cursor, keys = await self._shards.pipe.command("SCAN", cursor, "MATCH", pattern, "COUNT", _SCAN)
            doomed = [key for key in keys if key[:length] in starts and _is_rebuilt(key[length:])]
            if doomed:
                await self._shards.pipe.command("UNLINK", *doomed)
            if int(cursor) == 0:
                return


def _is_rebuilt(rest: bytes) -> bool:
    return rest.partition(b":")[0] in _REBUILT
