"""Coordination between processes on SQLite: rate limits, leases, knowledge heads, tokens."""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from infra.state import rules
from infra.state.sqlite.store import UNSHARDED, Store
from schemas.access import AccessToken

_ADD = (
    "INSERT INTO state_counters (key, name, total, until) VALUES (?, ?, ?, ?) ON CONFLICT (key, name)"
    " DO UPDATE SET total = total + excluded.total, until = excluded.until RETURNING total"
)

IDLE = 3_600_000_000
"""A bucket without a draw for this many microseconds is dropped: full again, unless it refills slower than that."""
SWEEP_AT = 50_000
"""Buckets that are kept: some 15 MB, however many addresses there are."""
SWEPT_AT_ONCE = 4


class SqliteLimiter:
    """Token buckets and places of the one process, in memory: a restart only lets one more burst through. Daily
    counters are in the file."""

    def __init__(self, store: Store) -> None:
        self._store = store
        # Ordered, because taking from the front of a plain dict again and again costs its whole length each time.
        self._buckets: OrderedDict[str, tuple[float, int]] = OrderedDict()  # tokens, microseconds of the last draw
        self._places: dict[str, dict[str, int]] = {}
        """By key: the microseconds since when each occupant has a place, the longest first."""

    async def take(self, key: str, *, per_second: float, burst: int, now: datetime, keep: float = 0.0) -> float:
        """``keep`` is ignored: the number of buckets is limited."""
        at = rules.to_micros(now)
        tokens, since = self._buckets.pop(key, (float(burst), at))
        tokens, wait = rules.take_token(tokens, at - since, per_second=per_second, burst=burst)
        self._buckets[key] = (tokens, max(at, since))
        if len(self._buckets) > SWEEP_AT:
            self._sweep(at)
        return wait

    def _sweep(self, now: int) -> None:
        # A draw moves a bucket to the end, so the front is the longest idle; over the limit, it goes in any case. Every
        # draw may find the limit reached, so it must not look at all of them.
        for _ in range(SWEPT_AT_ONCE):
            key, (_, since) = next(iter(self._buckets.items()))
            if now - since < IDLE and len(self._buckets) <= SWEEP_AT:
                return
            del self._buckets[key]

    async def add(self, key: str, amounts: Mapping[str, int], *, keep: float, now: datetime) -> dict[str, int]:
        at = rules.to_micros(now)
        until = at + int(keep * 1e6)

        def work(connection: sqlite3.Connection) -> dict[str, int]:
            connection.execute("DELETE FROM state_counters WHERE until <= ?", (at,))
            return {
                name: connection.execute(_ADD, (key, name, amount, until)).fetchone()[0]
                for name, amount in amounts.items()
            }

        return await self._store.write(UNSHARDED, work)

    async def occupy(self, key: str, occupant: str, *, limit: int, keep: float, now: datetime) -> float:
        at, places = rules.to_micros(now), self._places.setdefault(key, {})
        if occupant in places:
            return 0.0
        while places and places[next(iter(places))] <= at - keep * 1e6:
            del places[next(iter(places))]
        if len(places) >= limit:
            return rules.estimate_free_place(places[next(iter(places))], limit, at)
        places[occupant] = at
        return 0.0

    async def vacate(self, key: str, occupants: Sequence[str]) -> None:
        places = self._places.get(key, {})
        for occupant in occupants:
            places.pop(occupant, None)
        if not places:
            self._places.pop(key, None)


class SqliteLeases:
    """Leases on SQLite. The file has one process, so a holder from before it was opened is gone."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: set[str] = set()
        """Leases that this process has asked for. Any other holder is an earlier process, which is gone."""

    async def acquire(self, name: str, holder: str, *, ttl: float, now: datetime) -> int | None:
        expires_at = rules.to_micros(now + timedelta(seconds=ttl))

        def work(connection: sqlite3.Connection) -> int | None:
            row = connection.execute(
                "SELECT holder, token, expires_at FROM state_leases WHERE name = ?", (name,)
            ).fetchone()
            held, token, until = row or ("", 0, 0)
            held = held if name in self._known else ""
            self._known.add(name)
            if held and held != holder and until > rules.to_micros(now):
                return None
            renewed = int(token) + (held != holder)
            connection.execute(
                "INSERT OR REPLACE INTO state_leases (name, holder, token, expires_at) VALUES (?, ?, ?, ?)",
                (name, holder, renewed, expires_at),
            )
            return renewed

        return await self._store.write(UNSHARDED, work)

    async def release(self, name: str, holder: str) -> None:
        await self._store.write(
            UNSHARDED,
            lambda connection: connection.execute(
                "UPDATE state_leases SET holder = '' WHERE name = ? AND holder = ?", (name, holder)
            ),
        )

    async def save_note(self, name: str, token: int, note: str) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            held = connection.execute(
                "SELECT 1 FROM state_leases WHERE name = ? AND token = ? AND holder <> ''", (name, token)
            ).fetchone()
            if name not in self._known:
                return False
            if held is not None:
                connection.execute("INSERT OR REPLACE INTO state_lease_notes (name, note) VALUES (?, ?)", (name, note))
            return held is not None

        return await self._store.write(UNSHARDED, work)

    async def read_note(self, name: str) -> str:
        def work(connection: sqlite3.Connection) -> str:
            row = connection.execute("SELECT note FROM state_lease_notes WHERE name = ?", (name,)).fetchone()
            return str(row[0]) if row else ""

        return await self._store.read(UNSHARDED, work)


class SqliteKnowledgeHeads:
    """The head of each tenant's knowledge, on SQLite."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def advance(self, tenant: str, partition: int, offset: int) -> None:
        await self._store.write(
            UNSHARDED,
            lambda connection: connection.execute(
                'INSERT INTO state_knowledge_heads (tenant, partition, "offset") VALUES (?, ?, ?)'
                " ON CONFLICT (tenant, partition)"
                ' DO UPDATE SET "offset" = MAX("offset", excluded."offset")',
                (tenant, partition, offset),
            ),
        )

    async def of(self, tenant: str) -> dict[int, int]:
        query = 'SELECT partition, "offset" FROM state_knowledge_heads WHERE tenant = ?'

        def work(connection: sqlite3.Connection) -> dict[int, int]:
            return dict(connection.execute(query, (tenant,)).fetchall())

        return await self._store.read(UNSHARDED, work)


