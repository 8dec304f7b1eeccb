"""Late messages that wait no longer, and changes that overtake each other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from schemas.conversation import Facts
from schemas.envelope import Envelope
from schemas.messages import InboundMessage
from tests.unit.agent_worker.worker_environment import WorkerEnvironment

HEAT = "Do you add a heat pack in winter?"
RETURN = "Within how many days can I return pots?"


def found_later(event: Envelope) -> Envelope:
    """The same message, as a vendor's history tells it."""
    message = event.payload(InboundMessage).model_copy(update={"backfilled": True})
    return replace(event, data=message.model_dump_json().encode())


@pytest.mark.parametrize("by", ["the agent", "the desk", "the vendor's app"])
async def test_a_message_found_after_a_later_answer_only_joins_the_transcript(
    world: WorkerEnvironment, by: str
) -> None:
    """Whoever answered; and what was written after it still waits, and is answered once it may be."""
    await world.handle(world.said("m0", "Hello!"))
    world.clock.advance(minutes=1)
    missed = found_later(world.said("missed", RETURN))
    world.clock.advance(minutes=1)
    if by == "the agent":
        await world.handle(world.said("m1", HEAT))
    else:
        await world.handle(world.owner_asked("person", 0, "claim"))
        await world.handle(world.said("m1", HEAT))
        shown = by == "the vendor's app"
        await world.handle(world.said("p1", "Yes.", by="person", shown=shown))
        await world.handle(world.owner_asked("agent", 1, "back"))
    asked = len(world.model.asked)
    await world.handle(missed)
    assert len(world.model.asked) == asked
    world.clock.advance(minutes=1)
    await world.handle(found_later(world.said("m2", HEAT)))
    await world.handle(found_later(world.said("m2", HEAT)))
    assert len(world.model.asked) == asked + 1
    contact = [line.text for line in world.model.asked[-1].history if line.author.kind == "contact"]
    assert contact == ["Hello!", RETURN, HEAT], "the late line stands where it was written"


async def test_waiting_messages_survive_with_the_snapshot(world: WorkerEnvironment) -> None:
    """A replay after a rebuild is judged by the times that the snapshot carries."""
    missed = world.said("missed", RETURN)
    world.clock.advance(minutes=1)
    await world.handle(world.said("m1", HEAT))
    snapshot = await world.state.conversations.snapshot(world.conversation)
    assert snapshot is not None
    facts = Facts.model_validate_json(snapshot.conversation.facts.model_dump_json())
    assert facts.answered_at == facts.heard_at == world.clock()
    await world.handle(replace(missed, id="replay-1", replay_of=missed.id))
    assert len(await world.replies()) == 1


async def test_a_closed_conversation_is_not_opened_by_what_was_answered_before(world: WorkerEnvironment) -> None:
    missed = found_later(world.said("missed", RETURN))
    world.clock.advance(minutes=1)
    await world.handle(world.said("m1", HEAT))
    await world.handle(world.owner_asked("closed", 0, "close"))
    await world.handle(missed)
    assert (await world.known()).owner == "closed"
    world.clock.advance(minutes=1)
    await world.handle(found_later(world.said("m2", HEAT)))
    assert (await world.known()).owner == "agent"


async def test_edits_that_overtake_each_other_leave_the_latest_words(world: WorkerEnvironment) -> None:
    """Before the message was answered and after it; the older one changes nothing and is not answered."""
    await world.handle(world.said("m1", "pots?"), world.edited("m1", HEAT, 2), world.edited("m1", "heat?", 1))
    assert [question.text for question in world.model.asked] == [HEAT]
    await world.handle(world.edited("m1", RETURN, 4))
    await world.handle(world.edited("m1", "Return what?", 3))
    assert [question.text for question in world.model.asked] == [HEAT, RETURN]
    assert [line.text for line in await world.state.transcript.read(world.conversation)] == [RETURN]


async def test_a_message_that_comes_after_its_edits_is_answered_once_as_it_reads_last(world: WorkerEnvironment) -> None:
    await world.handle(world.edited("m1", HEAT, 2))
    await world.handle(world.edited("m1", "Heat", 1))
    await world.handle(world.edited("m1", RETURN, 3))
    assert world.model.asked == []
    await world.handle(world.said("m1", "Hm?"))
    assert [question.text for question in world.model.asked] == [RETURN]


async def test_an_edit_is_answered_though_its_turn_began_again(world: WorkerEnvironment) -> None:
    """What the turn that broke off has written does not make the edit old."""
    await world.handle(world.said("m1", HEAT))
    line = await world.state.transcript.find(world.conversation, world.message_id("m1"))
    assert line is not None
    assert await world.state.transcript.edit(world.conversation, line.id, RETURN, revision=1)
    world.clock.advance(seconds=1)
    await world.handle(world.edited("m1", RETURN, 1))
    assert [question.text for question in world.model.asked] == [HEAT, RETURN]


async def test_a_persons_answer_that_is_found_late_takes_the_conversation(world: WorkerEnvironment) -> None:
    await world.handle(world.said("m0", HEAT))
    world.clock.advance(minutes=1)
    answer = found_later(world.said("p1", "Yes.", by="person", shown=True))
    world.clock.advance(minutes=1)
    await world.handle(world.said("m1", RETURN))
    await world.handle(answer)
    assert (await world.known()).owner == "person"


@pytest.mark.parametrize(("before", "answered"), [(0.0, True), (1.9, True), (2.0, True), (2.1, False)])
async def test_a_late_message_within_two_seconds_of_an_answered_one_is_answered(
    world: WorkerEnvironment, before: float, answered: bool
) -> None:
    """Vendors date by the second, so times alone do not tell that it was answered with the other."""
    await world.handle(world.said("m0", "Hello!"))
    world.clock.advance(seconds=60)
    missed = found_later(world.said("missed", RETURN))
    world.clock.advance(seconds=before)
    await world.handle(world.said("m1", HEAT))
    await world.handle(missed)
    assert [question.text for question in world.model.asked] == ["Hello!", HEAT, *([RETURN] if answered else [])]
    assert len(await world.replies()) == 2 + answered
