"""The effect of each inbound event on a conversation: owner, edits, deletions and replays."""

from __future__ import annotations

import asyncio

import pytest

from schemas import topics
from schemas.envelope import Envelope
from tests.unit.agent_worker.worker_environment import CHANNEL, WorkerEnvironment

HEAT = "Do you add a heat pack in winter?"
RETURN = "Within how many days can I return pots?"


async def _texts(world: WorkerEnvironment) -> list[str]:
    return [line.text for line in await world.state.transcript.read(world.conversation)]


async def _owner_events(world: WorkerEnvironment) -> list[Envelope]:
    read = await world.bus.read(topics.EVENTS)
    events = [Envelope.from_wire(record.headers, record.value) async for record in read]
    return [event for event in events if event.type == topics.OWNER_CHANGED]


@pytest.mark.parametrize("owner", ["queue", "person"])
async def test_agent_is_silent_while_people_own(world: WorkerEnvironment, owner: str) -> None:
    """While people own the conversation a message joins the transcript and is not answered."""
    await world.handle(world.said("m0", "Hello"))
    await world.handle(world.owner_asked(owner, 0, "claim"))
    await world.handle(world.said("m1", HEAT))
    assert len(await world.replies()) == 1
    assert HEAT in await _texts(world)


async def test_owner_request_is_applied_once(world: WorkerEnvironment) -> None:
    """A request won once raises the epoch once, though its record comes twice; the change is on the log."""
    await world.handle(world.said("m0", "Hello"))
    for _ in range(2):
        await world.handle(world.owner_asked("person", 0, "claim"))
    conversation = await world.known()
    assert (conversation.owner, conversation.epoch) == ("person", 1)
    assert len(await _owner_events(world)) == 1


async def test_losing_request_changes_nothing(world: WorkerEnvironment) -> None:
    """A request for an epoch that has passed is handled and loses."""
    await world.handle(world.said("m0", "Hello"))
    await world.handle(world.owner_asked("person", 0, "first"))
    await world.handle(world.owner_asked("queue", 0, "second"))
    assert (await world.known()).owner == "person"


async def test_request_for_a_conversation_nobody_knows_is_dead_lettered(world: WorkerEnvironment) -> None:
    """An owner request says not where the conversation is: without one it can never be applied."""
    await world.handle(world.owner_asked("person", 0, "claim"))
    letters, _ = await world.state.dead_letters.list_page("shop")
    assert [letter.code for letter in letters] == ["undecodable_record"]
    assert await world.state.conversations.get(world.conversation) is None


async def test_message_in_a_closed_conversation_is_answered_by_the_agent(world: WorkerEnvironment) -> None:
    """A new message reopens a closed conversation for the agent."""
    await world.handle(world.said("m0", "Hello"))
    await world.handle(world.owner_asked("closed", 0, "close"))
    await world.handle(world.said("m1", HEAT))
    assert (await world.known()).owner == "agent"
    reply = (await world.replies())[-1]
    assert "heat pack" in reply.text
    assert reply.epoch == (await world.known()).epoch


async def test_persons_message_goes_out_and_takes_ownership(world: WorkerEnvironment) -> None:
    """A person's message is passed to the contact under their name, once, and the conversation is theirs."""
    await world.handle(world.said("m0", "Hello"))
    said = world.said("p1", "Rosa here, I will check.", by="person")
    await world.handle(said)
    await world.handle(said)
    out = [reply for reply in await world.replies() if reply.author.kind == "person"]
    assert {(message.author.name, message.text) for message in out} == {("Rosa", "Rosa here, I will check.")}
    assert len(out) == 1
    conversation = await world.known()
    assert conversation.owner == "person"
    assert out[0].epoch == conversation.epoch == conversation.agent_floor


async def test_a_message_from_the_vendors_app_takes_ownership_and_is_not_sent_again(world: WorkerEnvironment) -> None:
    """It joins the transcript once, and nothing goes out: the contact has it on the screen."""
    await world.handle(world.said("m0", "Hello"))
    before = len(await world.replies())
    said = world.said("p1", "Rosa here, I have answered already.", by="person", shown=True)
    await world.handle(said)
    await world.handle(said)
    assert (await world.known()).owner == "person"
    await world.handle(world.said("m1", HEAT))
    assert len(await world.replies()) == before
    lines = await world.state.transcript.read(world.conversation)
    assert [line.text for line in lines if line.author.kind == "person"] == ["Rosa here, I have answered already."]


