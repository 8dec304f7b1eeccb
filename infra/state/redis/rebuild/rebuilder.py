"""The Redis side of a rebuild from the log. ``infra.state.rebuild`` decides what is restored, and in which order."""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import uuid4

import orjson

from infra.bus.partitioner import SHARDS, shard_of
from infra.state import contact_merging, rules
from infra.state.redis import contact_rows, contacts, coordination, parking, side_effects
from infra.state.redis.client import codec
from infra.state.redis.client.call import Argument
from infra.state.redis.client.sealed_values import SealedValues
from infra.state.redis.client.shards import ALL, Shards, quote_part
from infra.state.redis.contact_rows import StoredContact
from infra.state.redis.rebuild.evictions import Evictions
from infra.state.redis.rebuild.write_batches import WriteBatches
from schemas.access import AccessToken
from schemas.actions import ActionIntended, ActionSettled
from schemas.conversation import Contact, DeadLetter, DeliveryOutcome, Snapshot
from schemas.conversation_activity import SessionEnded
from schemas.errors import StateLost, StateUnavailable
from schemas.messages import TranscriptMessage
from schemas.ports import Record
from schemas.privacy.contact_keys import ContactKey

_SPECIAL = re.compile(r"([\[\]*?\\^-])")
_KINDS = ("c:", "h:", "x:", "u", "l", "k", "lc", "p:", "ap", "cc", "t:")
_REBUILT = frozenset(b"c h x u l k lc cc o t n p d dt i e ct ci a at j jo jt ji jc ap ck".split())
_SCAN = 2_000


