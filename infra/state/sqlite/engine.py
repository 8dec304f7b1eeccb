"""The state engine of embedded mode: all state ports in the one SQLite file, its migration, its checks, and its side of
a rebuild from the log."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterable
from datetime import datetime
from typing import TypeVar

from infra.bus.partitioner import shard_of
from infra.database import Database, database_file, migration
from infra.database.migration import SchemaState
from infra.deploy.doctor_finding import Finding
from infra.state import contact_merging, rules
from infra.state.registry import StateEngine, StateLocation
from infra.state.signals import ProcessSignals
from infra.state.sqlite import (
    contact_rows,
    contacts,
    conversation_rows,
    conversations,
    coordination,
    parking,
    retention,
    sealed_rows,
    side_effects,
    transcript,
    usage,
)
from infra.state.sqlite.store import ALL_SHARDS, UNSHARDED, SharedLog, Store, Work, lost_shards
from infra.state.usage import StateUsage
from schemas.access import AccessToken
from schemas.actions import ActionIntended, ActionSettled
from schemas.conversation import Contact, DeadLetter, DeliveryOutcome, Snapshot
from schemas.conversation_activity import SessionEnded
from schemas.errors import SetupError, StateUnavailable
from schemas.messages import TranscriptMessage
from schemas.ports import Record, State
from schemas.privacy.contact_keys import ContactKey
from schemas.privacy.sealed_bodies import BodySealer

T = TypeVar("T")

# Tables that a rebuild keeps: parked records and dead letters stay valid whatever else is lost.
_BY_KEY = {
    "state_conversations": "id",
    "state_handled": "conversation",
    "state_outbox": "conversation",
    "state_claims": "conversation",
    "state_holders": "conversation",
    "state_transcript": "conversation",
    "state_transcript_heads": "conversation",
    "state_deliveries": "conversation",
    "state_external_ids": "conversation",
    "state_actions": "conversation",
    "state_approvals": "conversation",
    "state_contact_keys": "contact",
}
"""The tables by conversation or contact, and the column whose shard holds a row."""
_BY_TENANT = {
    "state_contacts": contact_merging.contacts_key,
    "state_addresses": contact_merging.contacts_key,
    "state_contact_terms": contact_merging.contacts_key,
    "state_access_tokens": rules.access_tokens_key,
}
"""The tables by tenant, and the key whose shard holds a tenant's rows."""


def open_sqlite_state(database: Database, log: SharedLog | None = None) -> State:
    """All state ports over ``database``. Closing the state leaves the database open: the log shares it. With ``log``,
    a turn is published with its commit."""
    store = Store(database, log)
    signals, search = ProcessSignals(), contacts.SqliteContactSearch(store)

    async def check_ready() -> None:
        # The log's check writes to the same file.
        await store.read(ALL_SHARDS, lambda connection: connection.execute("SELECT 1").fetchone())

    async def close() -> None:
        signals.close()

    def seal_with(sealer: BodySealer) -> None:
        store.sealer = sealer

    return State(
        conversations=conversations.SqliteConversations(store),
        contacts=contacts.SqliteContacts(store),
        contact_search=search,
        contact_erasure=contacts.SqliteContactErasure(store),
        contact_keys=contacts.SqliteContactKeys(store),
        transcript=transcript.SqliteTranscript(store),
        deliveries=side_effects.SqliteDeliveries(store),
        parking=parking.SqliteParking(store),
        dead_letters=parking.SqliteDeadLetters(store),
        strikes=parking.SqliteStrikes(store),
        turns=transcript.SqliteTurns(store),
        limiter=coordination.SqliteLimiter(store),
        leases=coordination.SqliteLeases(store),
        signals=signals,
        heads=coordination.SqliteKnowledgeHeads(store),
        journal=side_effects.SqliteJournal(store),
        tokens=coordination.SqliteVisitorTokens(store),
        access_tokens=coordination.SqliteAccessTokens(store),
        rebuild=SqliteRebuild(store),
        check_ready=check_ready,
        close=close,
        retention=retention.SqliteRetention(store),
        seal_with=seal_with,
        seal_contacts=search.seal_contacts,
    )


