"""Contacts and conversations on Redis: each transition is one script on one shard.

All contacts of a tenant are on one shard: finding and merging them is one atomic step there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import orjson

from infra.state import contact_merging, rules
from infra.state.redis import contact_search
from infra.state.redis.client import codec, listing
from infra.state.redis.client.call import Argument
from infra.state.redis.client.shards import Shards
from schemas import ids
from schemas.conversation import Contact, Conversation, Facts, Holder, Origin, Owner, Snapshot, Turn
from schemas.envelope import Envelope, as_json
from schemas.errors import NotFound, StateUnavailable
from schemas.messages import Address, TranscriptMessage
from schemas.ports import BegunConversation, CommitResult, ContactUpdate, OwnershipResult, Page, Publication
from schemas.transcript import Lines

_CREATE = ("c:", "l", "k", "lc")
_OPEN = (*_CREATE, "cc")
_BEGIN = (*_CREATE, "h:", "x:", "t:", "n:", "p:", "cc")
_COMMIT = ("c:", "h:", "x:", "u", "l", "n:", "p:", "ap")
_PUBLISHED = ("x:", "u", "tu:", "tz:")
_OWN = ("c:", "x:", "u", "l", "k", "o:")
_SNAPSHOT = ("c:", "h:", "x:", "n:", "p:")


class RedisConversations:
    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def open(self, conversation: str, origin: Origin, *, now: datetime) -> None:
        await self._shards.run_for(conversation, "open_conversation", _OPEN, *_new(conversation, origin, now))

    async def begin(
        self,
        conversation: str,
        origin: Origin,
        event_ids: Sequence[str],
        *,
        now: datetime,
        messages: Sequence[TranscriptMessage] = (),
        recent: int = 0,
    ) -> BegunConversation:
        values = self._shards.values
        values.remember(conversation, origin)
        packed = [(message.id, *codec.pack_line(message)) for message in messages]
        added = [(id_, known, await values.seal_line(conversation, line)) for id_, known, line in packed]
        token, known, outbox, fields, reused, stored = await self._shards.run_for(
            conversation,
            "begin_conversation",
            _BEGIN,
            *_new(conversation, origin, now),
            max(0, recent),
            len(event_ids),
            *map(rules.pack_id, event_ids),
            *[part for line in added for part in line],
        )
        fields, outbox = await listing.open_fields(self._shards, fields), await values.open_all(outbox, after=b"\n")
        lines = await values.open_lines(stored)
        state = codec.conversation_of(conversation, fields)
        assert state is not None  # noqa: S101 (the script has just made it)
        return BegunConversation(
            state,
            int(token),
            frozenset(event for event, is_known in zip(event_ids, known, strict=True) if is_known),
            codec.unpack_outbox(outbox),
            frozenset(id_.decode() for id_ in reused),
            Lines(lambda: codec.unpack_lines(lines)) if lines else (),
            codec.deleted_among(lines),
        )

    async def commit(
        self,
        conversation: str,
        *,
        token: int,
        version: int,
        epoch: int,
        facts: Facts,
        handled: Sequence[str],
        outbox: Sequence[Envelope],
        now: datetime,
        publication: Publication | None = None,
    ) -> CommitResult:
        values = self._shards.values
        body = await values.seal(conversation, as_json(facts))
        entries = await values.seal_all(conversation, [codec.pack_envelope(event) for event in outbox], after=b"\n")
        verdict, *left = await self._shards.run_for(
            conversation,
            "commit_conversation",
            _COMMIT,
            conversation,
            rules.to_micros(now),
            token,
            version,
            epoch,
            body,
            rules.commit_key(token, version, handled),
            rules.to_micros(rules.handled_floor(now)),
            codec.KEEP,
            rules.RECENT_SEQS,
            rules.first_approval_expiry(facts) or "",
            len(handled),
            *map(rules.pack_id, handled),
            *[part for event, entry in zip(outbox, entries, strict=True) for part in (event.id, entry)],
        )
        if verdict != b"committed":
            return CommitResult("stale")
        fields, known, pending, numbers, promised = left
        # Without a list it is surely this commit that was made, and not an earlier one with the same key.
        events = outbox if pending is None else codec.unpack_outbox(await values.open_all(pending, after=b"\n"))
        fields = await listing.open_fields(self._shards, fields)
        return CommitResult("committed", codec.packed_snapshot(conversation, fields, known, events, numbers, promised))

    async def read_outbox(self, conversation: str) -> list[Envelope]:
        (entries,) = await self._shards.run_for(conversation, "read_outbox", ("x:",))
        return codec.unpack_outbox(await self._shards.values.open_all(entries, after=b"\n"))

    async def published(self, conversation: str, event_ids: Sequence[str], *, turns: Sequence[Turn] = ()) -> None:
        if event_ids or turns:
            turn_arguments = [
                part for turn in turns for part in (turn.id, rules.to_micros(turn.at), ids.turn_record_id(turn.id))
            ]
            await self._shards.run_for(
                conversation,
                "remove_published",
                _PUBLISHED,
                conversation,
                rules.TURNS_KEPT,
                len(turns),
                *turn_arguments,
                *event_ids,
            )

    async def list_unpublished(self, *, before: datetime, limit: int) -> list[str]:
        return [member for _, member in await listing.read_due(self._shards, "u", rules.to_micros(before), limit)]

    async def list_expiring(self, *, before: datetime, limit: int) -> list[str]:
        return [member for _, member in await listing.read_due(self._shards, "ap", rules.to_micros(before), limit)]

    async def postpone(self, conversation: str, until: datetime) -> None:
        await self._shards.run_for(conversation, "postpone_due", ("ap",), conversation, rules.to_micros(until))

    async def own(
        self,
        conversation: str,
        to: Owner,
        *,
        expected_epoch: int,
        request_id: str,
        by: str,
        name: str = "",
        reason: str = "",
        now: datetime,
    ) -> OwnershipResult:
        holder = Holder(by=by, name=name, reason=reason, since=now)
        held = await self.get(conversation)
        if held is None:
            raise NotFound("no such conversation")
        epoch = expected_epoch + 1
        event = rules.build_owner_changed(held, to, holder, epoch=epoch, request_id=request_id)
        values = self._shards.values
        entry = await values.seal(conversation, codec.pack_envelope(event), after=b"\n")
        written = await values.seal(conversation, holder.model_dump_json())
        answer = await self._shards.run_for(
            conversation,
            "change_owner",
            _OWN,
            conversation,
            rules.to_micros(now),
            to,
            expected_epoch,
            request_id,
            event.id,
            entry,
            # The result for an epoch of -1 tells whether this owner raises the floor.
            int(rules.agent_floor_after(to, epoch, -1) == epoch),
            codec.KEEP,
            written,
        )
        if len(answer) == 1:
            raise NotFound("no such conversation")
        won, owner, now_epoch = answer
        return OwnershipResult(bool(won), owner.decode(), int(now_epoch))

    async def get(self, conversation: str) -> Conversation | None:
        (fields,) = await self._shards.run_for(conversation, "get_conversation", ("c:",))
        return codec.conversation_of(conversation, await listing.open_fields(self._shards, fields))

    async def snapshot(self, conversation: str) -> Snapshot | None:
        fields, handled, outbox, numbers, promised = await self._shards.run_for(
            conversation, "read_snapshot", _SNAPSHOT, rules.RECENT_SEQS
        )
        fields, outbox = (
            await listing.open_fields(self._shards, fields),
            await self._shards.values.open_all(outbox, after=b"\n"),
        )
        return codec.snapshot_of(conversation, fields, handled, codec.unpack_outbox(outbox), numbers, promised)

    async def list_page(
        self, tenant: str, *, owner: Owner | None = None, channel: str = "", after: str = "", limit: int = 50
    ) -> Page:
        owners = [owner] if owner else list(rules.OWNERS)
        ids, next_ = await listing.read_newest(self._shards, tenant, owners, channel, after, max(1, limit))
        items = await listing.load(self._shards, ids)
        return Page([item for item in items if item is not None], next_)

    async def count(self, tenant: str, owner: Owner, *, channel: str = "") -> int:
        arguments = (listing.quote_part(tenant), listing.quote_part(channel), owner)
        return sum(
            int(number) for (number,) in await self._shards.run_on_all("count_conversations", ("l", "lc"), *arguments)
        )

    async def counts(self) -> dict[Owner, int]:
        total: dict[Owner, int] = dict.fromkeys(rules.OWNERS, 0)
        for (counted,) in await self._shards.run_on_all("read_hash", ("k",)):
            for owner, count in codec.pairs(counted):
                total[owner.decode()] += int(count)  # type: ignore[index]
        return total


def _new(conversation: str, origin: Origin, now: datetime) -> tuple[Argument, ...]:
    """The arguments of ``includes/create_conversation.lua``."""
    tenant, channel = listing.quote_part(origin.tenant), listing.quote_part(origin.channel)
    # Only strings: encoding it without the model takes a fifth of the time.
    return conversation, rules.to_micros(now), orjson.dumps(dict(origin)), tenant, channel


ATTEMPTS = 50


def contact_keys(shards: Shards, tenant: str, addresses: Iterable[Address]) -> list[str]:
    """The key prefix of the tenant's contacts, then the key of each address."""
    shard = contact_search.contacts_shard(tenant)
    places = [shards.key(shard, "a", tenant, address.channel, address.value) for address in addresses]
    return [contact_search.contacts_key(shards, tenant), *places]


