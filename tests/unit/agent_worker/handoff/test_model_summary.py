"""The summary for people in a model's words, over a real socket to the loopback provider."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent_worker.handoff.summary import write_summary
from agent_worker.models.budgets import DayBudgets
from agent_worker.models.providers.remote_model import ModelDependencies
from agent_worker.models.registry import Models
from agent_worker.settings import BudgetRules, TenantRules, WorkerSettings
from schemas.messages import Author, TranscriptMessage
from schemas.ports import Question, SearchResult
from tests.simulators.models.server import ModelServer, Script
from tests.unit.agent_worker.handoff.people_events import PERSON, handoff_of
from tests.unit.agent_worker.models.conftest import TENANT, asker_of
from tests.unit.agent_worker.worker_environment import TENANT as SHOP
from tests.unit.agent_worker.worker_environment import world_at

KNOWN = ["Asked: Why?", "Tried: nothing yet", "Open: the contact asked for a person"]
WRITTEN = "- The plant arrived broken.\n\n- Nothing was found.\n3. A refund is open."
LINES = ["The plant arrived broken.", "Nothing was found.", "A refund is open."]
AT = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with ModelServer().serving() as running:
        yield running


def _question(*said: str) -> Question:
    author = Author(kind="contact")
    lines = [TranscriptMessage(id=text, author=author, text=text, created_at=AT) for text in said]
    return Question(
        tenant=TENANT, text="", history=lines, search_result=SearchResult([], answerable=False, confidence=0.0)
    )


async def _summarize(models: Models, *said: str) -> tuple[list[str], bool]:
    try:
        lines, note = await write_summary(models, "remote", _question(*said), KNOWN, "it is asked for", "de")
    finally:
        await models.close()
    return list(lines), note is not None


async def test_model_writes_the_three_lines(server: ModelServer) -> None:
    """Its lines stand without bullets; what it was given is data, and it is told in which language to write."""
    server.script = Script(text=WRITTEN)
    assert await _summarize(asker_of(server).models, "My plant arrived broken.") == (LINES, True)
    (call,) = server.calls
    assert "language de" in call.system
    (given,) = [json.loads(m["content"]) for m in call.body["messages"] if m["role"] == "user"]
    assert given["conversation"] == [{"from": "customer", "text": "My plant arrived broken."}]
    assert given["known"] == KNOWN


@pytest.mark.parametrize(
    "script",
    [Script(status=500), Script(text="I cannot do that."), Script(behaviour="flood"), Script(behaviour="garbage")],
    ids=["down", "one line", "flood", "garbage"],
)
async def test_an_invalid_summary_leaves_the_plain_one(server: ModelServer, script: Script) -> None:
    """Whatever the model does, people get three lines."""
    server.script = script
    lines, _ = await _summarize(asker_of(server).models, "Why?")
    assert lines == KNOWN


async def test_model_that_is_too_slow_is_not_waited_for(server: ModelServer) -> None:
    """The contact waits for it: after the model's own time the plain summary is used."""
    server.script = Script(behaviour="hang")
    lines, noted = await _summarize(asker_of(server, timeout=0.2).models, "Why?")
    assert (lines, noted) == (KNOWN, False)


async def test_nobody_is_asked_beyond_the_budget(tmp_path: Path, server: ModelServer) -> None:
    """A tenant that has spent its day's budget gets the plain summary, and no request is made."""
    settings = WorkerSettings(tenants={TENANT: TenantRules(budgets=BudgetRules(tokens_a_day=10))})
    async with world_at(tmp_path, prepare=False) as world:
        budgets = DayBudgets(world.state.limiter, settings, world.clock)
        asker = asker_of(server, settings=settings, dependencies=ModelDependencies(budgets=budgets))
        assert await _summarize(asker.models, "Why?") == (KNOWN, False)
    assert server.calls == []


async def test_handoff_of_a_tenant_with_a_model_bears_its_summary(tmp_path: Path, server: ModelServer) -> None:
    """It is committed with the handoff, and the turn bears its tokens."""
    server.script = Script(text=WRITTEN)
    async with world_at(tmp_path) as world:
        rules = replace(world.settings.of(SHOP), model="remote")
        models = asker_of(server).models
        worker = world.worker_with(settings=WorkerSettings(tenants={SHOP: rules}), models=models)
        await worker.handle(await world.lane(world.said("m1", PERSON)))
        assert (await handoff_of(world)).summary == LINES
        assert (await world.turns())[-1].tokens > 0
        await worker.close()
