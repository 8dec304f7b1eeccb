"""Drafts of what the agent would answer, for people to read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from agent_worker.actions.context import ActionContext
from agent_worker.actions.spec import Action, action
from agent_worker.settings import ActionRules
from schemas import topics
from schemas.desk import DraftGenerated
from schemas.errors import ModelFailed
from tests.unit.agent_worker.handoff.people_events import (
    ALWAYS,
    HEAT,
    PERSON,
    claim_conversation,
    deliver_replies,
    draft_wanted,
    handed_over,
    return_conversation,
)
from tests.unit.agent_worker.worker_environment import WorkerEnvironment, world_at

RETURN = "Within how many days can I return pots?"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[WorkerEnvironment]:
    async with world_at(tmp_path, desk=ALWAYS) as made:
        yield made


async def _draft(world: WorkerEnvironment, **more: Any) -> DraftGenerated:
    await world.handle(draft_wanted(world, **more))
    made: list[DraftGenerated] = await world.told(topics.DRAFT_GENERATED)
    return made[-1]


async def test_draft_answers_what_waits(world: WorkerEnvironment) -> None:
    """It is the answer that the contact would get, with its sources; nothing is sent, and nobody's turn changes."""
    await handed_over(world)
    await claim_conversation(world)
    world.clock.advance(minutes=1)
    await world.handle(world.said("m2", HEAT))
    before, known = await world.replies(), await world.known()
    draft = await _draft(world)
    assert "heat pack to every parcel" in draft.text
    assert draft.citations[0].document == "shipping"
    assert (draft.model, draft.reason) == ("local", "")
    assert await world.replies() == before
    after = await world.known()
    assert (after.owner, after.epoch, after.facts.turns) == (known.owner, known.epoch, known.facts.turns)


async def test_draft_answers_the_last_question_when_nothing_waits(world: WorkerEnvironment) -> None:
    """Where people have answered already, it is what the agent would say to the last question."""
    await handed_over(world)
    await claim_conversation(world)
    world.clock.advance(minutes=1)
    await world.handle(world.said("m2", RETURN))
    world.clock.advance(minutes=1)
    await world.handle(world.said("m3", "Thanks"))
    world.clock.advance(minutes=1)
    await world.handle(world.said("p1", "One moment.", by="person"))
    await deliver_replies(world)
    assert "30 days" in (await _draft(world)).text


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("Do you sell spaceships?", "the documents contain no answer"),
        (PERSON, "the contact asks for a person"),
    ],
)
async def test_draft_says_honestly_that_there_is_none(world: WorkerEnvironment, said: str, reason: str) -> None:
    """It has no words then, and the reason is told."""
    await handed_over(world)
    await claim_conversation(world)
    world.clock.advance(minutes=1)
    await world.handle(world.said("m2", said))
    draft = await _draft(world)
    assert draft.text == ""
    assert reason in draft.reason


async def test_draft_of_a_conversation_without_words(world: WorkerEnvironment) -> None:
    """Where the contact has written nothing there is nothing to answer."""
    await world.handle(world.said("p1", "Hello, this is Rosa.", by="person"))
    assert (await _draft(world)).reason == "the contact has asked nothing"


async def test_model_that_fails_makes_an_empty_draft(world: WorkerEnvironment) -> None:
    """The reason names the failure; the conversation goes on."""
    await handed_over(world)
    await claim_conversation(world)
    world.clock.advance(minutes=1)
    await world.handle(world.said("m2", HEAT))

    async def fail(*_: object) -> None:
        raise ModelFailed("it is down")

    world.model.answer = fail  # type: ignore[method-assign, assignment]
    draft = await _draft(world)
    assert (draft.text, "it is down" in draft.reason) == ("", True)


async def test_draft_is_made_once(world: WorkerEnvironment) -> None:
    """A request that comes twice is one draft."""
    await handed_over(world)
    await claim_conversation(world)
    await world.handle(draft_wanted(world))
    await world.handle(draft_wanted(world))
    assert len(await world.told(topics.DRAFT_GENERATED)) == 1


async def test_drafts_know_what_was_promised(world: WorkerEnvironment) -> None:
    """After people were there, a draft keeps to their words, and the hint is read by models."""
    await handed_over(world)
    await claim_conversation(world)
    await world.handle(world.said("p1", "Your replacement parcel will arrive on Friday.", by="person"))
    await deliver_replies(world)
    world.clock.advance(minutes=1)
    await world.handle(world.said("m2", "When will the replacement parcel arrive?"))
    assert "will arrive on Friday" in (await _draft(world)).text
    world.clock.advance(minutes=1)
    await world.handle(world.said("m3", HEAT))
    await _draft(world, name="second", hint="It is free today.")
    assert "It is free today." in world.model.asked[-1].history[-1].text


class NoArguments(BaseModel):
    pass


@action(
    name="ship_now",
    title="Ship now",
    description="Ships the heat pack of winter at once",
    risk="write",
    examples=["Do you add a heat pack in winter?"],
)
async def ship_now(context: ActionContext, given: NoArguments) -> NoArguments:
    raise AssertionError("a draft does nothing")


async def test_drafts_may_do_nothing(tmp_path: Path) -> None:
    """No action is offered to the model that writes a draft, though the tenant has one that fits."""
    offered: Action = ship_now
    async with world_at(tmp_path, desk=ALWAYS, actions=ActionRules(actions={"ship_now": offered})) as world:
        await handed_over(world)
        await claim_conversation(world)
        world.clock.advance(minutes=1)
        await world.handle(world.said("m2", HEAT))
        draft = await _draft(world)
        assert "heat pack" in draft.text
        assert world.model.asked[-1].offers == ()
        await return_conversation(world)
        assert len(world.model.asked[-1].offers) == 1
