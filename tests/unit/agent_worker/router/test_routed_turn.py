"""Turns with routes, from the log to the log."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agent_worker.knowledge.ranking.ranker import NOTHING
from agent_worker.knowledge.vectors.encoder import light_encoder
from agent_worker.models.budgets import DayBudgets, Spend
from agent_worker.models.registry import Models
from agent_worker.router import artifact, decision
from agent_worker.router.rules import Intent, RiskTopic, RouteRules
from agent_worker.router.training import train
from agent_worker.settings import BudgetRules, WorkerSettings
from schemas import topics
from schemas.conversation import OwnerRequested
from schemas.envelope import Envelope
from schemas.errors import ModelFailed
from schemas.messages import Address, TranscriptMessage
from schemas.ports import AnswerDraft, Question
from tests.unit.agent_worker.router.examples import EXAMPLES
from tests.unit.agent_worker.worker_environment import GatedModel, WorkerEnvironment, world_at

HEAT = "Do you add a heat pack in winter?"
RISKS = (RiskTopic("legal threat", ("my lawyer",), say="A colleague writes to you today."),)


class QuotingModel(GatedModel):
    """Another model than the local one, which answers as it does."""

    def __init__(self, name: str) -> None:
        super().__init__(WorkerSettings(tenants={}))
        self._inner.name = self.name = name


class FailingModel:
    def __init__(self, name: str) -> None:
        self.name = name

    async def answer(self, question: Question, emit: object) -> AnswerDraft:
        raise ModelFailed("it is away")


async def requests(world: WorkerEnvironment) -> list[OwnerRequested]:
    read = await world.bus.read(topics.inbound("web"))
    found = [Envelope.from_wire(record.headers, record.value) async for record in read]
    return [event.payload(OwnerRequested) for event in found if event.type == topics.OWNER_REQUESTED]


async def test_a_risk_hands_over_with_its_own_reason_and_words(tmp_path: Path) -> None:
    """No model is asked; people are told why, and it was not that the contact asked for them."""
    async with world_at(tmp_path, routes=RouteRules(risks=RISKS)) as world:
        await world.handle(world.said("m1", f"{HEAT} Or my lawyer will ask you."))
        (reply,), (turn,) = await world.replies(), await world.turns()
        assert (reply.author.kind, reply.text) == ("system", "A colleague writes to you today.")
        assert (turn.route, turn.outcome, turn.reasons) == ("person", "person", ["risk: legal threat"])
        assert (await world.known()).owner == "queue"
        assert world.model.asked == []
        (asked,) = await requests(world)
        assert asked.reason == "risk: legal threat"


async def test_a_contact_who_asks_for_a_person_is_handed_off_for_that_reason(world: WorkerEnvironment) -> None:
    await world.handle(world.said("m1", "Can I talk to a person please?"))
    (turn,) = await world.turns()
    assert (turn.route, turn.outcome) == ("person", "person")
    assert [each.reason for each in await requests(world)] == [decision.PERSON_REQUESTED]


async def test_when_the_cheap_model_fails_the_strong_one_answers(tmp_path: Path) -> None:
    """In the same turn, and the record says so."""
    strong = QuotingModel("large")
    rules = RouteRules(cheap="small", strong="large")
    async with world_at(tmp_path, routes=rules, models=[FailingModel("small"), strong]) as world:
        await world.handle(world.said("m1", HEAT))
        (turn,) = await world.turns()
        assert (turn.route, turn.model, turn.outcome) == ("cheap", "large", "answer")
        assert "model small failed: it is away" in turn.reasons
        assert world.model.asked == []


async def test_a_question_asked_again_goes_to_the_strong_model(tmp_path: Path) -> None:
    cheap, strong = QuotingModel("small"), QuotingModel("large")
    async with world_at(tmp_path, routes=RouteRules(cheap="small", strong="large"), models=[cheap, strong]) as world:
        await world.handle(world.said("m1", HEAT))
        (reply,) = await world.replies()
        await world.state.transcript.add(world.conversation, TranscriptMessage.of_outbound(reply, "delivered"))
        await world.handle(world.said("m2", "do you ADD a heat pack in winter"))
        first, second = await world.turns()
        assert (first.route, second.route) == ("cheap", "strong")
        assert (len(cheap.asked), len(strong.asked)) == (1, 1)


@pytest.fixture
def learned(tmp_path: Path) -> RouteRules:
    file = tmp_path / "shop.npz"
    model, worth = train(EXAMPLES, light_encoder())
    artifact.save_model(file, model, artifact.examples_version(EXAMPLES), worth)
    return RouteRules(
        cheap="small", strong="large", examples=EXAMPLES, trained=file, intents={"delivery": Intent(hard=True)}
    )


async def test_the_record_says_intent_scores_and_reasons(tmp_path: Path, learned: RouteRules) -> None:
    """A hard intent goes to the strong model; the record holds what was decided by."""
    strong = QuotingModel("large")
    async with world_at(tmp_path, routes=learned, models=[QuotingModel("small"), strong]) as world:
        await world.handle(world.said("m1", "my parcel has not arrived yet, where is it"))
        (turn,) = await world.turns()
        assert (turn.route, turn.intent) == ("strong", "delivery")
        assert turn.reasons[0].startswith("intent delivery (")
        assert {"energy", "retrieval", "intent.delivery"} <= turn.scores.keys()
        assert "route" in turn.stages
        assert (await world.known()).facts.last_route == "strong"


async def test_a_classifier_of_other_examples_is_not_used_and_no_turn_fails(
    tmp_path: Path, learned: RouteRules
) -> None:
    changed = replace(learned, examples=EXAMPLES | {"login": ("a", "b")})
    async with world_at(tmp_path, routes=changed, models=[QuotingModel("small"), QuotingModel("large")]) as world:
        await world.handle(world.said("m1", HEAT))
        (turn,) = await world.turns()
        assert (turn.route, turn.intent, turn.outcome) == ("cheap", "", "answer")


async def test_a_verified_contact_gets_what_its_tier_says(tmp_path: Path) -> None:
    rules = RouteRules(cheap="small", strong="large", tiers={"verified": "strong"})
    async with world_at(tmp_path, routes=rules, models=[QuotingModel("small"), QuotingModel("large")]) as world:
        address = Address(channel="web", value="visitor-1", assurance="verified")
        contact, _ = await world.state.contacts.resolve(
            "shop", "web", "main", "visitor-1", [address], now=world.clock()
        )
        world.origin = world.origin.model_copy(update={"contact_id": contact.id})
        known = world.said("m1", HEAT)
        await world.state.conversations.begin(world.conversation, world.origin, [], now=world.clock())
        await world.handle(known)
        (turn,) = await world.turns()
        assert (turn.route, turn.reasons[0]) == ("strong", "contact tier verified")


async def test_intents_are_read_where_there_are_no_documents(tmp_path: Path, learned: RouteRules) -> None:
    async with world_at(
        tmp_path, prepare=False, routes=learned, models=[QuotingModel("small"), QuotingModel("large")]
    ) as world:
        await world.handle(world.said("m1", "my parcel has not arrived yet, where is it"))
        (turn,) = await world.turns()
        assert (turn.intent, turn.outcome) == ("delivery", "declined")
        plain = await world.library.search("shop", "anything")
        assert len(plain.vector) == 0, "nobody who does not ask for it pays for a vector"


async def test_the_remaining_budget_overrides_the_route(tmp_path: Path) -> None:
    """Two questions at once would go to the strong model; nearly at the end of the day's budget they do not."""
    cheap, strong = QuotingModel("small"), QuotingModel("large")
    rules = RouteRules(cheap="small", strong="large")
    asked = f"{HEAT} And within how many days do standard parcels arrive?"
    async with world_at(tmp_path, routes=rules, models=[cheap, strong]) as world:
        budgets = BudgetRules(contact_tokens_a_day=1000, contact_cost_a_day=0)
        tenant = replace(world.settings.tenants["shop"], budgets=budgets)
        settings = replace(world.settings, tenants={"shop": tenant})
        days = DayBudgets(world.state.limiter, settings, world.clock)
        models = Models({"local": world.model, "small": cheap, "large": strong}, settings=settings, budgets=days)
        world.worker = world.worker_with(models=models, settings=settings)
        await world.handle(world.said("m1", asked))
        async with days.reserve(Question("shop", "", [], NOTHING, contact="contact-1"), Spend()) as spent:
            spent.tokens = 950
        await world.handle(world.said("m2", asked.replace("standard parcels", "parcels of seeds")))
        first, second = await world.turns()
        assert (first.route, second.route) == ("strong", "cheap")
        assert "little of the budget is left (5%)" in second.reasons
        assert second.scores["budget"] == pytest.approx(0.05)
