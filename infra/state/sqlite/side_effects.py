"""Side effects on SQLite: deliveries, and the journal of actions."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from datetime import datetime, timedelta

from infra.state import journal_rules, rules
from infra.state.sqlite import transcript
from infra.state.sqlite.sealed_rows import open_body, seal
from infra.state.sqlite.store import ALL_SHARDS, Store
from schemas.actions import ActionIntended, ActionSettled, JournalEntry
from schemas.conversation import DeliveryOutcome
from schemas.messages import OutboundMessage, TranscriptMessage
from schemas.ports import ActionClaim, RecordedLine, SendVerdict, VendorMessage


class SqliteDeliveries:
    """Without a disk sync of their own: an intent lost in a power cut is lost together with every later write of the
    file, the consumer's offset among them, so the message comes again; at worst it is sent twice."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def begin_send(
        self, conversation: str, message: OutboundMessage, *, deadline: float, now: datetime
    ) -> SendVerdict:
        def work(connection: sqlite3.Connection) -> SendVerdict:
            outcome, intended = _load(connection, conversation, message.id)
            floor = _floor(connection, conversation)
            verdict = rules.send_verdict(message, floor=floor, outcome=outcome, intended=intended, now=now)
            if verdict == "go":
                _intend(connection, conversation, message.id, now + timedelta(seconds=deadline), now)
            return verdict

        return await self._store.write(conversation, work)

    async def begin_resend(
        self,
        conversation: str,
        message: OutboundMessage,
        *,
        deadline: float,
        now: datetime,
        held: datetime | None = None,
    ) -> SendVerdict:
        def work(connection: sqlite3.Connection) -> SendVerdict:
            outcome, _ = _load(connection, conversation, message.id)
            verdict = rules.resend_verdict(
                message,
                floor=_floor(connection, conversation),
                outcome=outcome,
                deadline=_deadline(connection, conversation, message.id),
                now=now,
                held=held,
            )
            if verdict == "go":
                _intend(connection, conversation, message.id, now + timedelta(seconds=deadline), now)
            return verdict

        return await self._store.write(conversation, work)

    async def withdraw(self, conversation: str, message_id: str) -> None:
        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "DELETE FROM state_deliveries WHERE conversation = ? AND message_id = ? AND outcome IS NULL",
                (conversation, message_id),
            )

        await self._store.write(conversation, work)

    async def intent_deadline(self, conversation: str, message_id: str) -> datetime | None:
        return await self._store.read(conversation, lambda connection: _deadline(connection, conversation, message_id))

    async def record(
        self,
        conversation: str,
        outcome: DeliveryOutcome,
        *,
        bound: VendorMessage | None = None,
        line: TranscriptMessage | None = None,
    ) -> RecordedLine:
        def work(connection: sqlite3.Connection) -> RecordedLine:
            if bound is not None:
                row = (bound.tenant, bound.channel, bound.account, bound.external_id, conversation, bound.message_id)
                bind(connection, *row)
            record_outcome(connection, conversation, outcome)
            return RecordedLine() if line is None else transcript.show(connection, conversation, line)

        # Clients are told the number of a line: see ``SqliteTranscript.add``.
        return await self._store.write(conversation, work, durable=line is not None)

    async def outcome(self, conversation: str, message_id: str) -> DeliveryOutcome | None:
        found, _ = await self._store.read(conversation, lambda connection: _load(connection, conversation, message_id))
        return found

    async def by_external_id(self, tenant: str, channel: str, account: str, external_id: str) -> tuple[str, str] | None:
        query = (
            "SELECT conversation, message_id FROM state_external_ids"
            " WHERE tenant = ? AND channel = ? AND account = ? AND external_id = ?"
        )

        def work(connection: sqlite3.Connection) -> tuple[str, str] | None:
            found: tuple[str, str] | None = connection.execute(
                query, (tenant, channel, account, external_id)
            ).fetchone()
            return found

        return await self._store.read(ALL_SHARDS, work)

    async def bind(
        self, tenant: str, channel: str, account: str, external_id: str, conversation: str, message_id: str
    ) -> None:
        row = (tenant, channel, account, external_id, conversation, message_id)
        await self._store.write(conversation, lambda connection: bind(connection, *row))

    async def unresolved(self, *, before: datetime, limit: int) -> list[tuple[str, str]]:
        query = (
            "SELECT conversation, message_id FROM state_deliveries WHERE outcome IS NULL AND deadline < ?"
            " ORDER BY deadline LIMIT ?"
        )

        def work(connection: sqlite3.Connection) -> list[tuple[str, str]]:
            return connection.execute(query, (rules.to_micros(before), limit)).fetchall()

        return await self._store.read(ALL_SHARDS, work)


def bind(
    connection: sqlite3.Connection,
    tenant: str,
    channel: str,
    account: str,
    external_id: str,
    conversation: str,
    message_id: str,
) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO state_external_ids"
        " (tenant, channel, account, external_id, conversation, message_id) VALUES (?, ?, ?, ?, ?, ?)",
        (tenant, channel, account, external_id, conversation, message_id),
    )


