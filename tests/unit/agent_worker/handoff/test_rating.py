"""The rating of a handoff: asked for once, and given by a choice or a number."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent_worker.handoff.desk_service_level import DeskServiceLevel
from agent_worker.voice import DEFAULT_VOICE
from schemas import topics
from schemas.messages import OutboundMessage
from tests.unit.agent_worker.handoff.people_events import (
    ALWAYS,
    HEAT,
    PERSON,
    claim_conversation,
    deliver_replies,
    handed_over,
    handoff_of,
    pick_choice,
    read_back,
    request_owner,
    resolve_handoff,
    return_conversation,
)
from tests.unit.agent_worker.worker_environment import WorkerEnvironment, world_at


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[WorkerEnvironment]:
    async with world_at(tmp_path, desk=ALWAYS) as made:
        yield made


async def _resolve_and_get_question(world: WorkerEnvironment) -> OutboundMessage:
    """The question that the contact gets."""
    await handed_over(world)
    await claim_conversation(world)
    await world.handle(world.said("p1", "All done.", by="person"))
    await world.handle(resolve_handoff(world, outcome="Solved"))
    await deliver_replies(world)
    question = (await world.replies())[-1]
    assert question.choices
    return question


async def test_contact_is_asked_how_it_went(world: WorkerEnvironment) -> None:
    """The question has five choices from the worst to the best, is the system's, and closes the conversation."""
    question = await _resolve_and_get_question(world)
    assert (question.author.kind, question.purpose, question.text) == ("system", "notice", DEFAULT_VOICE.rating_ask)
    assert [choice.id for choice in question.choices] == [f"rating:{score}" for score in range(1, 6)]
    assert [choice.label for choice in question.choices][::4] == ["Very bad", "Very good"]
    assert (await world.known()).owner == "closed"
    assert (await handoff_of(world)).asked == question.id


async def test_what_people_said_at_the_end_is_kept_for_colleagues_and_reaches_no_contact(
    world: WorkerEnvironment,
) -> None:
    """Of the last five resolutions, each with the rating of its own."""
    for number in range(6):
        await handed_over(world)
        await claim_conversation(world, f"claim {number}")
        said = {"outcome": "Solved", "tags": ["pot"], "note": f"Told nobody {number}"}
        await world.handle(resolve_handoff(world, f"done {number}", **said))
        await deliver_replies(world)
        question = (await world.replies())[-1]
        if number % 2:
            await world.handle(pick_choice(world, f"rated {number}", question, f"rating:{number}"))
        await world.handle(world.said(f"again {number}", PERSON))
        await deliver_replies(world)
        await read_back(world)
    kept = (await world.known()).facts.resolutions
    assert [(each.number, each.note, each.score) for each in kept] == [
        (number + 1, f"Told nobody {number}", number if number % 2 else None) for number in range(1, 6)
    ]
    assert {(each.name, each.outcome, *each.tags) for each in kept} == {("Rosa", "Solved", "pot")}
    snapshot = await world.state.conversations.snapshot(world.conversation)
    assert snapshot is not None
    assert snapshot.conversation.facts.resolutions == kept, "a rebuild finds them there"
    sent = [record.value async for record in await world.bus.read(topics.outbound(world.origin.channel))]
    assert sent
    assert not any(b"Told nobody" in (value or b"") for value in sent)
    assert not any("Told nobody" in line.text for line in await world.state.transcript.read(world.conversation))


@pytest.mark.parametrize(
    ("text", "score"), [("5", 5), ("4.", 4), ("3/5", 3), ("very good", 5), ("1️⃣", 1), ("⭐⭐⭐", 3), ("2 stars", 2)]
)
async def test_number_or_word_typed_next_is_the_rating(world: WorkerEnvironment, text: str, score: int) -> None:
    """It is counted and thanked for; the conversation stays closed and no turn is made of it."""
    question = await _resolve_and_get_question(world)
    turns = len(await world.turns())
    await world.handle(world.said("m2", text))
    (given,) = await world.told(topics.RATING_GIVEN)
    assert (given.score, given.message_id, given.by) == (score, question.id, "slack:U1")
    assert (await world.replies())[-1].text == DEFAULT_VOICE.rating_thanks
    assert (await world.known()).owner == "closed"
    assert len(await world.turns()) == turns
    handoff = await handoff_of(world)
    assert (handoff.score, handoff.asked) == (score, "")


