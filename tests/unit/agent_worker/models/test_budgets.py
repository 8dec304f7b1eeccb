"""Nobody spends more on models than was said: in a turn, as a contact, as a tenant."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from agent_worker.grounding.failures import NotSent
from agent_worker.models.budgets import DayBudgets, Spend
from agent_worker.models.providers.remote_model import ModelDependencies
from agent_worker.models.registry import Models
from agent_worker.settings import BudgetRules, TenantRules, WorkerSettings
from schemas.ports import State
from tests.contracts.state.engines import embedded_state
from tests.simulators.models.server import Script
from tests.unit.agent_worker.models.conftest import TENANT, Asking, LadderClient, question
from tests.unit.agent_worker.worker_environment import Clock

WINTER = "Do you add a heat pack in winter?"
FREE = BudgetRules(contact_tokens_a_day=0, contact_cost_a_day=0)
ROSA = replace(question(WINTER), contact="rosa")
Budgeted = Callable[[BudgetRules], DayBudgets]


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[State]:
    async with embedded_state(tmp_path / "parley.db") as made:
        yield made


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def budgets(state: State, clock: Clock) -> Budgeted:
    return lambda rules: DayBudgets(state.limiter, settings(rules), clock)


def settings(rules: BudgetRules) -> WorkerSettings:
    return WorkerSettings(tenants={TENANT: TenantRules(budgets=rules)})


async def spend(budgets: DayBudgets, likely: int, really: int, contact: str = "rosa") -> bool:
    """False when it was refused."""
    try:
        async with budgets.reserve(replace(ROSA, contact=contact), Spend(likely)) as spent:
            spent.tokens = really
    except NotSent:
        return False
    return True


async def test_a_contact_who_used_up_the_day_costs_nothing_more(budgets: Budgeted, clock: Clock) -> None:
    """Others still do; and tomorrow is another day."""
    day = budgets(replace(FREE, contact_tokens_a_day=100))
    assert await spend(day, 60, 50)
    assert await spend(day, 50, 50)
    assert not await spend(day, 1, 1)
    assert await spend(day, 60, 60, contact="tom")
    clock.advance(days=1)
    assert await spend(day, 60, 60)


async def test_a_tenants_day_is_everybodys(budgets: Budgeted) -> None:
    """Money too, in millionths."""
    day = budgets(replace(FREE, cost_a_day=0.01))
    async with day.reserve(ROSA, Spend(10, 0.009)) as spent:
        spent.cost = 0.009
    with pytest.raises(NotSent, match="budget of the tenant"):
        async with day.reserve(replace(ROSA, contact="tom"), Spend(10, 0.002)):
            pass
    assert await day.share_left(TENANT, "tom") == pytest.approx(0.1)


async def test_turns_at_once_do_not_overspend_together(budgets: Budgeted) -> None:
    """What is likely to be spent is taken before, and what was refused is given back."""
    day = budgets(replace(FREE, tokens_a_day=1_000))
    done = await asyncio.gather(*(spend(day, 100, 100, contact=f"c{n}") for n in range(30)))
    assert 1 <= sum(done) <= 10
    assert await day.share_left(TENANT, "x") == pytest.approx(1 - sum(done) / 10)


async def test_reserved_budget_that_was_not_used_is_returned(budgets: Budgeted) -> None:
    """Also when the attempt failed."""
    day = budgets(replace(FREE, tokens_a_day=100))

    async def failing() -> None:
        async with day.reserve(ROSA, Spend(90)) as spent:
            spent.tokens = 20
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await failing()
    assert await day.share_left(TENANT, "rosa") == pytest.approx(0.8)
    assert await spend(day, 80, 10)


async def test_without_bounds_nothing_is_counted(state: State, clock: Clock) -> None:
    """No round trip for those who set none."""
    assert await DayBudgets(state.limiter, settings(FREE), clock).share_left(TENANT, "rosa") == 1.0


async def test_over_budget_the_extractive_model_answers_and_the_turn_says_why(
    asking: Asking, state: State, clock: Clock
) -> None:
    """No request leaves; it is no failure of the model's; another contact is still served."""
    rules = settings(replace(FREE, contact_tokens_a_day=2_000))
    around = ModelDependencies(budgets=DayBudgets(state.limiter, rules, clock))
    asker: LadderClient = asking(settings=rules, dependencies=around)
    answers = [await asker.ask(WINTER, contact="rosa") for _ in range(30)]
    models = [draft.model for draft in answers]
    assert models == sorted(models, reverse=True), "remote first, local from then on"
    assert {"remote", "local"} == set(models)
    assert answers[-1].reasons == ["model remote not asked: today's budget of the contact is spent"]
    assert sum(draft.tokens for draft in answers) <= 2_000
    assert (len(asker.server.calls), asker.failed) == (models.count("remote"), [])
    assert (await asker.ask(WINTER, contact="tom")).model == "remote"


async def test_the_router_can_query_the_remaining_budget(state: State, clock: Clock) -> None:
    """Of the day, as a share; nothing where nothing is counted."""
    day = DayBudgets(state.limiter, settings(replace(FREE, tokens_a_day=200)), clock)
    await spend(day, 50, 50)
    assert await Models({}, budgets=day).budget_left(TENANT, "rosa") == pytest.approx(0.75)
    assert await Models({}).budget_left(TENANT, "rosa") is None


TURNS = [
    pytest.param(BudgetRules(turn_steps=1), "the turn's budget of requests is spent", id="steps"),
    pytest.param(BudgetRules(turn_tokens=600), "the turn's budget of tokens is spent", id="tokens"),
    pytest.param(BudgetRules(turn_cost=0.0001), "the turn's budget of money is spent", id="money"),
]


@pytest.mark.parametrize(("rules", "reason"), TURNS)
async def test_one_turn_has_a_budget_over_all_its_attempts(asking: Asking, rules: BudgetRules, reason: str) -> None:
    """A model that the gate refused gets no second chance that was not paid for."""
    asker: LadderClient = asking(settings=settings(rules))
    asker.server.script = Script(text="In winter we add a heat pack to every parcel for 9.90 euro [1].")
    draft = await asker.ask(WINTER)
    assert draft.model == "local"
    assert draft.reasons[-1] == f"model remote not asked: {reason}"
    assert len(asker.server.calls) == 1