class SqliteVisitorTokens:
    """Visitor tokens on SQLite: the first user of a one-time identity, and ended sessions."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def bind(self, identity: str, session: str, *, until: datetime, now: datetime) -> str:
        def work(connection: sqlite3.Connection) -> str:
            connection.execute("DELETE FROM state_used_identities WHERE until <= ?", (rules.to_micros(now),))
            connection.execute(
                "INSERT OR IGNORE INTO state_used_identities (identity, session, until) VALUES (?, ?, ?)",
                (identity, session, rules.to_micros(until)),
            )
            query = "SELECT session FROM state_used_identities WHERE identity = ?"
            return str(connection.execute(query, (identity,)).fetchone()[0])

        return await self._store.write(UNSHARDED, work, durable=True)

    async def revoke(self, conversation: str, session: str, *, until: datetime, now: datetime) -> None:
        await self._store.write(
            UNSHARDED, lambda connection: revoke_session(connection, session, until, now), durable=True
        )

    async def is_revoked(self, conversation: str, session: str, *, now: datetime) -> bool:
        query = "SELECT until FROM state_revoked_sessions WHERE session = ?"

        def work(connection: sqlite3.Connection) -> bool:
            row = connection.execute(query, (session,)).fetchone()
            return row is not None and int(row[0]) > rules.to_micros(now)

        return await self._store.read(UNSHARDED, work)


def revoke_session(connection: sqlite3.Connection, session: str, until: datetime, now: datetime) -> None:
    connection.execute("DELETE FROM state_revoked_sessions WHERE until <= ?", (rules.to_micros(now),))
    connection.execute(
        "INSERT INTO state_revoked_sessions (session, until) VALUES (?, ?)"
        " ON CONFLICT (session) DO UPDATE SET until = MAX(until, excluded.until)",
        (session, rules.to_micros(until)),
    )


class SqliteAccessTokens:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def put(self, token: AccessToken) -> None:
        place = rules.access_tokens_key(token.tenant)
        await self._store.write(place, lambda connection: put_token(connection, token), durable=True)

    async def get(self, tenant: str, id: str) -> AccessToken | None:
        query = "SELECT body FROM state_access_tokens WHERE tenant = ? AND id = ?"

        def work(connection: sqlite3.Connection) -> AccessToken | None:
            row = connection.execute(query, (tenant, id)).fetchone()
            return AccessToken.model_validate_json(row[0]) if row else None

        return await self._store.read(rules.access_tokens_key(tenant), work)

    async def list_all(self, tenant: str) -> list[AccessToken]:
        query = "SELECT body FROM state_access_tokens WHERE tenant = ?"

        def work(connection: sqlite3.Connection) -> list[AccessToken]:
            return rules.sort_tokens(body for (body,) in connection.execute(query, (tenant,)))

        return await self._store.read(rules.access_tokens_key(tenant), work)

    async def remove(self, tenant: str, id: str) -> None:
        query = "DELETE FROM state_access_tokens WHERE tenant = ? AND id = ?"
        place = rules.access_tokens_key(tenant)
        await self._store.write(place, lambda connection: connection.execute(query, (tenant, id)), durable=True)


def put_token(connection: sqlite3.Connection, token: AccessToken) -> None:
    connection.execute(
        "INSERT INTO state_access_tokens (tenant, id, revoked, body) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (tenant, id) DO UPDATE SET revoked = excluded.revoked, body = excluded.body WHERE NOT revoked",
        (token.tenant, token.id, token.revoked_at is not None, token.model_dump_json()),
    )
