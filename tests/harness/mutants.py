"""Defects on purpose, each in one process for its whole life: a check that does not see them sees nothing."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from schemas.envelope import Envelope
from schemas.ports import BegunConversation
from schemas.topics import MESSAGE_RECEIVED


def install_mutant(name: str) -> None:
    """Raises KeyError for a name that is none of MUTANTS."""
    MUTANTS[name]()


def _dedupe_off() -> None:
    """A worker no longer asks what was handled before."""
    _begin_with(handled=frozenset())


def _outbox_forgotten() -> None:
    """What was committed and not published stays so: neither the next turn nor the sweeper publishes it."""
    from agent_worker.turn.outbox import Outbox

    async def nothing(self: Outbox, conversation: str, now: datetime) -> int:
        return 0

    _begin_with(outbox=[])
    Outbox.publish_pending = nothing  # type: ignore[method-assign]


def _published_apart() -> None:
    """A turn is published a while after its commit, and nobody does so if the process dies in between."""
    from infra.state.sqlite.store import SharedLog, Store, Work

    async def write_and_append(self: Store, log: SharedLog, key: str | None, work: Work[Any]) -> Any:
        events: list[Envelope] = []

        def commit(connection: sqlite3.Connection) -> Any:
            result, outbox = work(connection)
            events.extend(outbox)
            return result

        result = await self.write(key, commit, durable=True)
        await asyncio.sleep(0.5)
        (await self.write(key, lambda connection: log.insert(connection, events), durable=True))()
        return result

    Store.write_and_append = write_and_append  # type: ignore[method-assign]


def _acknowledged_early() -> None:
    """The edge says yes first, and appends afterwards."""
    from infra.bus.kafka import KafkaBus
    from infra.bus.sqlite import SqliteBus

    for adapter in (KafkaBus, SqliteBus):
        _append_later(adapter)


def _append_later(adapter: Any) -> None:
    append = adapter.append
    running: set[asyncio.Task[None]] = set()

    async def append_messages_later(self: Any, envelopes: Sequence[Envelope], **more: Any) -> Any:
        if all(envelope.type != MESSAGE_RECEIVED for envelope in envelopes):
            return await append(self, envelopes, **more)

        async def append_after_a_while() -> None:
            await asyncio.sleep(0.5)
            await append(self, envelopes, **more)

        task = asyncio.create_task(append_after_a_while())
        running.add(task)
        task.add_done_callback(running.discard)
        return []

    adapter.append = append_messages_later


def _begin_with(**changes: Any) -> None:
    from infra.state.redis.conversations import RedisConversations
    from infra.state.sqlite.conversations import SqliteConversations

    for adapter in (RedisConversations, SqliteConversations):
        _wrap(adapter, changes)


def _wrap(adapter: Any, changes: dict[str, Any]) -> None:
    begin = adapter.begin

    async def changed(*arguments: Any, **named: Any) -> BegunConversation:
        begun: BegunConversation = await begin(*arguments, **named)
        return replace(begun, **changes)

    adapter.begin = changed


MUTANTS: dict[str, Callable[[], None]] = {
    "dedupe_off": _dedupe_off,
    "outbox_forgotten": _outbox_forgotten,
    "published_apart": _published_apart,
    "acknowledged_early": _acknowledged_early,
}
