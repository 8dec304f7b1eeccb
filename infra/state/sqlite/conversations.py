"""Contacts and conversations on SQLite: each transition is one transaction of the single writer."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from infra.state import contact_merging, rules
from infra.state.sqlite import conversation_rows, transcript
from infra.state.sqlite import conversation_rows as outbox
from infra.state.sqlite.store import ALL_SHARDS, Store
from schemas.conversation import Contact, Conversation, Facts, Holder, Origin, Owner, PackedSnapshot, Snapshot, Turn
from schemas.envelope import Envelope
from schemas.errors import NotFound
from schemas.messages import Address, TranscriptMessage
from schemas.ports import BegunConversation, CommitResult, ContactUpdate, OwnershipResult, Page


class SqliteConversations:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def open(self, conversation: str, origin: Origin, *, now: datetime) -> None:
        new = _new(conversation, origin, now)
        await self._store.write(conversation, lambda connection: conversation_rows.create(connection, new))

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
        new = _new(conversation, origin, now)

        def work(connection: sqlite3.Connection) -> BegunConversation:
            reused = transcript.add_all(connection, conversation, messages)
            begun = _begin(connection, new, event_ids)
            asked = recent if begun.conversation.owner == "agent" else 0
            lines = transcript.read_last(connection, conversation, asked) if asked else []
            deleted = frozenset(line.id for line in lines if line.state == "deleted")
            return replace(begun, reused=reused, recent=lines, deleted=deleted)

        # Clients are told the number of a message: see ``SqliteTranscript.add``.
        return await self._store.write(conversation, work, durable=bool(messages))

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
    ) -> CommitResult:
        def work(connection: sqlite3.Connection) -> CommitResult:
            row = conversation_rows.load(connection, conversation)
            key = rules.commit_key(token, version, handled)
            if row is not None and row.last_commit == key:
                return CommitResult("committed", _packed_snapshot(connection, conversation))
            if row is None or not _holds(row, token, version, epoch):
                return CommitResult("stale")
            _advance(connection, conversation, facts, key, now)
            conversation_rows.save_expiry(connection, conversation, facts)
            conversation_rows.write_handled(connection, conversation, handled, now)
            _put_outbox(connection, conversation, outbox, rules.to_micros(now))
            return CommitResult("committed", _packed_snapshot(connection, conversation))

        return await self._store.write(conversation, work, durable=True)

    async def read_outbox(self, conversation: str) -> list[Envelope]:
        return await self._store.read(conversation, lambda connection: outbox.read_outbox(connection, conversation))

    async def published(self, conversation: str, event_ids: Sequence[str], *, turns: Sequence[Turn] = ()) -> None:
        def work(connection: sqlite3.Connection) -> None:
            for turn in turns:
                transcript.add_turn(connection, conversation, turn)
            outbox.remove_from_outbox(connection, conversation, event_ids)

        await self._store.write(conversation, work)

    async def list_unpublished(self, *, before: datetime, limit: int) -> list[str]:
        return await self._store.read(
            ALL_SHARDS, lambda connection: outbox.list_unpublished(connection, rules.to_micros(before), limit)
        )

    async def list_expiring(self, *, before: datetime, limit: int) -> list[str]:
        return await self._store.read(
            ALL_SHARDS, lambda connection: conversation_rows.list_expiring(connection, rules.to_micros(before), limit)
        )

    async def postpone(self, conversation: str, until: datetime) -> None:
        await self._store.write(
            conversation,
            lambda connection: conversation_rows.postpone(connection, conversation, rules.to_micros(until)),
        )

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
        change = OwnershipChange(conversation, to, expected_epoch, request_id, holder)
        return await self._store.write(conversation, change.settle, durable=True)

    async def get(self, conversation: str) -> Conversation | None:
        row = await self._store.read(conversation, lambda connection: conversation_rows.load(connection, conversation))
        return row.conversation if row else None

    async def snapshot(self, conversation: str) -> Snapshot | None:
        return await self._store.read(conversation, lambda connection: _snapshot(connection, conversation))

    async def list_page(
        self, tenant: str, *, owner: Owner | None = None, channel: str = "", after: str = "", limit: int = 50
    ) -> Page:
        place = rules.cursor_place(after) if after else None
        return await self._store.read(
            ALL_SHARDS, lambda connection: _listing(connection, tenant, owner, channel, place, max(1, limit))
        )

    async def count(self, tenant: str, owner: Owner, *, channel: str = "") -> int:
        query = "SELECT COUNT(*) FROM state_conversations WHERE owner = ? AND tenant = ?"
        values = [owner, tenant]
        if channel:
            query, values = f"{query} AND channel = ?", [*values, channel]
        return await self._store.read(
            ALL_SHARDS, lambda connection: int(connection.execute(query, values).fetchone()[0])
        )

    async def counts(self) -> dict[Owner, int]:
        counts = await self._store.read(
            ALL_SHARDS,
            lambda c: dict(c.execute("SELECT owner, COUNT(*) FROM state_conversations GROUP BY owner").fetchall()),
        )
        return {owner: counts.get(owner, 0) for owner in rules.OWNERS}


_put_outbox = outbox.add_to_outbox  # inside ``commit`` the name `outbox` is the port's argument


def _new(conversation: str, origin: Origin, now: datetime) -> Conversation:
    return Conversation(id=conversation, origin=origin, created_at=now, updated_at=now)


def _begin(connection: sqlite3.Connection, new: Conversation, event_ids: Sequence[str]) -> BegunConversation:
    rows = _raise_token(connection, new.id)
    if not rows:
        conversation_rows.create(connection, new)
        rows = _raise_token(connection, new.id)
    row = conversation_rows.parse(rows[0])
    handled = conversation_rows.handled_among(connection, new.id, event_ids)
    return BegunConversation(row.conversation, row.token, handled, outbox.read_outbox(connection, new.id))


def _raise_token(connection: sqlite3.Connection, conversation: str) -> list[Any]:
    query = f"UPDATE state_conversations SET token = token + 1 WHERE id = ? RETURNING {conversation_rows.COLUMNS}"  # noqa: S608
    return connection.execute(query, (conversation,)).fetchall()


def _holds(row: conversation_rows.Row, token: int, version: int, epoch: int) -> bool:
    held = row.conversation
    return (row.token, held.version, held.epoch) == (token, version, epoch)


def _advance(connection: sqlite3.Connection, conversation: str, facts: Facts, key: str, now: datetime) -> None:
    connection.execute(
        "UPDATE state_conversations SET version = version + 1, facts = ?, last_commit = ?,"
        " updated_at = MAX(updated_at, ?) WHERE id = ?",
        (facts.model_dump_json(), key, rules.to_micros(now), conversation),
    )


def _snapshot(connection: sqlite3.Connection, conversation: str) -> Snapshot | None:
    parts = _parts(connection, conversation)
    return None if parts is None else rules.snapshot_of(*parts)


def _packed_snapshot(connection: sqlite3.Connection, conversation: str) -> PackedSnapshot | None:
    parts = _parts(connection, conversation)
    return None if parts is None else rules.packed_snapshot(*parts)


def _parts(
    connection: sqlite3.Connection, conversation: str
) -> tuple[Conversation, Iterable[tuple[str, int]], Iterable[tuple[str, int]], Iterable[Envelope]] | None:
    row = conversation_rows.load(connection, conversation)
    if row is None:
        return None
    return (
        row.conversation,
        conversation_rows.all_handled(connection, conversation),
        transcript.last_seqs(connection, conversation, rules.RECENT_SEQS),
        outbox.read_outbox(connection, conversation),
    )


def _listing(
    connection: sqlite3.Connection,
    tenant: str,
    owner: Owner | None,
    channel: str,
    place: tuple[int, str] | None,
    limit: int,
) -> Page:
    conditions, values = ["tenant = ?"], [tenant]
    for condition, value in (("owner = ?", owner), ("channel = ?", channel)):
        if value:
            conditions.append(condition)
            values.append(value)
    bound: tuple[object, ...] = ()
    if place:
        conditions.append("(updated_at, id) < (?, ?)")
        bound = place
    query = (
        f"SELECT {conversation_rows.COLUMNS} FROM state_conversations WHERE {' AND '.join(conditions)}"  # noqa: S608
        " ORDER BY updated_at DESC, id DESC LIMIT ?"
    )
    conversations = [
        conversation_rows.parse(row).conversation for row in connection.execute(query, (*values, *bound, limit + 1))
    ]
    items = conversations[:limit]
    more = len(conversations) > limit
    return Page(items, rules.cursor(rules.to_micros(items[-1].updated_at), items[-1].id) if more else "")


# The compare-and-set of a conversation's owner.
@dataclass(frozen=True, slots=True)
class OwnershipChange:
    conversation: str
    to: Owner
    expected_epoch: int
    request_id: str
    holder: Holder

    def settle(self, connection: sqlite3.Connection) -> OwnershipResult:
        """Raises NotFound. A repeat of a won request gets the result it won, whatever has happened since."""
        row = conversation_rows.load(connection, self.conversation)
        if row is None:
            raise NotFound("no such conversation")
        earlier = connection.execute(
            "SELECT owner, epoch FROM state_claims WHERE conversation = ? AND request_id = ?",
            (self.conversation, self.request_id),
        ).fetchone()
        if earlier:
            return OwnershipResult(True, *earlier)
        held = row.conversation
        if held.epoch != self.expected_epoch:
            return OwnershipResult(False, held.owner, held.epoch)
        self._win(connection, held)
        return OwnershipResult(True, self.to, held.epoch + 1)

    def _win(self, connection: sqlite3.Connection, held: Conversation) -> None:
        now = self.holder.since
        at, epoch = rules.to_micros(now), held.epoch + 1
        connection.execute(
            "UPDATE state_conversations SET owner = ?, epoch = ?, agent_floor = ?, updated_at = MAX(updated_at, ?)"
            " WHERE id = ?",
            (self.to, epoch, rules.agent_floor_after(self.to, epoch, held.agent_floor), at, held.id),
        )
        connection.execute(
            "DELETE FROM state_claims WHERE conversation = ?1 AND at < ?2 AND request_id NOT IN"
            " (SELECT request_id FROM state_claims WHERE conversation = ?1 ORDER BY at DESC LIMIT ?3)",
            (held.id, rules.to_micros(rules.handled_floor(now)), rules.KEPT_WHATEVER_AGE),
        )
        connection.execute(
            "INSERT INTO state_claims (conversation, request_id, owner, epoch, at) VALUES (?, ?, ?, ?, ?)",
            (held.id, self.request_id, self.to, epoch, at),
        )
        conversation_rows.save_holder(connection, held.id, self.holder)
        event = rules.build_owner_changed(held, self.to, self.holder, epoch=epoch, request_id=self.request_id)
        outbox.add_to_outbox(connection, held.id, [event], at)


class SqliteContacts:
    def __init__(self, store: Store) -> None:
        self._store = store

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

        def look(connection: sqlite3.Connection) -> contact_merging.ContactResolution:
            contacts = find_by_addresses(connection, tenant, known)
            return contact_merging.resolve_contact(contacts, tenant, channel, account, place, known, now, change)

        def settle(connection: sqlite3.Connection) -> contact_merging.ContactResolution:
            resolution = look(connection)
            save_contacts(connection, tenant, resolution.changed, resolution.merged_ids, into=resolution.contact.id)
            return resolution

        # Nearly every message comes from a known contact: that must not wait for the writer.
        resolution = await self._store.read(contact_merging.contacts_key(tenant), look)
        if resolution.changed or resolution.merged_ids:
            resolution = await self._store.write(contact_merging.contacts_key(tenant), settle)
        return resolution.contact, resolution.conversation

    async def preview(
        self, tenant: str, channel: str, account: str, place: str, addresses: Sequence[Address], *, now: datetime
    ) -> tuple[Contact, str]:
        known = contact_merging.lookup_addresses(channel, place, addresses)
        contacts = await self._store.read(
            contact_merging.contacts_key(tenant), lambda connection: find_by_addresses(connection, tenant, known)
        )
        resolution = contact_merging.resolve_contact(contacts, tenant, channel, account, place, known, now)
        return resolution.contact, resolution.conversation

    async def get(self, tenant: str, contact: str) -> Contact | None:
        return await self._store.read(
            contact_merging.contacts_key(tenant), lambda connection: load_contact(connection, tenant, contact)
        )


def load_contact(connection: sqlite3.Connection, tenant: str, contact: str) -> Contact | None:
    """The contact, or the one it was merged into."""
    query = "SELECT body, merged_into FROM state_contacts WHERE tenant = ? AND id = ?"
    row = connection.execute(query, (tenant, contact)).fetchone()
    if row is None:
        return None
    body, merged_into = row
    return load_contact(connection, tenant, merged_into) if merged_into else Contact.model_validate_json(body)


def find_by_addresses(connection: sqlite3.Connection, tenant: str, addresses: Sequence[Address]) -> list[Contact]:
    """The different contacts that have any of these addresses, or had it last."""
    query = "SELECT contact FROM state_addresses WHERE tenant = ? AND channel = ? AND value = ?"
    found: dict[str, Contact] = {}
    for address in addresses:
        for (id_,) in connection.execute(query, (tenant, address.channel, address.value)).fetchall():
            contact = load_contact(connection, tenant, id_)
            if contact is not None:
                found[contact.id] = contact
    return list(found.values())


def save_contacts(
    connection: sqlite3.Connection, tenant: str, changed: Iterable[Contact], merged_ids: Iterable[str], *, into: str
) -> None:
    """Write contacts, some of which may have been merged ``into`` one. An address leads to the contact who has it, else
    had it last."""
    for contact in changed:
        connection.execute(
            "INSERT OR REPLACE INTO state_contacts (tenant, id, body) VALUES (?, ?, ?)",
            (tenant, contact.id, contact.model_dump_json()),
        )
        for verb, addresses in (("REPLACE", contact.addresses), ("IGNORE", contact.left)):
            connection.executemany(
                f"INSERT OR {verb} INTO state_addresses (tenant, channel, value, contact) VALUES (?, ?, ?, ?)",  # noqa: S608
                [(tenant, address.channel, address.value, contact.id) for address in addresses],
            )
    connection.executemany(
        "INSERT OR REPLACE INTO state_contacts (tenant, id, merged_into) VALUES (?, ?, ?)",
        [(tenant, id_, into) for id_ in merged_ids],
    )