async def test_choice_that_a_vendor_tells_twice_at_once_is_the_rating(world: WorkerEnvironment) -> None:
    """As after a connection that broke: all that was not acknowledged comes again, behind what was."""
    question = await _resolve_and_get_question(world)
    picks = [pick_choice(world, "m2", question, "rating:4") for _ in range(2)]
    await world.handle(*picks)
    assert [given.score for given in await world.told(topics.RATING_GIVEN)] == [4]
    assert (await handoff_of(world)).score == 4
    assert [reply.text for reply in await world.replies()].count(DEFAULT_VOICE.rating_thanks) == 1
    assert b'parley_duplicates_total{where="worker"} 1.0' in world.metrics.render()


async def test_choice_is_the_rating(world: WorkerEnvironment) -> None:
    """Pressed twice it counts once, and is thanked for once."""
    question = await _resolve_and_get_question(world)
    await world.handle(pick_choice(world, "m2", question, "rating:4"))
    await world.handle(pick_choice(world, "m3", question, "rating:1"))
    assert [given.score for given in await world.told(topics.RATING_GIVEN)] == [4]
    assert [reply.text for reply in await world.replies()].count(DEFAULT_VOICE.rating_thanks) == 1
    assert (await world.known()).owner == "closed"
    assert b'parley_ratings_total{score="4",tenant="shop"} 1.0' in world.metrics.render()


async def test_other_message_opens_the_conversation_again(world: WorkerEnvironment) -> None:
    """It is the agent's to answer; a number that comes after it is a message like any other."""
    await _resolve_and_get_question(world)
    await world.handle(world.said("m2", HEAT))
    assert (await world.known()).owner == "agent"
    assert "heat pack" in (await world.replies())[-1].text
    await deliver_replies(world)
    await world.handle(world.said("m3", "3"))
    assert await world.told(topics.RATING_GIVEN) == []
    assert len(world.model.asked) == 2


async def test_choice_counts_also_after_another_message(world: WorkerEnvironment) -> None:
    """A button says what it answers, whenever it is pressed."""
    question = await _resolve_and_get_question(world)
    await world.handle(world.said("m2", HEAT))
    await deliver_replies(world)
    before = len(world.model.asked)
    await world.handle(pick_choice(world, "m3", question, "rating:2"))
    assert [given.score for given in await world.told(topics.RATING_GIVEN)] == [2]
    assert len(world.model.asked) == before


async def test_rating_and_a_question_in_one_batch(world: WorkerEnvironment) -> None:
    """The rating counts, the question is answered, and the number is no part of it."""
    await _resolve_and_get_question(world)
    await world.handle(world.said("m2", "5"), world.said("m3", HEAT))
    assert [given.score for given in await world.told(topics.RATING_GIVEN)] == [5]
    assert world.model.asked[-1].text == HEAT
    assert (await world.known()).owner == "agent"


async def test_question_and_a_number_in_one_batch(world: WorkerEnvironment) -> None:
    """What follows a question is about the question."""
    await _resolve_and_get_question(world)
    await world.handle(world.said("m2", HEAT), world.said("m3", "5"))
    assert await world.told(topics.RATING_GIVEN) == []
    assert world.model.asked[-1].text == f"{HEAT}\n5"


async def test_message_that_arrives_while_it_is_resolved_is_answered_and_not_rated(world: WorkerEnvironment) -> None:
    """Nobody is asked how it went who has just written again."""
    await handed_over(world)
    await claim_conversation(world)
    await world.handle(resolve_handoff(world, outcome="Solved"), world.said("m2", HEAT))
    texts = [reply.text for reply in await world.replies()]
    assert DEFAULT_VOICE.rating_ask not in texts
    assert "heat pack" in texts[-1]
    assert (await world.known()).owner == "agent"


