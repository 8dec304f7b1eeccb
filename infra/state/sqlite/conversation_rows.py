"""Rows of a conversation: the conversation itself, the ids it has handled, its approvals and its outbox."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from infra.state import rules
from infra.state.sqlite.sealed_rows import open_body, open_data, open_place, seal, seal_data, seal_for
from schemas.conversation import Conversation, Facts, Holder, Origin
from schemas.envelope import Envelope
from schemas.privacy.sealed_bodies import START, BodyOwner

COLUMNS = (
    "id, tenant, channel, account, place, contact_id, owner, epoch, agent_floor, version, created_at, updated_at,"
    " facts, token, last_commit,"
    " COALESCE((SELECT head FROM state_transcript_heads WHERE conversation = state_conversations.id), 0),"
    " (SELECT holder FROM state_holders WHERE conversation = state_conversations.id)"
)
_INSERT = """
INSERT OR {conflict} INTO state_conversations
(id, tenant, channel, account, place, contact_id, owner, epoch, agent_floor, version, created_at, updated_at, facts,
 token)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, COALESCE((SELECT floor FROM state_token_floor), 0))
"""


@dataclass(frozen=True, slots=True)
class Row:
    """A conversation with the columns that only the store knows: the newest token and the last commit's key."""

    conversation: Conversation
    token: int
    last_commit: str


def parse(connection: sqlite3.Connection, row: Sequence[Any], origin: Origin | None = None) -> Row:
    """``row`` has COLUMNS. Of a conversation whose contact was erased only what is not encrypted is left. ``origin``:
    as the caller knows it, for a contact who is back before the conversation is deleted."""
    id_, tenant, channel, account, place, contact, owner, epoch, floor, version, created, updated, facts, *rest = row
    token, last_commit, head, holder = rest
    facts, holder = open_body(connection, facts) or "{}", holder and open_body(connection, holder)
    place = open_place(connection, place) or (origin.place if origin is not None else "")
    conversation = Conversation(
        id=id_,
        origin=Origin(tenant=tenant, channel=channel, account=account, place=place, contact_id=contact),
        owner=owner,
        epoch=epoch,
        agent_floor=floor,
        version=version,
        head_seq=head,
        created_at=rules.from_micros(created),
        updated_at=rules.from_micros(updated),
        holder=Holder.model_validate_json(holder) if holder else None,
        facts=Facts.model_validate_json(facts),
    )
    return Row(conversation, token, last_commit)


def load(connection: sqlite3.Connection, conversation: str) -> Row | None:
    query = f"SELECT {COLUMNS} FROM state_conversations WHERE id = ?"  # noqa: S608 (a constant)
    row = connection.execute(query, (conversation,)).fetchone()
    return parse(connection, row) if row else None


def create(connection: sqlite3.Connection, conversation: Conversation, *, replace: bool = False) -> None:
    """Insert; leave an existing one alone, or replace it and start its token above all earlier ones."""
    origin = conversation.origin
    known = "SELECT 1 FROM state_conversations WHERE id = ?"
    if not replace and connection.execute(known, (conversation.id,)).fetchone():
        return
    owner = BodyOwner(origin.tenant, origin.contact_id)
    connection.execute(
        _INSERT.format(conflict="REPLACE" if replace else "IGNORE"),
        (
            conversation.id,
            origin.tenant,
            origin.channel,
            origin.account,
            seal_for(connection, owner, origin.place),
            origin.contact_id,
            conversation.owner,
            conversation.epoch,
            conversation.agent_floor,
            conversation.version,
            rules.to_micros(conversation.created_at),
            rules.to_micros(conversation.updated_at),
            _seal_facts(connection, conversation),
        ),
    )
    if replace and conversation.holder is not None:
        save_holder(connection, conversation.id, conversation.holder)


def list_plain(connection: sqlite3.Connection, tenant: str, after: str, count: int) -> list[tuple[str, str]]:
    """The next conversations of a tenant whose place is not sealed, with their contacts."""
    query = (
        "SELECT id, contact_id FROM state_conversations WHERE id > ? AND tenant = ? AND substr(place, 1, ?) <> ?"
        " ORDER BY id LIMIT ?"
    )
    start = START.decode()
    return connection.execute(query, (after, tenant, len(start), start, count)).fetchall()


def seal_places(connection: sqlite3.Connection, ids: Iterable[str]) -> None:
    """Seal where these conversations take place."""
    for id_ in ids:
        known = load(connection, id_)
        if known is not None:
            origin = known.conversation.origin
            place = seal_for(connection, BodyOwner(origin.tenant, origin.contact_id), origin.place)
            connection.execute("UPDATE state_conversations SET place = ? WHERE id = ?", (place, id_))