async def test_person_and_contact_in_one_batch(world: WorkerEnvironment) -> None:
    """When a person answers in the same batch, the agent does not."""
    await world.handle(world.said("m1", HEAT), world.said("p1", "I am here.", by="person"))
    assert [reply.author.kind for reply in await world.replies()] == ["person"]


async def test_edit_of_a_waiting_message_replaces_it(world: WorkerEnvironment) -> None:
    """Of a message edited before it was answered only the new text is answered."""
    await world.handle(world.said("m1", RETURN), world.edited("m1", HEAT))
    assert world.model.asked[0].text == HEAT
    assert len(await world.replies()) == 1
    assert await _texts(world) == [HEAT]


async def test_edit_of_an_answered_message_is_answered_again(world: WorkerEnvironment) -> None:
    """An answered message that is changed within fifteen minutes gets a new answer."""
    await world.handle(world.said("m1", RETURN))
    world.clock.advance(minutes=5)
    await world.handle(world.edited("m1", HEAT))
    assert "heat pack" in (await world.replies())[-1].text
    assert len(await world.replies()) == 2


@pytest.mark.parametrize(("minutes", "text"), [(20, HEAT), (5, RETURN)], ids=["late", "same text"])
async def test_edit_that_needs_no_answer(world: WorkerEnvironment, minutes: int, text: str) -> None:
    """A late edit, or one that changes nothing, only updates the transcript."""
    await world.handle(world.said("m1", RETURN))
    world.clock.advance(minutes=minutes)
    await world.handle(world.edited("m1", text))
    assert len(await world.replies()) == 1
    assert await _texts(world) == [text]


async def test_edit_before_its_message(world: WorkerEnvironment) -> None:
    """An edit that overtook its message decides what is answered."""
    await world.handle(world.edited("m1", HEAT))
    await world.handle(world.said("m1", RETURN))
    assert [asked.text for asked in world.model.asked] == [HEAT]


async def test_deletion_of_a_waiting_message(world: WorkerEnvironment) -> None:
    """A message taken back before it was answered is erased and not answered."""
    await world.handle(world.said("m1", HEAT), world.deleted("m1"))
    assert await world.replies() == []
    assert await _texts(world) == [""]


async def test_deletion_before_its_message(world: WorkerEnvironment) -> None:
    """A deletion that overtook its message keeps it from being answered or kept."""
    await world.handle(world.deleted("m1"))
    await world.handle(world.said("m1", HEAT))
    assert await world.replies() == []
    assert HEAT not in await _texts(world)


async def test_deletion_of_an_answered_message_erases_it(world: WorkerEnvironment) -> None:
    """The text goes from the transcript and from the context; the answer that was given stays."""
    await world.handle(world.said("m1", HEAT))
    await world.handle(world.deleted("m1"))
    await world.handle(world.said("m2", RETURN))
    assert HEAT not in await _texts(world)
    assert all(HEAT not in line.text for line in world.model.asked[-1].history)


async def test_deletion_during_the_turn_stops_the_answer(world: WorkerEnvironment) -> None:
    """A message that is taken back while the model writes is not answered."""
    world.model.gate.clear()
    batch = await world.lane(world.said("m1", HEAT))
    (gone,) = await world.records(world.deleted("m1"))
    running = asyncio.create_task(world.worker.handle(batch))
    await world.model.next_asked()
    batch.arrive(gone)
    await asyncio.wait_for(running, 30)
    assert await world.replies() == []


async def test_replay_does_not_answer_for_people(world: WorkerEnvironment) -> None:
    """A replayed message joins the transcript only, when people own the conversation meanwhile."""
    await world.handle(world.said("m0", "Hello"))
    await world.handle(world.owner_asked("person", 0, "claim"))
    await world.handle(world.said("m1", HEAT, event="replay-1", replay_of="lost"))
    assert len(await world.replies()) == 1
    assert HEAT in await _texts(world)
    assert (await world.known()).owner == "person"
    assert CHANNEL == "web"