class SqliteEngine:
    async def open_state(self, location: StateLocation) -> State:
        if location.database is None:
            raise SetupError("state on SQLite shares the file of the log", fix="set both `bus` and `state` to sqlite")
        return open_sqlite_state(location.database, location.log)

    async def schema_state(self, location: StateLocation) -> SchemaState:
        return migration.state_of(database_file(location.data_dir))

    async def migrate(self, location: StateLocation) -> None:
        await Database.open(database_file(location.data_dir)).close()

    async def read_usage(self, location: StateLocation, now: datetime) -> StateUsage | None:
        path = database_file(location.data_dir)
        if not path.is_file():
            return None
        try:
            return await asyncio.to_thread(usage.read_usage, path, now)
        except sqlite3.Error as error:
            raise StateUnavailable(f"{path} cannot be read: {error}") from error

    async def run_checks(self, location: StateLocation) -> list[Finding]:
        found = sqlite3.sqlite_version
        if sqlite3.sqlite_version_info >= (3, 35):
            return [Finding("sqlite", "ok", found)]
        return [Finding("sqlite", "fail", found, "use a newer Python: SQLite 3.35 or newer is required")]


ENGINE: StateEngine = SqliteEngine()


class SqliteRebuild:
    """Normally nothing is ever lost here, but an operator may ask for a rebuild, and damage makes one necessary."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def check(self) -> frozenset[int]:
        return await self._store.read(UNSHARDED, lost_shards)

    async def prepare(self, shards: frozenset[int]) -> None:
        await self._store.write(UNSHARDED, lambda connection: _empty(connection, shards), durable=True)

    async def restore(self, snapshot: Snapshot) -> None:
        await self._write(lambda connection: _restore(connection, snapshot))

    async def restore_contact(self, contact: Contact) -> None:
        await self._write(lambda connection: _restore_contact(connection, contact))

    async def restore_message(self, conversation: str, message: TranscriptMessage) -> None:
        await self._write(lambda connection: _restore_message(connection, conversation, message))

    async def restore_delivery(
        self, conversation: str, outcome: DeliveryOutcome, *, channel: str = "", account: str = ""
    ) -> None:
        await self._write(lambda connection: _restore_delivery(connection, conversation, outcome, channel, account))

    async def restore_parked(self, group: str, conversation: str, record: Record, *, until: datetime) -> None:
        await self._write(lambda connection: parking.restore(connection, group, conversation, record, until))

    async def restore_intended(self, tenant: str, conversation: str, intended: ActionIntended) -> None:
        def work(connection: sqlite3.Connection) -> None:
            side_effects.intend_action(connection, conversation, intended)
            side_effects.count_action(
                connection, tenant, intended.contact_id, intended.action, intended.day, intended.key
            )

        await self._write(work)

    async def restore_settled(self, conversation: str, settled: ActionSettled) -> None:
        await self._write(lambda connection: side_effects.settle_action(connection, conversation, settled))

    async def restore_session_ended(self, conversation: str, ended: SessionEnded, *, now: datetime) -> None:
        await self._write(lambda connection: coordination.revoke_session(connection, ended.session, ended.until, now))

    async def restore_access_token(self, token: AccessToken) -> None:
        await self._write(lambda connection: coordination.put_token(connection, token))

    async def restore_dead_letter(self, letter: DeadLetter) -> None:
        await self._write(lambda connection: parking.add_letter(connection, letter))

    async def restore_contact_key(self, key: ContactKey) -> None:
        await self._write(lambda connection: sealed_rows.put_key(connection, key))

    async def finish(self, shards: frozenset[int]) -> None:
        def work(connection: sqlite3.Connection) -> None:
            connection.executemany("DELETE FROM state_lost WHERE shard = ?", [(shard,) for shard in shards])
            if not lost_shards(connection):
                connection.execute("DELETE FROM state_mended")

        await self._store.write(UNSHARDED, work, durable=True)

    async def _write(self, work: Work[T]) -> T:
        return await self._store.write(UNSHARDED, work)


def _empty(connection: sqlite3.Connection, shards: frozenset[int]) -> None:
    connection.executemany("INSERT OR IGNORE INTO state_lost (shard) VALUES (?)", [(shard,) for shard in shards])
    # Conversations come back with tokens above any issued before: a worker of that time must not win again.
    connection.execute(
        "INSERT OR REPLACE INTO state_token_floor (id, floor)"
        " SELECT 1, MAX(COALESCE((SELECT floor FROM state_token_floor), 0), COALESCE(MAX(token), 0))"
        " FROM state_conversations"
    )
    if _is_repairing(connection):
        return  # kept rows stay: they may be older than what the log still has
    for table, column in _BY_KEY.items():
        _delete(
            connection, table, column, (id_ for id_ in _values(connection, table, column) if shard_of(id_) in shards)
        )
    counts = connection.execute("SELECT DISTINCT tenant, contact FROM state_action_counts").fetchall()
    connection.executemany(
        "DELETE FROM state_action_counts WHERE tenant = ? AND contact = ?",
        [counted for counted in counts if shard_of(side_effects.counting_place(*counted)) in shards],
    )
    for table, find_key in _BY_TENANT.items():
        tenants = (name for name in _values(connection, table, "tenant") if shard_of(find_key(name)) in shards)
        _delete(connection, table, "tenant", tenants)


def _is_repairing(connection: sqlite3.Connection) -> bool:
    """Return whether rows were lost to damage, and the others are still there; see
    ``recovery/repair.py``."""
    return connection.execute("SELECT 1 FROM state_mended LIMIT 1").fetchone() is not None


def _values(connection: sqlite3.Connection, table: str, column: str) -> list[str]:
    return [value for (value,) in connection.execute(f"SELECT DISTINCT {column} FROM {table}")]  # noqa: S608


def _delete(connection: sqlite3.Connection, table: str, column: str, values: Iterable[str]) -> None:
    connection.executemany(f"DELETE FROM {table} WHERE {column} = ?", [(value,) for value in values])  # noqa: S608


def _restore(connection: sqlite3.Connection, snapshot: Snapshot) -> None:
    conversation = snapshot.conversation
    known = conversation_rows.load(connection, conversation.id)
    handled = [(item.id, rules.to_micros(item.at)) for item in snapshot.handled]
    if not rules.supersedes(conversation, known.conversation if known else None):
        if _is_repairing(connection):
            conversation_rows.add_handled(connection, conversation.id, handled)
        return
    conversation_rows.create(connection, conversation, replace=True)
    conversation_rows.save_expiry(connection, conversation.id, conversation.facts)
    connection.execute("DELETE FROM state_handled WHERE conversation = ?", (conversation.id,))
    conversation_rows.add_handled(connection, conversation.id, handled)
    connection.execute("DELETE FROM state_outbox WHERE conversation = ?", (conversation.id,))
    for record in snapshot.outbox:
        event = rules.unpack_envelope(record)
        conversation_rows.add_to_outbox(connection, conversation.id, [event], rules.to_micros(event.time))
    transcript.reserve_numbers(
        connection, conversation.id, conversation.head_seq, [(item.id, item.seq) for item in snapshot.recent]
    )


def _restore_contact(connection: sqlite3.Connection, contact: Contact) -> None:
    contacts_found = contact_rows.find_by_addresses(connection, contact.tenant, contact.addresses)
    known = contact_rows.load_contact(connection, contact.tenant, contact.id)
    if known is not None:
        contacts_found.append(known)
    merged, losers, swallowed = contact_merging.restore_contact(contact, contacts_found)
    contact_rows.save_contacts(connection, contact.tenant, [merged, *losers], swallowed, into=merged.id)


def _restore_message(connection: sqlite3.Connection, conversation: str, message: TranscriptMessage) -> None:
    if not transcript.is_written(connection, conversation, message.id):
        transcript.claim_number(connection, conversation, message)
        transcript.write(connection, conversation, message)


def _restore_delivery(
    connection: sqlite3.Connection, conversation: str, outcome: DeliveryOutcome, channel: str, account: str
) -> None:
    """A message shown at the desk is at another place than its conversation."""
    side_effects.record_outcome(connection, conversation, outcome)
    row = conversation_rows.load(connection, conversation)
    if outcome.external_id and row is not None:
        at = row.conversation.origin
        side_effects.bind(
            connection,
            at.tenant,
            channel or at.channel,
            account or at.account,
            outcome.external_id,
            conversation,
            outcome.part_of or outcome.message_id,
        )