def contact_put_arguments(
    shards: Shards, contact: Contact, losers: Sequence[Contact], swallowed: Iterable[str], read: dict[str, bytes]
) -> tuple[list[str], list[Argument]]:
    """Keys and arguments of ``contact_put``. ``read``: the stored bodies by contact id."""
    after: dict[str, str] = {loser.id: loser.model_dump_json() for loser in losers}
    after |= dict.fromkeys(swallowed, f">{contact.id}")
    rows: list[Argument] = [part for id_, body in read.items() for part in (id_, body, after.get(id_, ""))]
    before = [Contact.model_validate_json(body) for id_, body in read.items() if body and id_ in {contact.id, *after}]
    terms = contact_search.list_changes(before, [contact, *losers])
    keys = contact_keys(shards, contact.tenant, [*contact.addresses, *contact.left])
    keys.append(contact_search.index_key(shards, contact.tenant))
    return keys, [len(contact.addresses), contact.id, contact.model_dump_json(), len(read), *rows, *terms]


class RedisContacts:
    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def resolve(
        self,
        tenant: str,
        channel: str,
        account: str,
        place: str,
        addresses: Sequence[Address],
        *,
        now: datetime,
        change: ContactUpdate | None = None,
    ) -> tuple[Contact, str]:
        known = contact_merging.lookup_addresses(channel, place, addresses)
        for _ in range(ATTEMPTS):
            bodies = await self._find(tenant, known)
            contacts = [Contact.model_validate_json(body) for body in bodies.values()]
            resolution = contact_merging.resolve_contact(contacts, tenant, channel, account, place, known, now, change)
            if not (resolution.changed or resolution.merged_ids) or await self._put(resolution, bodies):
                return resolution.contact, resolution.conversation
        raise StateUnavailable("a contact changes faster than it can be written")

    async def preview(
        self, tenant: str, channel: str, account: str, place: str, addresses: Sequence[Address], *, now: datetime
    ) -> tuple[Contact, str]:
        known = contact_merging.lookup_addresses(channel, place, addresses)
        bodies = await self._find(tenant, known)
        contacts = [Contact.model_validate_json(body) for body in bodies.values()]
        resolution = contact_merging.resolve_contact(contacts, tenant, channel, account, place, known, now)
        return resolution.contact, resolution.conversation

    async def get(self, tenant: str, contact: str) -> Contact | None:
        shard, key = contact_search.contacts_shard(tenant), contact_search.contacts_key(self._shards, tenant)
        (body,) = await self._shards.run(shard, "contact_get", [key], contact)
        return None if body is None else Contact.model_validate_json(body)

    async def _find(self, tenant: str, addresses: Sequence[Address]) -> dict[str, bytes]:
        """Bodies as stored, by contact id."""
        (flat,) = await self._shards.run(
            contact_search.contacts_shard(tenant), "contact_find", contact_keys(self._shards, tenant, addresses)
        )
        return {id_.decode(): body for id_, body in zip(flat[::2], flat[1::2], strict=True)}

    async def _put(self, resolution: contact_merging.ContactResolution, read: dict[str, bytes]) -> bool:
        """False when somebody else was faster."""
        losers = [each for each in resolution.changed if each.id != resolution.contact.id]
        keys, arguments = contact_put_arguments(self._shards, resolution.contact, losers, resolution.merged_ids, read)
        shard = contact_search.contacts_shard(resolution.contact.tenant)
        (done,) = await self._shards.run(shard, "contact_put", keys, *arguments)
        return bool(done)
