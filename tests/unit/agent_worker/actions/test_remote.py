"""A remote model and the real actions: it asks for them, and they decide."""

from __future__ import annotations

import json

from agent_worker.models.local import LocalModel
from agent_worker.models.registry import Models
from agent_worker.models.remote import RemoteModel
from agent_worker.models.source import Terms
from agent_worker.worker import Worker
from tests.platforms.models.reading import results_of
from tests.platforms.models.server import Call, ModelServer, Script
from tests.unit.agent_worker.actions.shop import Shop
from tests.unit.agent_worker.models.conftest import source_of


def with_remote_model(shop: Shop, server: ModelServer) -> Worker:
    """The tenant's model is one elsewhere; ``spare`` is what it falls back on."""
    world = shop.world
    models = {
        "local": RemoteModel("local", source_of(server), world.settings, Terms(acts=True)),
        "spare": LocalModel(world.settings, "spare"),
    }
    worker = Worker(
        bus=world.bus,
        state=world.state,
        knowledge=world.library,
        models=Models(models, last_resort="spare", settings=world.settings),
        settings=world.settings,
        metrics=world.metrics,
        clock=world.clock,
    )
    shop.workers.append(worker)
    return worker


def asks(name: str, **arguments: object) -> Script:
    return Script(calls=((name, json.dumps(arguments)),))


def obliging(call: Call) -> Script:
    """Calls what the message is about, then says what came of it."""
    if results_of(call.body):
        return Script()
    if "money" in call.message:
        return asks("refund", order="A-1001", amount="12.50")
    return asks("status", order="A-2001" if "friend" in call.message else "A-1001")


async def test_a_remote_model_reads_and_asks_and_the_contact_decides(shop: Shop) -> None:
    """What was read is cited; another customer's order stays closed; a write waits for the yes and is done once."""
    async with ModelServer().serving() as server:
        server.script_for = obliging
        shop.worker = with_remote_model(shop, server)
        await shop.say("one", "Where is A-1001?")
        reply = (await shop.world.replies())[-1]
        assert "on its way" in reply.text
        assert [citation.n for citation in reply.citations] == [1]
        await shop.say("two", "And where is my friend's?")
        assert "I cannot find this order among yours" in await shop.last()
        await shop.say("three", "I want my money back")
        pending = await shop.pending()
        assert (await shop.last()).startswith("**Refund**\n- Order: A-1001")
        assert shop.till.done == []
        await shop.hear(shop.yes(pending))
    assert shop.till.effects() == {"A-1001 12.50": 1}
    assert await shop.outcomes() == ["status succeeded", "status refused", "refund succeeded"]
    assert not any("failed" in reason for turn in await shop.world.turns() for reason in turn.reasons)