@pytest.mark.parametrize(
    ("terms", "ask"), [(DeskServiceLevel(rating=False), True), (ALWAYS, False)], ids=["tenant", "person"]
)
async def test_nobody_is_asked_where_that_is_not_wanted(tmp_path: Path, terms: DeskServiceLevel, ask: bool) -> None:
    """Neither when the tenant asks nobody, nor when the person who resolved it did not want it."""
    async with world_at(tmp_path, desk=terms) as world:
        await handed_over(world)
        await claim_conversation(world)
        await world.handle(resolve_handoff(world, ask=ask))
        assert len(await world.replies()) == 1
        await world.handle(world.said("m2", "5"))
        assert await world.told(topics.RATING_GIVEN) == []
        assert (await world.known()).owner == "agent"


async def test_resolving_twice_asks_once(world: WorkerEnvironment) -> None:
    """A second word that it is done changes nothing."""
    await _resolve_and_get_question(world)
    await world.handle(resolve_handoff(world, "again"))
    assert [reply.text for reply in await world.replies()].count(DEFAULT_VOICE.rating_ask) == 1


async def test_number_without_a_question_is_a_message(world: WorkerEnvironment) -> None:
    """Where nobody asked, a number opens the conversation again."""
    await handed_over(world)
    await claim_conversation(world)
    await return_conversation(world, to="closed")
    await world.handle(world.said("m2", "5"))
    assert (await world.known()).owner == "agent"
    assert await world.told(topics.RATING_GIVEN) == []


async def test_question_is_in_the_contacts_language(world: WorkerEnvironment) -> None:
    """Who wrote German is asked in German, and a German word is a rating."""
    await world.handle(world.said("m1", "Ich möchte die Bestellung stornieren, bitte."))
    await claim_conversation(world)
    await world.handle(resolve_handoff(world))
    question = (await world.replies())[-1]
    assert question.text == "Wie war unsere Hilfe?"
    await world.handle(world.said("m2", "Sehr gut"))
    assert [given.score for given in await world.told(topics.RATING_GIVEN)] == [5]
    assert (await world.replies())[-1].text == "Danke für die Bewertung!"


@pytest.mark.parametrize("seconds", [3, 60])
async def test_message_that_crosses_the_resolution_is_answered(world: WorkerEnvironment, seconds: int) -> None:
    """What people cannot have seen when they closed it opens the conversation again; what they have seen does not."""
    await handed_over(world)
    await claim_conversation(world)
    await world.handle(world.said("p1", "All done.", by="person"))
    world.clock.advance(minutes=1)
    await world.handle(world.said("m2", HEAT))
    world.clock.advance(seconds=seconds)
    epoch = (await world.known()).epoch
    await world.handle(request_owner(world, "closed", "close", epoch=epoch))
    await world.handle(resolve_handoff(world, outcome="Solved"))
    await read_back(world)
    texts = [reply.text for reply in await world.replies()]
    crossed = seconds < 10
    assert ("heat pack" in texts[-1]) is crossed
    assert (DEFAULT_VOICE.rating_ask in texts) is not crossed
    assert (await world.known()).owner == ("agent" if crossed else "closed")


async def test_thanks_that_cross_the_resolution_open_nothing(world: WorkerEnvironment) -> None:
    """A thank-you in that moment asks for no answer."""
    await handed_over(world)
    await claim_conversation(world)
    await world.handle(world.said("p1", "All done.", by="person"))
    world.clock.advance(minutes=1)
    await world.handle(world.said("m2", "Thank you!"))
    await world.handle(resolve_handoff(world, outcome="Solved"))
    await read_back(world)
    assert (await world.known()).owner == "closed"
    assert (await world.replies())[-1].text == DEFAULT_VOICE.rating_ask
