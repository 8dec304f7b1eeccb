"""State in embedded mode: every state port on the one SQLite file."""

from __future__ import annotations

from infra.database import Database
from infra.state.signals import ProcessSignals
from infra.state.sqlite import (
    contacts,
    conversations,
    coordination,
    deliveries,
    journal,
    parking,
    transcript,
)
from infra.state.sqlite.recovery.rebuild import SqliteRebuild
from infra.state.sqlite.store import ALL_SHARDS, Store
from schemas.ports import State


def open_sqlite_state(database: Database, *, durable_sends: bool = False) -> State:
    """All state ports over ``database``.

    ``durable_sends``: see ``SqliteDeliveries``. Closing the state leaves the database open: the log shares it.
    """
    store = Store(database)
    signals = ProcessSignals()

    async def check_ready() -> None:
        # The log's check writes to the same file.
        await store.read(ALL_SHARDS, lambda connection: connection.execute("SELECT 1").fetchone())

    async def close() -> None:
        signals.close()

    return State(
        conversations=conversations.SqliteConversations(store),
        contacts=contacts.SqliteContacts(store),
        transcript=transcript.SqliteTranscript(store),
        deliveries=deliveries.SqliteDeliveries(store, durable=durable_sends),
        parking=parking.SqliteParking(store),
        dead_letters=parking.SqliteDeadLetters(store),
        strikes=parking.SqliteStrikes(store),
        turns=conversations.SqliteTurns(store),
        limiter=coordination.SqliteLimiter(store),
        leases=coordination.SqliteLeases(store),
        signals=signals,
        heads=coordination.SqliteKnowledgeHeads(store),
        journal=journal.SqliteJournal(store),
        tokens=coordination.SqliteVisitorTokens(store),
        rebuild=SqliteRebuild(store),
        check_ready=check_ready,
        close=close,
    )
