"""Questions while the documents are being read: they wait, are answered once they can be, and never declined."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent_worker.turn.answering import NOT_READ
from agent_worker.turn.engine import LONGEST_WAIT
from agent_worker.voice import translate_phrase
from schemas.errors import Parked
from schemas.ports import ImportState
from tests.unit.agent_worker.worker_environment import (
    RETURNS,
    SHIPPING,
    TENANT,
    VOICE,
    LaneStub,
    WorkerEnvironment,
    world_at,
)

HEAT = "Do you add a heat pack in winter?"
RETURN = "Within how many days can I return pots?"
NOTICE = VOICE.reading_documents


class Import:
    """An import that is held open."""

    state: ImportState = "more"


@pytest.fixture
async def reading(tmp_path: Path) -> AsyncIterator[tuple[WorkerEnvironment, Import]]:
    """One of two documents can be searched."""
    held = Import()
    async with world_at(tmp_path, prepare=False, find_import=lambda: held.state) as world:
        await world.put("shipping", SHIPPING)
        assert await world.library.wait_until_indexed(TENANT, 30)
        yield world, held


async def look(world: WorkerEnvironment, lane: LaneStub) -> float:
    """Handle the lane's records, as at the first time and after each pause: seconds until the next look; 0: done."""
    try:
        await asyncio.wait_for(world.worker.handle(LaneStub(lane.records)), 30)
    except Parked as parked:
        return (parked.until - world.clock()).total_seconds()
    return 0


async def test_a_question_waits_and_the_contact_is_asked_for_patience_once(
    reading: tuple[WorkerEnvironment, Import],
) -> None:
    world, held = reading
    lane = await world.lane(world.said("m1", RETURN))
    pause = await look(world, lane)
    assert 0 < pause <= 2
    assert await world.replies() == [], "a wait of moments is not worth a message"
    for _ in range(5):
        world.clock.advance(seconds=pause)
        pause = await look(world, lane)
        assert 0 < pause <= 15
    assert [reply.text for reply in await world.replies()] == [NOTICE]
    await world.put("returns", RETURNS)
    held.state = ""
    assert await world.library.wait_until_indexed(TENANT, 30)
    assert await look(world, lane) == 0
    answer = (await world.replies())[-1]
    assert "30 days" in answer.text
    assert answer.in_reply_to == world.message_id("m1")
    assert (await world.known()).facts.document_wait is None
    assert await look(world, lane) == 0
    assert len(await world.replies()) == 2, "nothing is answered twice"


async def test_what_does_not_depend_on_unread_documents_is_answered_at_once(
    reading: tuple[WorkerEnvironment, Import],
) -> None:
    world, _held = reading
    for number, text in enumerate((HEAT, "Hello!", "Thanks, bye", "I want to talk to a person")):
        assert await look(world, await world.lane(world.said(f"m{number}", text))) == 0, text
    assert len(await world.replies()) == 4


async def test_while_the_first_documents_are_read_even_a_sure_answer_waits(
    reading: tuple[WorkerEnvironment, Import],
) -> None:
    """The best passage of a few is easily taken for the answer."""
    world, held = reading
    held.state = "first"
    assert await look(world, await world.lane(world.said("m1", HEAT))) > 0
    assert await look(world, await world.lane(world.said("m2", "Hello!"))) == 0


async def test_a_contact_who_asks_for_a_person_meanwhile_gets_one(reading: tuple[WorkerEnvironment, Import]) -> None:
    world, _held = reading
    lane = await world.lane(world.said("m1", RETURN))
    assert await look(world, lane) > 0
    lane.records += await world.records(world.said("m2", "Please let me talk to a person"))
    assert await look(world, lane) == 0
    assert (await world.known()).owner == "queue"


async def test_after_the_longest_wait_people_are_told_why_and_the_contact_hears_of_them(
    reading: tuple[WorkerEnvironment, Import],
) -> None:
    world, _held = reading
    lane = await world.lane(world.said("m1", "Wie viele Tage kann ich Töpfe zurückgeben?", locale="de"))
    assert await look(world, lane) > 0
    world.clock.advance(seconds=3)
    assert await look(world, lane) > 0
    world.clock.advance(seconds=LONGEST_WAIT.total_seconds())
    assert await look(world, lane) == 0
    texts = [reply.text for reply in await world.replies()]
    assert texts[0] == translate_phrase(VOICE, "reading_documents", "de")
    assert NOT_READ in (await world.turns())[-1].reasons
    assert (await world.known()).owner == "queue"
