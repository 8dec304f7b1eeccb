"""The worker role applies each tenant's retention."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

from gateway.wiring import compose
from infra.database import database_file
from tests.contracts.state.samples import begin_turn, commit_turn, conversation_of, origin
from tests.unit.gateway.conftest import Instance
from tests.unit.gateway.test_attachment_collector import Schedule


def pass_days(instance: Instance, days: int) -> None:
    """The clock goes on, and so does that of the log, which follows it slowly."""
    instance.clock.tick(days * 86_400)
    time_ms = int(instance.services.clock().timestamp() * 1000)
    with closing(sqlite3.connect(database_file(instance.services.config.data_path), isolation_level=None)) as file:
        file.execute("INSERT OR REPLACE INTO bus_clock (id, time_ms) VALUES (1, ?)", (time_ms,))


async def test_the_worker_role_removes_what_has_expired(instance: Instance) -> None:
    schedule: Any = Schedule()
    compose.start_worker(instance.services, schedule, [])
    state, where = instance.services.state, origin(tenant="shop")
    conversation = conversation_of(where)
    now = instance.services.clock()
    begun = await begin_turn(state, conversation, "e", now=now, where=where)
    assert await commit_turn(state, conversation, begun, handled=["e"], now=now) == "committed"
    pass_days(instance, 364)
    await schedule.steps["retention"]()
    assert await state.conversations.get(conversation) is not None
    instance.clock.tick(2 * 86_400)
    await schedule.steps["retention"]()
    assert await state.conversations.get(conversation) is not None, "the clock has jumped ahead of the log's"
    pass_days(instance, 0)
    await schedule.steps["retention"]()
    assert await state.conversations.get(conversation) is None
