"""A contact over its limit still gets what it has said yes to."""

from __future__ import annotations

from dataclasses import replace

from agent_worker.models.registry import Models
from agent_worker.settings import ContactRules, WorkerSettings
from agent_worker.worker import Worker
from tests.unit.agent_worker.actions.shop import Shop
from tests.unit.agent_worker.worker_environment import TENANT


async def test_a_yes_is_heard_over_every_limit(shop: Shop) -> None:
    world = shop.world
    rules = replace(world.settings.of(TENANT), model="strong", contact=ContactRules(1, 1))
    shop.worker = Worker(
        bus=world.bus,
        state=world.state,
        knowledge=world.library,
        models=Models({"local": world.model, "strong": shop.model}),
        settings=WorkerSettings(tenants={TENANT: rules}),
        metrics=world.metrics,
        clock=world.clock,
    )
    shop.workers.append(shop.worker)
    pending = await shop.ask()
    for number in range(6):
        await shop.say(f"noise{number}", "hello?")
    assert ["many messages" in reply.text for reply in await world.replies()].count(True) == 1
    await shop.hear(shop.yes(pending))
    assert shop.payments.effects() == {"A-1001 12.50": 1}