def record_outcome(connection: sqlite3.Connection, conversation: str, outcome: DeliveryOutcome) -> None:
    """Write the outcome, unless a final one is there. An outcome without an intent is stored too."""
    old, _ = _load(connection, conversation, outcome.message_id)
    if not rules.replaces_outcome(old, outcome):
        return
    at = rules.to_micros(outcome.at)
    connection.execute(
        "INSERT INTO state_deliveries (conversation, message_id, deadline, at, outcome) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (conversation, message_id) DO UPDATE SET outcome = excluded.outcome, at = excluded.at",
        (conversation, outcome.message_id, at, at, _seal_outcome(connection, conversation, outcome)),
    )


def _seal_outcome(connection: sqlite3.Connection, conversation: str, outcome: DeliveryOutcome) -> str:
    return seal(connection, conversation, outcome.model_dump_json(), rules.list_readable(outcome))


def _load(connection: sqlite3.Connection, conversation: str, message: str) -> tuple[DeliveryOutcome | None, bool]:
    """The outcome, and whether there is at least an intent."""
    query = "SELECT outcome FROM state_deliveries WHERE conversation = ? AND message_id = ?"
    row = connection.execute(query, (conversation, message)).fetchone()
    if row is None:
        return None, False
    return (_open_outcome(connection, message, row[0]) if row[0] else None), True


def _open_outcome(connection: sqlite3.Connection, message: str, stored: str) -> DeliveryOutcome:
    body = open_body(connection, stored)
    return rules.forget_outcome(message, stored) if body is None else DeliveryOutcome.model_validate_json(body)


def _deadline(connection: sqlite3.Connection, conversation: str, message: str) -> datetime | None:
    query = "SELECT deadline FROM state_deliveries WHERE conversation = ? AND message_id = ? AND outcome IS NULL"
    row = connection.execute(query, (conversation, message)).fetchone()
    return None if row is None else rules.from_micros(row[0])


def _floor(connection: sqlite3.Connection, conversation: str) -> int:
    row: tuple[int] | None = connection.execute(
        "SELECT agent_floor FROM state_conversations WHERE id = ?", (conversation,)
    ).fetchone()
    return row[0] if row else 0


def _intend(connection: sqlite3.Connection, conversation: str, message: str, deadline: datetime, now: datetime) -> None:
    connection.execute(
        "DELETE FROM state_deliveries WHERE conversation = ?1 AND at < ?2 AND outcome IS NOT NULL AND message_id NOT IN"
        " (SELECT message_id FROM state_deliveries WHERE conversation = ?1 ORDER BY at DESC LIMIT ?3)",
        (conversation, rules.to_micros(now - rules.DELIVERY_HORIZON), rules.KEPT_WHATEVER_AGE),
    )
    connection.execute(
        "INSERT OR REPLACE INTO state_deliveries (conversation, message_id, deadline, at) VALUES (?, ?, ?, ?)",
        (conversation, message, rules.to_micros(deadline), rules.to_micros(now)),
    )


