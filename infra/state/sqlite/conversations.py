"""Conversations on SQLite: each transition is one transaction of the single writer."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Literal

from infra.state import rules
from infra.state.sqlite import conversation_rows, transcript
from infra.state.sqlite import conversation_rows as outbox
from infra.state.sqlite.sealed_rows import seal
from infra.state.sqlite.store import ALL_SHARDS, Store
from schemas.conversation import Conversation, Facts, Holder, Origin, Owner, PackedSnapshot, Snapshot, Turn
from schemas.envelope import Envelope
from schemas.errors import NotFound
from schemas.messages import TranscriptMessage
from schemas.ports import BegunConversation, CommitResult, OwnershipResult, Page, Publication


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
            if messages:  # they are sealed with the key of whoever began the conversation
                conversation_rows.create(connection, new)
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
        publication: Publication | None = None,
    ) -> CommitResult:
        key = rules.commit_key(token, version, handled)
        step = TurnCommit(conversation, (token, version, epoch), key, facts, handled, outbox, now)
        log = self._store.log
        if publication is None or log is None:
            return await self._store.write(conversation, step.commit, durable=True)
        return await self._store.write_and_append(log, conversation, partial(step.publish, publication))

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
        return await self._store.write(conversation, change.apply, durable=True)

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


def _new(conversation: str, origin: Origin, now: datetime) -> Conversation:
    return Conversation(id=conversation, origin=origin, created_at=now, updated_at=now)


def _begin(connection: sqlite3.Connection, new: Conversation, event_ids: Sequence[str]) -> BegunConversation:
    rows = _raise_token(connection, new.id)
    if not rows:
        conversation_rows.create(connection, new)
        rows = _raise_token(connection, new.id)
    row = conversation_rows.parse(connection, rows[0], new.origin)
    handled = conversation_rows.handled_among(connection, new.id, event_ids)
    return BegunConversation(row.conversation, row.token, handled, outbox.read_outbox(connection, new.id))


def _raise_token(connection: sqlite3.Connection, conversation: str) -> list[Any]:
    query = f"UPDATE state_conversations SET token = token + 1 WHERE id = ? RETURNING {conversation_rows.COLUMNS}"  # noqa: S608
    return connection.execute(query, (conversation,)).fetchall()


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
        conversation_rows.parse(connection, row).conversation
        for row in connection.execute(query, (*values, *bound, limit + 1))
    ]
    items = conversations[:limit]
    more = len(conversations) > limit
    return Page(items, rules.cursor(rules.to_micros(items[-1].updated_at), items[-1].id) if more else "")


# The commit of a turn. ``held``: token, version and epoch that the conversation must still have.
@dataclass(frozen=True, slots=True)
class TurnCommit:
    conversation: str
    held: tuple[int, int, int]
    key: str
    facts: Facts
    handled: Sequence[str]
    outbox: Sequence[Envelope]
    now: datetime

    def commit(self, connection: sqlite3.Connection) -> CommitResult:
        """Write everything, with the events in the outbox."""
        verdict = self._write(connection)
        if verdict == "stale":
            return CommitResult("stale")
        if verdict == "committed":
            outbox.add_to_outbox(connection, self.conversation, self.outbox, rules.to_micros(self.now))
        return CommitResult("committed", _packed_snapshot(connection, self.conversation))

    def publish(
        self, publication: Publication, connection: sqlite3.Connection
    ) -> tuple[CommitResult, Sequence[Envelope]]:
        """Write everything; return also the events, which go on the log in the same transaction."""
        verdict = self._write(connection)
        if verdict == "stale":
            return CommitResult("stale"), ()
        published = CommitResult("committed", is_published=True)
        snapshot = _packed_snapshot(connection, self.conversation)
        if verdict == "repeated" or snapshot is None:
            return published, ()
        for turn in publication.turns:
            transcript.add_turn(connection, self.conversation, turn)
        return published, [publication.build_snapshot(snapshot), *self.outbox]

    def _write(self, connection: sqlite3.Connection) -> Literal["committed", "repeated", "stale"]:
        row = conversation_rows.load(connection, self.conversation)
        if row is not None and row.last_commit == self.key:
            return "repeated"
        if row is None or (row.token, row.conversation.version, row.conversation.epoch) != self.held:
            return "stale"
        connection.execute(
            "UPDATE state_conversations SET version = version + 1, facts = ?, last_commit = ?,"
            " updated_at = MAX(updated_at, ?) WHERE id = ?",
            (
                seal(connection, self.conversation, self.facts.model_dump_json()),
                self.key,
                rules.to_micros(self.now),
                self.conversation,
            ),
        )
        conversation_rows.save_expiry(connection, self.conversation, self.facts)
        conversation_rows.write_handled(connection, self.conversation, self.handled, self.now)
        return "committed"


# The compare-and-set of a conversation's owner.
@dataclass(frozen=True, slots=True)
class OwnershipChange:
    conversation: str
    to: Owner
    expected_epoch: int
    request_id: str
    holder: Holder

    def apply(self, connection: sqlite3.Connection) -> OwnershipResult:
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