def _seal_facts(connection: sqlite3.Connection, conversation: Conversation) -> str:
    body = conversation.facts.model_dump_json()
    if conversation.facts == Facts():  # nothing about anybody, as of every new conversation
        return body
    return seal_for(connection, BodyOwner(conversation.origin.tenant, conversation.origin.contact_id), body)


def save_holder(connection: sqlite3.Connection, conversation: str, holder: Holder) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO state_holders (conversation, holder) VALUES (?, ?)",
        (conversation, seal(connection, conversation, holder.model_dump_json())),
    )


def handled_among(connection: sqlite3.Connection, conversation: str, event_ids: Iterable[str]) -> frozenset[str]:
    query = "SELECT 1 FROM state_handled WHERE conversation = ? AND id = ?"
    return frozenset(
        event for event in event_ids if connection.execute(query, (conversation, rules.pack_id(event))).fetchone()
    )


def add_handled(connection: sqlite3.Connection, conversation: str, handled: Iterable[tuple[str, int]]) -> None:
    """``handled`` are ``(event id, microseconds)``."""
    connection.executemany(
        "INSERT OR IGNORE INTO state_handled (conversation, id, at) VALUES (?, ?, ?)",
        [(conversation, rules.pack_id(event), at) for event, at in handled],
    )


def all_handled(connection: sqlite3.Connection, conversation: str) -> list[tuple[str, int]]:
    rows = connection.execute("SELECT id, at FROM state_handled WHERE conversation = ?", (conversation,))
    return [(rules.unpack_id(packed), at) for packed, at in rows]


# Expiry of a conversation's first open approval; to be called within its transaction.
def save_expiry(connection: sqlite3.Connection, conversation: str, facts: Facts) -> None:
    """Store the expiry that these facts imply."""
    due = rules.first_approval_expiry(facts)
    if due is None:
        connection.execute("DELETE FROM state_approvals WHERE conversation = ?", (conversation,))
    else:
        connection.execute(
            "INSERT OR REPLACE INTO state_approvals (conversation, due) VALUES (?, ?)", (conversation, due)
        )


def list_expiring(connection: sqlite3.Connection, before: int, limit: int) -> list[str]:
    rows = connection.execute(
        "SELECT conversation FROM state_approvals WHERE due < ? ORDER BY due, conversation LIMIT ?", (before, limit)
    )
    return [conversation for (conversation,) in rows]


def postpone(connection: sqlite3.Connection, conversation: str, until: int) -> None:
    connection.execute("UPDATE state_approvals SET due = ? WHERE conversation = ?", (until, conversation))


# The outbox: envelopes committed with a conversation and not yet published. Called inside its transaction.
def add_to_outbox(connection: sqlite3.Connection, conversation: str, envelopes: Iterable[Envelope], at: int) -> None:
    """Append; an id that is there already keeps its place."""
    connection.executemany(
        "INSERT OR IGNORE INTO state_outbox (conversation, id, headers, data, at) VALUES (?, ?, ?, ?, ?)",
        [
            (conversation, event.id, json.dumps(event.headers()), seal_data(connection, conversation, event.data), at)
            for event in envelopes
        ],
    )


def read_outbox(connection: sqlite3.Connection, conversation: str) -> list[Envelope]:
    rows = connection.execute(
        "SELECT headers, data FROM state_outbox WHERE conversation = ? ORDER BY position", (conversation,)
    )
    opened = ((headers, stored, stored and open_data(connection, stored)) for headers, stored in rows)
    return [Envelope.from_wire(json.loads(headers), data) for headers, stored, data in opened if data or not stored]


def remove_from_outbox(connection: sqlite3.Connection, conversation: str, event_ids: Sequence[str]) -> None:
    connection.executemany(
        "DELETE FROM state_outbox WHERE conversation = ? AND id = ?", [(conversation, id_) for id_ in event_ids]
    )


def list_unpublished(connection: sqlite3.Connection, before: int, limit: int) -> list[str]:
    """Conversations with an entry from before ``before`` (microseconds), the longest waiting first."""
    rows = connection.execute(
        "SELECT conversation FROM state_outbox WHERE at < ?"
        " GROUP BY conversation ORDER BY MIN(at), conversation LIMIT ?",
        (before, limit),
    )
    return [conversation for (conversation,) in rows]


def write_handled(connection: sqlite3.Connection, conversation: str, handled: Sequence[str], now: datetime) -> None:
    """Add ids of events, and forget those past the horizon."""
    at = rules.to_micros(now)
    add_handled(connection, conversation, [(event, at) for event in handled])
    connection.execute(
        "DELETE FROM state_handled WHERE conversation = ?1 AND at < ?2 AND id NOT IN"
        " (SELECT id FROM state_handled WHERE conversation = ?1 ORDER BY at DESC LIMIT ?3)",
        (conversation, rules.to_micros(rules.handled_floor(now)), rules.KEPT_WHATEVER_AGE),
    )
