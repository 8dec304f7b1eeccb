"""The worker role applies each tenant's retention."""

from __future__ import annotations

from typing import Any

from gateway.wiring import compose
from tests.contracts.state.samples import begin_turn, commit_turn, conversation_of, origin
from tests.unit.gateway.conftest import Instance
from tests.unit.gateway.test_attachment_collector import Schedule


async def test_the_worker_role_removes_what_has_expired(instance: Instance) -> None:
    schedule: Any = Schedule()
    compose.start_worker(instance.services, schedule, [])
    state, where = instance.services.state, origin(tenant="shop")
    conversation = conversation_of(where)
    now = instance.services.clock()
    begun = await begin_turn(state, conversation, "e", now=now, where=where)
    assert await commit_turn(state, conversation, begun, handled=["e"], now=now) == "committed"
    instance.clock.tick(364 * 86_400)
    await schedule.steps["retention"]()
    assert await state.conversations.get(conversation) is not None
    instance.clock.tick(2 * 86_400)
    await schedule.steps["retention"]()
    assert await state.conversations.get(conversation) is None