class SqliteJournal:
    """Claims and outcomes need no disk sync of their own: the events appended next to the same file carry them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def claim(
        self, conversation: str, intended: ActionIntended, *, token: int, epoch: int, now: datetime
    ) -> ActionClaim:
        def work(connection: sqlite3.Connection) -> ActionClaim:
            held = connection.execute("SELECT token, epoch FROM state_conversations WHERE id = ?", (conversation,))
            if held.fetchone() != (token, epoch):
                return ActionClaim("stale")
            known = load_action(connection, conversation, intended.key)
            if known is not None:
                return ActionClaim("known", known)
            _trim_actions(connection, conversation, now)
            intend_action(connection, conversation, intended)
            return ActionClaim("go")

        return await self._store.write(conversation, work)

    async def withdraw(self, conversation: str, key: str) -> None:
        query = "DELETE FROM state_actions WHERE conversation = ? AND key = ? AND settled IS NULL"
        await self._store.write(conversation, lambda connection: connection.execute(query, (conversation, key)))

    async def record(self, conversation: str, settled: ActionSettled) -> None:
        await self._store.write(conversation, lambda connection: settle_action(connection, conversation, settled))

    async def entry(self, conversation: str, key: str) -> JournalEntry | None:
        return await self._store.read(conversation, lambda connection: load_action(connection, conversation, key))

    async def find_by_authority(self, conversation: str, authorities: Collection[str]) -> list[JournalEntry]:
        return [entry for entry in await self._all(conversation) if entry.intended.authority in authorities]

    async def list_in_doubt(self, conversation: str) -> list[JournalEntry]:
        return [entry for entry in await self._all(conversation) if entry.in_doubt]

    async def _all(self, conversation: str) -> list[JournalEntry]:
        def work(connection: sqlite3.Connection) -> list[JournalEntry]:
            query = "SELECT intended, settled FROM state_actions WHERE conversation = ? ORDER BY at, key"
            found = [_parse_action(connection, *row) for row in connection.execute(query, (conversation,))]
            return [entry for entry in found if entry is not None]

        return await self._store.read(conversation, work)

    async def unresolved(self, *, before: datetime, limit: int) -> list[tuple[str, str]]:
        query = "SELECT conversation, key FROM state_actions WHERE due < ? ORDER BY due LIMIT ?"

        def work(connection: sqlite3.Connection) -> list[tuple[str, str]]:
            return connection.execute(query, (rules.to_micros(before), limit)).fetchall()

        return await self._store.read(ALL_SHARDS, work)

    async def postpone(self, conversation: str, key: str, until: datetime) -> None:
        query = "UPDATE state_actions SET due = ? WHERE conversation = ? AND key = ? AND due IS NOT NULL"
        row = (rules.to_micros(until), conversation, key)
        await self._store.write(conversation, lambda connection: connection.execute(query, row))

    async def admit(self, tenant: str, contact: str, action: str, day: str, key: str, *, most: int) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            query = "SELECT key FROM state_action_counts WHERE tenant = ? AND contact = ? AND action = ? AND day = ?"
            counted = {row[0] for row in connection.execute(query, (tenant, contact, action, day))}
            if key not in counted and len(counted) >= most:
                return False
            count_action(connection, tenant, contact, action, day, key)
            return True

        return await self._store.write(counting_place(tenant, contact), work)

    async def count_admitted(self, tenant: str, contact: str, action: str, day: str) -> int:
        query = "SELECT count(*) FROM state_action_counts WHERE tenant = ? AND contact = ? AND action = ? AND day = ?"

        def work(connection: sqlite3.Connection) -> int:
            found: int = connection.execute(query, (tenant, contact, action, day)).fetchone()[0]
            return found

        return await self._store.read(counting_place(tenant, contact), work)


def counting_place(tenant: str, contact: str) -> str:
    """The key that decides the shard of a contact's counts."""
    return f"actions:{tenant}:{contact}"


def load_action(connection: sqlite3.Connection, conversation: str, key: str) -> JournalEntry | None:
    query = "SELECT intended, settled FROM state_actions WHERE conversation = ? AND key = ?"
    row = connection.execute(query, (conversation, key)).fetchone()
    return None if row is None else _parse_action(connection, *row)


def intend_action(connection: sqlite3.Connection, conversation: str, intended: ActionIntended) -> None:
    row = (conversation, intended.key, rules.to_micros(intended.at), rules.to_micros(intended.due))
    connection.execute(
        "INSERT OR IGNORE INTO state_actions (conversation, key, at, due, intended) VALUES (?, ?, ?, ?, ?)",
        (*row, seal(connection, conversation, intended.model_dump_json())),
    )


def settle_action(connection: sqlite3.Connection, conversation: str, settled: ActionSettled) -> None:
    known = load_action(connection, conversation, settled.key)
    if known is None:
        return
    if not journal_rules.stays_due(known.settled, settled):
        _update(connection, "due = ?", None, conversation, settled.key)
    if journal_rules.replaces_outcome(known.settled, settled):
        body = seal(connection, conversation, settled.model_dump_json())
        _update(connection, "settled = ?", body, conversation, settled.key)


def count_action(connection: sqlite3.Connection, tenant: str, contact: str, action: str, day: str, key: str) -> None:
    connection.execute("DELETE FROM state_action_counts WHERE day < date(?, '-2 days')", (day,))
    connection.execute(
        "INSERT OR IGNORE INTO state_action_counts (tenant, contact, action, day, key) VALUES (?, ?, ?, ?, ?)",
        (tenant, contact, action, day, key),
    )


def _parse_action(connection: sqlite3.Connection, intended: str, settled: str | None) -> JournalEntry | None:
    """None for an action of somebody who was erased."""
    body, outcome = open_body(connection, intended), settled and open_body(connection, settled)
    if body is None:
        return None
    return JournalEntry(
        intended=ActionIntended.model_validate_json(body),
        settled=ActionSettled.model_validate_json(outcome) if outcome else None,
    )


def _update(connection: sqlite3.Connection, assignment: str, value: str | None, conversation: str, key: str) -> None:
    query = f"UPDATE state_actions SET {assignment} WHERE conversation = ? AND key = ?"  # noqa: S608
    connection.execute(query, (value, conversation, key))


def _trim_actions(connection: sqlite3.Connection, conversation: str, now: datetime) -> None:
    connection.execute(
        "DELETE FROM state_actions WHERE conversation = ?1 AND at < ?2 AND due IS NULL AND key NOT IN"
        " (SELECT key FROM state_actions WHERE conversation = ?1 ORDER BY at DESC LIMIT ?3)",
        (conversation, rules.to_micros(now - journal_rules.HORIZON), rules.KEPT_WHATEVER_AGE),
    )