class RedisRebuild:
    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self.values = SealedValues(self._load_origin, creates_keys=False)
        self._rebuilds: dict[int, str] = {}
        self._inherited: dict[int, str] = {}
        self._bundles = WriteBatches(self._run_restore)
        self._probed = 0
        self._evictions = Evictions(shards)
        self._evicted = ""

    async def check(self) -> frozenset[int]:
        if await self._evictions.are_new():
            return frozenset(ALL)
        answers = await asyncio.gather(
            *(self._shards.run(shard, "check_shard", []) for shard in ALL), return_exceptions=True
        )
        lost: set[int] = set()
        for answer in answers:
            if isinstance(answer, StateLost):
                lost |= answer.shards
            elif isinstance(answer, BaseException):
                raise answer
        return frozenset(lost)

    async def check_ready(self) -> None:
        """Check that work can go on, and that one of the shards takes a write, another one each time. Raises
        StateLost."""
        lost = await self.check()
        if self.stops_without(lost):
            raise StateLost("state is being rebuilt", shards=lost)
        following = [(self._probed + 1 + step) % SHARDS for step in ALL]
        self._probed = next(shard for shard in following if shard not in lost)
        await self._shards.run(self._probed, "probe_write", [])

    def stops_without(self, shards: frozenset[int]) -> bool:
        """In a cluster, work on the shards of the other nodes goes on."""
        return len(shards) == SHARDS or (bool(shards) and not self._shards.client.is_cluster)

    async def prepare(self, shards: frozenset[int]) -> None:
        await self.begin(shards, kept={})

    async def begin(self, shards: frozenset[int], *, kept: Mapping[int, str]) -> None:
        """Stop all work on these shards, and empty them unless they are ``kept``: by shard, the history whose
        checkpoint tells what it lacks."""
        # Keys evicted from here on are missing from the rebuilt shards as well.
        self._evicted = await self._evictions.count()
        # The id fences: a rebuild that was overtaken by this one writes nothing any more.
        rebuild = uuid4().hex
        seconds, micros = await self._shards.client.command("TIME")
        now = int(seconds) * 1_000_000 + int(micros)
        await asyncio.gather(
            *(
                self._shards.run_unchecked(
                    shard, "prepare_rebuild", [self._shards.head(shard)], rebuild, now, int(shard in kept)
                )
                for shard in shards
            )
        )
        if doomed := shards.difference(kept):
            await self._empty(doomed)
        self._rebuilds |= dict.fromkeys(shards, rebuild)
        self._inherited |= {shard: kept.get(shard, "") for shard in shards}

    async def restore(self, snapshot: Snapshot) -> None:
        state = snapshot.conversation
        self.values.remember(state.id, state.origin.tenant, state.origin.contact_id)
        origin = await self.values.seal_origin(state.origin)
        facts = await self.values.seal(state.id, state.facts.model_dump_json())
        holder = state.holder and await self.values.seal(state.id, state.holder.model_dump_json())
        tenant, channel = quote_part(state.origin.tenant), quote_part(state.origin.channel)
        fields: list[Argument] = [
            *("origin", origin, "owner", state.owner, "epoch", state.epoch),
            *("floor", state.agent_floor, "version", state.version, "head", state.head_seq),
            *("created", rules.to_micros(state.created_at), "updated", rules.to_micros(state.updated_at)),
            *("facts", facts, "due", rules.first_approval_expiry(state.facts) or ""),
            *(("holder", holder) if holder else ()),
        ]
        handled = [part for one in snapshot.handled for part in (rules.pack_id(one.id), rules.to_micros(one.at))]
        events = [rules.unpack_envelope(record) for record in snapshot.outbox]
        outbox: list[Argument] = []
        for event in events:
            entry = await self.values.seal(state.id, codec.pack_envelope(event), after=b"\n")
            outbox += (event.id, rules.to_micros(event.time), entry)
        shard = shard_of(state.id)
        await self._run_restore(
            shard,
            "restore_conversation",
            self._keys(shard, state.id, _KINDS),
            *(state.id, tenant, channel, codec.KEEP, len(fields) // 2, *fields),
            *(len(snapshot.handled), *handled, len(events), *outbox),
            *(part for one in snapshot.recent for part in (one.id, one.seq)),
        )

    async def restore_contact(self, contact: Contact) -> None:
        # Nearly always nobody has this contact's id or addresses yet.
        if await self._put_contact(contact, {contact.id: StoredContact(contact.id)}):
            return
        for _ in range(contacts.ATTEMPTS):
            if await self._merge_contact(contact):
                return
        raise StateUnavailable("a contact changes faster than it can be restored")

    async def restore_message(self, conversation: str, message: TranscriptMessage) -> None:
        _, line = codec.pack_line(message)
        line = await self.values.seal_line(conversation, line)
        await self._add(conversation, "restore_message", ("c:", "t:", "n:", "p:"), message.id, line, message.seq)

    async def find_line(self, conversation: str, message_id: str) -> TranscriptMessage | None:
        """A line that was kept."""
        shard = shard_of(conversation)
        keys = self._keys(shard, conversation, ("t:", "n:"))
        stored, seq = await self._run_restore(shard, "restore_transcript_find", keys, message_id)
        line = await self.values.open_line(stored)
        return None if line is None else codec.unpack_line(line, int(seq))

    async def restore_delivery(
        self, conversation: str, outcome: DeliveryOutcome, *, channel: str = "", account: str = ""
    ) -> None:
        packed = await side_effects.pack_delivery(self.values, conversation, outcome)
        origin = await self._add(
            conversation,
            "restore_delivery",
            ("c:", "d:", "dt:"),
            *(outcome.message_id, packed, rules.to_micros(outcome.at), codec.KEEP),
        )
        if outcome.external_id and origin:
            at = orjson.loads(origin)  # also of a sealed one
            await self._bind(conversation, outcome, at["tenant"], channel or at["channel"], account or at["account"])

    async def restore_parked(self, group: str, conversation: str, record: Record, *, until: datetime) -> None:
        keys = parking.keys_for(self._shards, group, conversation)
        row = await self.values.seal(conversation, codec.pack_record(record), after=b"\n")
        arguments = (conversation, parking.entry_of(record, until), *parking.place_of(record), row)
        await self._bundles.add(shard_of(conversation), "restore_parked", keys, *arguments)

    async def restore_intended(self, tenant: str, conversation: str, intended: ActionIntended) -> None:
        body = await self.values.seal(conversation, intended.model_dump_json())
        entry = uuid4().hex.encode() + b" " + body
        times = (rules.to_micros(intended.at), rules.to_micros(intended.due))
        await self._add(
            conversation,
            "restore_intended",
            ("j:", "jo:", "jt:", "ji"),
            *(conversation, intended.key, entry, *times, codec.KEEP),
        )
        shard, counted = side_effects.count_key(
            self._shards, tenant, intended.contact_id, intended.action, intended.day
        )
        await self._bundles.add(shard, "restore_count", [counted], intended.key, side_effects.COUNTED)

    async def restore_settled(self, conversation: str, settled: ActionSettled) -> None:
        packed = await self.values.seal(conversation, side_effects.pack_action(settled), after=b" ")
        outcome = (packed, int(settled.resolved), codec.KEEP)
        await self._add(conversation, "restore_settled", ("jo:", "ji"), conversation, settled.key, *outcome)

    async def restore_session_ended(self, conversation: str, ended: SessionEnded, *, now: datetime) -> None:
        shard, key = coordination.locate_session(self._shards, conversation, ended.session)
        await self._bundles.add(shard, "restore_value", [key], "1", coordination.count_seconds(ended.until, now))

    async def restore_access_token(self, token: AccessToken) -> None:
        shard, key = coordination.locate_tokens(self._shards, token.tenant)
        await self._run_restore(shard, "restore_access_token_put", [key], token.id, coordination.pack_token(token))

    async def restore_dead_letter(self, letter: DeadLetter) -> None:
        shard, keys, arguments = await parking.build_letter_add(self._shards, self.values, letter)
        await self._run_restore(shard, "restore_letter_add", keys, *arguments)

    async def restore_contact_key(self, key: ContactKey) -> None:
        shard, place = contacts.locate_keys(self._shards, key.tenant, key.contact_id)
        await self._run_restore(shard, "restore_contact_key_put", [place], *contacts.pack_key(key))

    async def finish(self, shards: frozenset[int]) -> None:
        ordered = sorted(shards)
        done = await asyncio.gather(*map(self._finish, ordered))
        await self._evictions.note(self._evicted)
        overtaken = frozenset(shard for shard, finished in zip(ordered, done, strict=True) if not finished)
        if overtaken:
            raise StateLost("another rebuild has started in the meantime", shards=overtaken)

    async def _finish(self, shard: int) -> bool:
        """False when another rebuild of the shard has begun."""
        arguments = (self._rebuilds.pop(shard, ""), uuid4().hex, self._inherited.pop(shard, ""))
        return bool(await self._shards.run_unchecked(shard, "finish_rebuild", [self._shards.head(shard)], *arguments))

    async def _merge_contact(self, contact: Contact) -> bool:
        tenant = contact.tenant
        shard, start = contact_rows.contacts_shard(tenant), contact_rows.contacts_key(self._shards, tenant)
        count, keys = contact_rows.locate_addresses(self._shards, tenant, contact.addresses)
        (known,) = await self._run_restore(shard, "restore_contact_get", [start], contact.id)
        (flat,) = await self._run_restore(shard, "restore_contact_find", [start, *keys], count)
        bodies = {id_.decode(): body for id_, body in codec.pairs(flat)}
        read = await contact_rows.open_contacts(self.values, bodies)
        for each in (await contact_rows.open_contacts(self.values, {contact.id: known})).values():
            # It may have been merged into another.
            id_ = each.contact.id if each.contact is not None else each.id
            read[id_] = replace(each, id=id_)
        read.setdefault(contact.id, StoredContact(contact.id))
        found = [each.contact for each in read.values() if each.contact is not None]
        merged, losers, swallowed = contact_merging.restore_contact(contact, found)
        return await self._put_contact(merged, read, losers, swallowed)

    async def _put_contact(
        self,
        contact: Contact,
        read: dict[str, StoredContact],
        losers: Sequence[Contact] = (),
        swallowed: Iterable[str] = (),
    ) -> bool:
        """False when the stored contacts have changed since they were read."""
        keys, arguments = await contact_rows.build_put(
            self._shards, self.values, contact, read, losers=losers, swallowed=swallowed
        )
        shard = contact_rows.contacts_shard(contact.tenant)
        (done,) = await self._run_restore(shard, "restore_contact_put", keys, *arguments)
        return bool(done)

    async def _bind(self, conversation: str, outcome: DeliveryOutcome, tenant: str, channel: str, account: str) -> None:
        shard, key = side_effects.external_key(self._shards, tenant, channel, account, outcome.external_id)
        await self._bundles.add(
            shard, "restore_value", [key], f"{conversation}\n{outcome.part_of or outcome.message_id}", codec.KEEP
        )

    async def _add(self, conversation: str, script: str, kinds: Iterable[str], *arguments: Argument) -> Any:
        shard = shard_of(conversation)
        return await self._bundles.add(shard, script, self._keys(shard, conversation, kinds), *arguments)

    def _keys(self, shard: int, conversation: str, kinds: Iterable[str]) -> list[str]:
        start = self._shards.key(shard, "")
        return [f"{start}{kind}{conversation}" if kind[-1] == ":" else start + kind for kind in kinds]

    async def _load_origin(self, conversation: str) -> bytes | None:
        shard = shard_of(conversation)
        keys = self._keys(shard, conversation, ("c:",))
        (fields,) = await self._run_restore(shard, "restore_get_conversation", keys)
        origin: bytes | None = fields[0]
        return origin

    async def _run_restore(self, shard: int, script: str, keys: list[str], *arguments: Argument) -> Any:
        start = (self._rebuilds.get(shard, ""), "")
        return await self._shards.run_unchecked(shard, script, [self._shards.head(shard), *keys], *start, *arguments)

    async def _empty(self, shards: frozenset[int]) -> None:
        """Delete what the log brings back; the rest (parked records, dead letters, turns) is as valid as before."""
        starts = {f"{self._shards.prefix}:{{s{shard:02x}}}:".encode(): shard for shard in shards}
        pattern = _SPECIAL.sub(r"\\\1", self._shards.prefix) + ":{s*"
        for server in await self._shards.client.list_shards():
            await self._empty_server(server, pattern, starts)

    async def _empty_server(self, server: int, pattern: str, starts: Mapping[bytes, int]) -> None:
        client, length = self._shards.client, len(next(iter(starts), b""))
        cursor: int | bytes = 0
        while True:
            cursor, keys = await client.command("SCAN", cursor, "MATCH", pattern, "COUNT", _SCAN, shard=server)
            doomed = defaultdict[int, list[bytes]](list)
            for key in keys:
                shard = starts.get(key[:length])
                if shard is not None and _is_rebuilt(key[length:]):
                    # A node of a cluster refuses a command with keys of several slots.
                    doomed[shard if client.is_cluster else server].append(key)
            await asyncio.gather(*(client.command("UNLINK", *some, shard=shard) for shard, some in doomed.items()))
            if int(cursor) == 0:
                return


def _is_rebuilt(rest: bytes) -> bool:
    return rest.partition(b":")[0] in _REBUILT
