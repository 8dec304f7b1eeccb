"""Limits on the model work that one contact can cause."""

from __future__ import annotations

from dataclasses import replace

from agent_worker.models.registry import Models
from agent_worker.router.rules import RouteRules
from agent_worker.settings import ContactRules, TenantRules, WorkerSettings
from agent_worker.worker import Worker
from schemas.messages import ChoiceSelection
from tests.unit.agent_worker.worker_environment import TENANT, GatedModel, WorkerEnvironment

HEAT = "Do you add a heat pack in winter?"


def build_limited_worker(world: WorkerEnvironment, strong: GatedModel, per_minute: int, per_hour: int = 1000) -> Worker:
    rules = replace(world.settings.of(TENANT), model="strong", contact=ContactRules(per_minute, per_hour))
    return Worker(
        bus=world.bus,
        state=world.state,
        knowledge=world.library,
        models=Models({"local": world.model, "strong": strong}),
        settings=WorkerSettings(tenants={TENANT: rules}),
        metrics=world.metrics,
        clock=world.clock,
    )


async def test_a_model_then_the_extractive_one_then_one_word_then_silence_until_the_minute_is_over(
    world: WorkerEnvironment,
) -> None:
    strong = GatedModel(world.settings)
    world.worker = build_limited_worker(world, strong, per_minute=2)
    for number in range(8):
        await world.handle(world.said(f"m{number}", HEAT))
    assert (len(strong.asked), len(world.model.asked)) == (2, 2)
    replies = await world.replies()
    assert [("heat pack" in reply.text, "many messages" in reply.text) for reply in replies] == [
        *[(True, False)] * 4,
        (False, True),
    ]
    assert replies[-1].choices[0].id == "person"
    lines = await world.state.transcript.read(world.conversation)
    assert [line.text for line in lines if line.author.kind == "contact"] == [HEAT] * 8, "nothing is lost"
    begun = await world.state.conversations.begin(
        world.conversation, world.origin, [world.message_id(f"m{n}") for n in range(8)], now=world.clock()
    )
    assert len(begun.handled) == 8, "and nothing is left to do"
    assert (await world.turns())[-1].reasons == ["nothing was asked", "the contact wrote more than its limit"]
    world.clock.advance(seconds=60)
    await world.handle(world.said("m8", HEAT))
    assert len(strong.asked) == 3


def test_a_tenant_that_may_not_spend_is_not_routed_to_who_costs() -> None:
    """Whether it is its usual model that costs, one for a language, or only one of its routes."""
    plain = TenantRules()
    assert not plain.asks_models
    for costly in (
        replace(plain, model="strong"),
        replace(plain, models={"de": "strong"}),
        replace(plain, routes=RouteRules(cheap="cheap")),
        replace(plain, routes=RouteRules(strong="strong")),
    ):
        assert costly.asks_models
        assert not costly.without_paid_models().asks_models
        assert all(
            costly.without_paid_models().routes.models(name, "local") == ("local",) for name in ("cheap", "strong")
        )


async def test_the_hour_holds_where_the_minute_would_not(world: WorkerEnvironment) -> None:
    strong = GatedModel(world.settings)
    world.worker = build_limited_worker(world, strong, per_minute=2, per_hour=3)
    for number in range(10):
        await world.handle(world.said(f"m{number}", HEAT))
        world.clock.advance(seconds=61)
    assert (len(strong.asked), len(world.model.asked)) == (3, 3)
    assert ["many messages" in reply.text for reply in await world.replies()].count(True) == 1
    world.clock.advance(hours=1)
    await world.handle(world.said("later", HEAT))
    assert len(strong.asked) == 4


async def test_folded_messages_cost_one_answer_and_a_repeat_costs_nothing(world: WorkerEnvironment) -> None:
    strong = GatedModel(world.settings)
    world.worker = build_limited_worker(world, strong, per_minute=3)
    burst = [world.said(f"m{number}", HEAT) for number in range(3)]
    await world.handle(*burst)
    for _ in range(5):
        await world.handle(*burst)
    assert len(strong.asked) == 1
    assert len(await world.replies()) == 1


async def test_a_request_for_a_person_is_handled_over_every_limit(world: WorkerEnvironment) -> None:
    world.worker = build_limited_worker(world, GatedModel(world.settings), per_minute=1)
    for number in range(5):
        await world.handle(world.said(f"m{number}", HEAT))
    await world.handle(world.said("p", "A person please", choice=ChoiceSelection(in_reply_to="", id="person")))
    assert (await world.known()).owner == "queue"


async def test_a_tenant_whose_answers_cost_nothing_has_no_such_limit(world: WorkerEnvironment) -> None:
    rules = replace(world.settings.of(TENANT), contact=ContactRules(1, 1))
    world.settings = WorkerSettings(tenants={TENANT: rules})
    world.worker = world.worker_with()
    for number in range(5):
        await world.handle(world.said(f"m{number}", HEAT))
    assert len(world.model.asked) == 5
