"""The tables of embedded mode's file: its first version, and the steps from each version to the next.

Tables are created only here. A released step is never changed, moved or removed, because there are files that have
taken it: `tests/golden/stores/steps.json` pins the text of every step. To add a table or a column, append a step;
CONTRIBUTING.md shows how."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Migration:
    """One step. ``rewrites``: it changes or removes existing data, so the file is copied first."""

    version: int
    name: str
    script: str
    rewrites: bool = False


# IF NOT EXISTS: files from before versions have some or all of these.
_FIRST = """
CREATE TABLE IF NOT EXISTS bus_topics (
    name TEXT PRIMARY KEY, partitions INTEGER NOT NULL, retention_ms INTEGER
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS bus_partitions (
    id INTEGER PRIMARY KEY, topic TEXT NOT NULL, number INTEGER NOT NULL,
    start INTEGER NOT NULL DEFAULT 0, head INTEGER NOT NULL DEFAULT 0, UNIQUE (topic, number)
);
CREATE TABLE IF NOT EXISTS bus_records (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL, time_ms INTEGER NOT NULL,
    headers BLOB NOT NULL, value BLOB, crc INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS bus_newest (
    partition INTEGER NOT NULL, key TEXT NOT NULL, record INTEGER NOT NULL, PRIMARY KEY (partition, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS bus_garbage (
    due_ms INTEGER NOT NULL, record INTEGER NOT NULL, PRIMARY KEY (due_ms, record)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS bus_offsets (
    consumers TEXT NOT NULL, topic TEXT NOT NULL, number INTEGER NOT NULL, next INTEGER NOT NULL,
    PRIMARY KEY (consumers, topic, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS bus_probe (id INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS state_lost (shard INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS state_conversations (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    channel TEXT NOT NULL,
    account TEXT NOT NULL,
    place TEXT NOT NULL,
    contact_id TEXT NOT NULL,
    owner TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    agent_floor INTEGER NOT NULL,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    facts TEXT NOT NULL,
    token INTEGER NOT NULL,
    last_commit TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS state_conversations_recent ON state_conversations (tenant, updated_at, id);
CREATE INDEX IF NOT EXISTS state_conversations_owner ON state_conversations (owner, tenant, updated_at, id);
CREATE TABLE IF NOT EXISTS state_handled (
    conversation TEXT NOT NULL,
    id BLOB NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (conversation, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS state_holders (conversation TEXT PRIMARY KEY, holder TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS state_token_floor (id INTEGER PRIMARY KEY CHECK (id = 1), floor INTEGER NOT NULL);
-- AUTOINCREMENT: a position is never given twice, so the order of positions is the order of commits.
CREATE TABLE IF NOT EXISTS state_outbox (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation TEXT NOT NULL,
    id TEXT NOT NULL,
    headers TEXT NOT NULL,
    data BLOB,
    at INTEGER NOT NULL,
    UNIQUE (conversation, id)
);
CREATE INDEX IF NOT EXISTS state_outbox_at ON state_outbox (at);
-- Only requests that won are kept: an epoch never returns, so one that lost loses again.
CREATE TABLE IF NOT EXISTS state_claims (
    conversation TEXT NOT NULL,
    request_id TEXT NOT NULL,
    owner TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (conversation, request_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS state_approvals (conversation TEXT PRIMARY KEY, due INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS state_approvals_due ON state_approvals (due);
CREATE TABLE IF NOT EXISTS state_transcript (
    conversation TEXT NOT NULL,
    seq INTEGER NOT NULL,
    id TEXT NOT NULL,
    body TEXT,
    state TEXT NOT NULL DEFAULT 'received',
    fingerprint TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (conversation, seq),
    UNIQUE (conversation, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS state_transcript_heads (
    conversation TEXT PRIMARY KEY,
    head INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS state_contacts (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    body TEXT,
    merged_into TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (tenant, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS state_addresses (
    tenant TEXT NOT NULL,
    channel TEXT NOT NULL,
    value TEXT NOT NULL,
    contact TEXT NOT NULL,
    PRIMARY KEY (tenant, channel, value)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS state_deliveries (
    conversation TEXT NOT NULL,
    message_id TEXT NOT NULL,
    deadline INTEGER NOT NULL,
    at INTEGER NOT NULL,
    outcome TEXT,
    PRIMARY KEY (conversation, message_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS state_deliveries_open ON state_deliveries (deadline) WHERE outcome IS NULL;
CREATE TABLE IF NOT EXISTS state_external_ids (
    tenant TEXT NOT NULL,
    channel TEXT NOT NULL,
    account TEXT NOT NULL,
    external_id TEXT NOT NULL,
    conversation TEXT NOT NULL,
    message_id TEXT NOT NULL,
    PRIMARY KEY (tenant, channel, account, external_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS state_parked (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    consumer_group TEXT NOT NULL,
    conversation TEXT NOT NULL,
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    "offset" INTEGER NOT NULL,
    key TEXT NOT NULL,
    timestamp_ms INTEGER NOT NULL,
    headers TEXT NOT NULL,
    value BLOB,
    UNIQUE (consumer_group, conversation, topic, partition, "offset")
);
CREATE TABLE IF NOT EXISTS state_parked_until (
    consumer_group TEXT NOT NULL,
    conversation TEXT NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (consumer_group, conversation)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS state_dead_letters (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    last_at INTEGER NOT NULL,
    replays INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (tenant, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS state_dead_letters_recent ON state_dead_letters (tenant, last_at, id);
CREATE TABLE IF NOT EXISTS state_turns (
    conversation TEXT NOT NULL,
    at INTEGER NOT NULL,
    id TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (conversation, at, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS state_leases (
    name TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    token INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS state_lease_notes (name TEXT PRIMARY KEY, note TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS state_knowledge_heads (
    tenant TEXT NOT NULL,
    partition INTEGER NOT NULL,
    "offset" INTEGER NOT NULL,
    PRIMARY KEY (tenant, partition)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS state_counters (
    key TEXT NOT NULL,
    name TEXT NOT NULL,
    total INTEGER NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (key, name)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS state_counters_until ON state_counters (until);
CREATE TABLE IF NOT EXISTS state_actions (
    conversation TEXT NOT NULL,
    key TEXT NOT NULL,
    at INTEGER NOT NULL,
    due INTEGER,
    intended TEXT NOT NULL,
    settled TEXT,
    PRIMARY KEY (conversation, key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS state_actions_due ON state_actions (due) WHERE due IS NOT NULL;
CREATE TABLE IF NOT EXISTS state_action_counts (
    tenant TEXT NOT NULL,
    contact TEXT NOT NULL,
    action TEXT NOT NULL,
    day TEXT NOT NULL,
    key TEXT NOT NULL,
    PRIMARY KEY (tenant, contact, action, day, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS schema_migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, at_ms INTEGER NOT NULL);
"""

_HOUSEKEEPING = """
CREATE TABLE bus_clock (id INTEGER PRIMARY KEY CHECK (id = 1), time_ms INTEGER NOT NULL);
CREATE TABLE bus_groups (consumers TEXT PRIMARY KEY, seen_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE state_mended (name TEXT PRIMARY KEY) WITHOUT ROWID;
"""

_VISITOR_TOKENS = """
CREATE TABLE state_used_identities (
    identity TEXT PRIMARY KEY,
    session TEXT NOT NULL,
    until INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX state_used_identities_until ON state_used_identities (until);
CREATE TABLE state_revoked_sessions (
    session TEXT PRIMARY KEY,
    until INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX state_revoked_sessions_until ON state_revoked_sessions (until);
"""
_STRIKES = """
CREATE TABLE state_strikes (
    consumers TEXT NOT NULL,
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    "offset" INTEGER NOT NULL,
    incident TEXT NOT NULL,
    code TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (consumers, topic, partition, "offset", incident)
) WITHOUT ROWID;
"""
_ACCESS_TOKENS = """
CREATE TABLE state_access_tokens (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    revoked INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (tenant, id)
) WITHOUT ROWID;
"""
_CONTACT_TERMS = """
CREATE TABLE state_contact_terms (
    tenant TEXT NOT NULL,
    channel TEXT NOT NULL,
    term TEXT NOT NULL,
    contact TEXT NOT NULL,
    PRIMARY KEY (tenant, channel, term, contact)
) WITHOUT ROWID;
CREATE INDEX state_contact_terms_contact ON state_contact_terms (tenant, contact);
CREATE INDEX state_contacts_merged ON state_contacts (tenant, merged_into) WHERE merged_into <> '';
CREATE INDEX state_conversations_contact ON state_conversations (tenant, contact_id);
"""

_RETENTION = """
CREATE TABLE state_removals (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    tenant TEXT NOT NULL,
    channel TEXT NOT NULL,
    account TEXT NOT NULL,
    conversation TEXT NOT NULL,
    PRIMARY KEY (kind, id)
) WITHOUT ROWID;
CREATE TABLE state_kept_heads (conversation TEXT PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX state_kept_heads_until ON state_kept_heads (until);
CREATE INDEX state_external_ids_message ON state_external_ids (conversation, message_id);
"""

_CONTACT_KEYS = """
CREATE TABLE state_contact_keys (
    tenant TEXT NOT NULL,
    contact TEXT NOT NULL,
    rank TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (tenant, contact)
) WITHOUT ROWID;
"""

MIGRATIONS = (
    Migration(1, "the tables of the first version", _FIRST),
    Migration(2, "the log's clock, its groups, and tables that were mended", _HOUSEKEEPING),
    Migration(3, "identities that were used and sessions that are over", _VISITOR_TOKENS),
    Migration(4, "strikes of records that may have stalled or killed a process", _STRIKES),
    Migration(5, "the API tokens of tenants", _ACCESS_TOKENS),
    Migration(6, "terms by which contacts are found, and the conversations of each", _CONTACT_TERMS),
    Migration(7, "what retention removed, and the last transcript numbers", _RETENTION),
    Migration(8, "the keys of contacts", _CONTACT_KEYS),
)
"""In order, without gaps."""
