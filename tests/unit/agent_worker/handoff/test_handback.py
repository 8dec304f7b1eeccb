"""Handback: what the agent knows of the time in which people had a conversation, and what it answers."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent_worker.handoff.handback import add_marks, is_mark, lines_after_handback
from agent_worker.models.prompt import build_prompt, build_system_prompt
from agent_worker.router import decision
from agent_worker.router.rules import RiskTopic, RouteRules
from agent_worker.voice import Voice
from schemas.desk import Handoff
from schemas.messages import Author, TranscriptMessage
from schemas.ports import Question, SearchResult
from tests.unit.agent_worker.handoff.people_events import (
    HEAT,
    PERSON,
    claim_conversation,
    deliver_replies,
    handed_over,
    handoff_of,
    read_back,
    request_owner,
    resolve_handoff,
    return_conversation,
)
from tests.unit.agent_worker.worker_environment import WorkerEnvironment, world_at

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
RETURN = "Within how many days can I return pots?"


def _line(seq: int, kind: str, text: str, minutes: int) -> TranscriptMessage:
    author = Author(kind=kind)  # type: ignore[arg-type]
    return TranscriptMessage(
        id=f"line-{seq}", seq=seq, author=author, text=text, created_at=AT + timedelta(minutes=minutes)
    )


TALK = [
    _line(1, "contact", "My plant arrived broken.", 0),
    _line(2, "system", "A colleague comes.", 0),
    _line(3, "contact", "Hello?", 2),
    _line(4, "person", "We will send a new one on Friday.", 5),
    _line(5, "contact", "Do you sell pots?", 8),
]
HANDOFF = Handoff(
    number=1,
    reason=decision.PERSON_REQUESTED,
    since_seq=1,
    opened_at=AT,
    ended_at=AT + timedelta(minutes=6),
    name="Rosa",
    replies=1,
    promised=["We will send a new one on Friday."],
)


def test_talk_says_when_people_came_and_went() -> None:
    """The marks stand where people took over and gave back; they tell who, when, why and what was promised."""
    lines = add_marks(TALK, HANDOFF, AT + timedelta(hours=1))
    assert [line.id for line in lines] == [
        "line-1",
        "people-took-over",
        "line-2",
        "line-3",
        "line-4",
        "people-gave-back",
        "line-5",
    ]
    took, gave = (line.text for line in lines if is_mark(line))
    assert "2026-03-02 09:00 UTC" in took
    assert decision.PERSON_REQUESTED in took
    for told in ("Rosa", "2026-03-02 09:06 UTC", "“We will send a new one on Friday.”"):
        assert told in gave


def test_only_what_follows_the_handback_tells_how_the_agent_does() -> None:
    """Questions and answers before it are no signs that the agent does not help."""
    assert [line.id for line in lines_after_handback(add_marks(TALK, HANDOFF, AT))] == ["line-5"]
    assert list(lines_after_handback(TALK)) == TALK


def test_marks_are_there_when_the_stretch_has_scrolled_away() -> None:
    """When only newer lines are shown, what was promised stands before them; after a month no more."""
    later = [replace_seq(TALK[4], 30)]
    assert [line.id for line in add_marks(later, HANDOFF, AT + timedelta(days=3))][-1] == "line-5"
    assert sum(map(is_mark, add_marks(later, HANDOFF, AT + timedelta(days=3)))) == 2
    assert add_marks(later, HANDOFF, AT + timedelta(days=31)) == later


def replace_seq(line: TranscriptMessage, seq: int) -> TranscriptMessage:
    return line.model_copy(update={"seq": seq, "created_at": AT + timedelta(days=2)})


def test_remote_models_read_who_spoke() -> None:
    """In the prompt people are colleagues, the marks are notes, and the rules say what to do about both."""
    question = Question(
        tenant="shop",
        text="And?",
        history=add_marks(TALK, HANDOFF, AT),
        search_result=SearchResult([], answerable=False, confidence=0.0),
    )
    system = build_system_prompt(Voice(), "en")
    prompt, _ = build_prompt(question, system, 10_000)
    sides = [line["from"] for line in json.loads(prompt.parts[0].text)["conversation"]]  # type: ignore[union-attr]
    assert sides == ["customer", "note", "us", "customer", "colleague", "note", "customer"]
    assert "colleague" in system
    assert "contradict" in system


async def _with_people(world: WorkerEnvironment, said: str) -> None:
    await handed_over(world)
    await claim_conversation(world)
    world.clock.advance(minutes=1)
    await world.handle(world.said("p1", said, by="person"))
    await deliver_replies(world)
    world.clock.advance(minutes=1)
    await return_conversation(world)
    world.clock.advance(minutes=1)


async def test_agent_keeps_to_what_people_promised(world: WorkerEnvironment) -> None:
    """Asked about it, the agent tells the promise in people's words, not what the documents say in general."""
    await _with_people(world, "Your replacement parcel will arrive on Friday.")
    await world.handle(world.said("m2", "When does my replacement parcel arrive?"))
    reply = (await world.replies())[-1]
    assert "Your replacement parcel will arrive on Friday." in reply.text
    assert "two working days" not in reply.text
    assert reply.citations[0].quote == "Your replacement parcel will arrive on Friday."


async def test_agent_answers_other_questions_as_before(world: WorkerEnvironment) -> None:
    """A promise about one thing is no answer to another."""
    await _with_people(world, "Your replacement parcel will arrive on Friday.")
    await world.handle(world.said("m2", RETURN))
    reply = (await world.replies())[-1]
    assert "30 days" in reply.text
    assert "Friday" not in reply.text


async def test_model_is_given_the_marks(world: WorkerEnvironment) -> None:
    """Whatever model answers after the handback reads that people were there."""
    await _with_people(world, "I have looked into it.")
    await world.handle(world.said("m2", RETURN))
    marks = [line.text for line in world.model.asked[-1].history if is_mark(line)]
    assert len(marks) == 2
    assert "gave the conversation back" in marks[1]


async def test_waiting_messages_are_answered_at_handback(world: WorkerEnvironment) -> None:
    """Messages that nobody answered are answered by the agent at once, in one turn; those that people answered not."""
    await handed_over(world)
    await claim_conversation(world)
    world.clock.advance(minutes=1)
    await world.handle(world.said("m2", HEAT))
    world.clock.advance(minutes=1)
    await world.handle(world.said("p1", "We do.", by="person"))
    await deliver_replies(world)
    world.clock.advance(minutes=1)
    await world.handle(world.said("m3", RETURN))
    before = len(await world.replies())
    await return_conversation(world)
    (reply,) = (await world.replies())[before:]
    assert "30 days" in reply.text
    assert "heat pack" not in reply.text
    assert reply.in_reply_to == world.message_id("m3")
    await deliver_replies(world)
    await world.handle(world.said("m4", "Thanks!"))
    assert len(await world.replies()) == before + 2


@pytest.mark.parametrize("overtaken", [False, True])
@pytest.mark.parametrize("end", ["returned", "resolved"])
async def test_a_message_of_the_same_second_as_an_answered_one_waits_too(
    world: WorkerEnvironment, end: str, overtaken: bool
) -> None:
    """Some vendors date by the second, and what overtakes another message on its way is newer than that."""
    early = world.said("m2", RETURN)
    world.clock.advance(seconds=overtaken)
    await handed_over(world)
    await claim_conversation(world)
    await world.handle(early)
    assert (await world.known()).facts.unanswered == (world.message_id("m2"),)
    before = len(await world.replies())
    if end == "returned":
        await return_conversation(world)
    else:
        await world.handle(
            request_owner(world, "closed", "close", epoch=(await world.known()).epoch), resolve_handoff(world)
        )
        await read_back(world)
    (reply,) = (await world.replies())[before:]
    assert "30 days" in reply.text
    assert reply.in_reply_to == world.message_id("m2")
    assert (await world.known()).facts.unanswered == ()


async def test_in_one_second_people_answer_what_came_before_their_words_alone(world: WorkerEnvironment) -> None:
    """What comes after them still waits; what was taken back does not."""
    await handed_over(world)
    await claim_conversation(world)
    await world.handle(world.said("m2", HEAT))
    await world.handle(world.said("p1", "We do.", by="person"))
    await deliver_replies(world)
    assert (await world.known()).facts.unanswered == ()
    await world.handle(world.said("m3", RETURN))
    await world.handle(world.said("m4", HEAT))
    await world.handle(world.deleted("m4"))
    assert (await world.known()).facts.unanswered == (world.message_id("m3"),)
    before = len(await world.replies())
    await return_conversation(world)
    assert [reply.in_reply_to for reply in (await world.replies())[before:]] == [world.message_id("m3")]


async def test_messages_answered_in_one_batch_count_as_answered_whatever_their_time(world: WorkerEnvironment) -> None:
    late = world.said("m1", HEAT)
    world.clock.advance(seconds=1)
    await world.handle(world.said("m2", RETURN))
    await world.handle(late, world.said("m3", "Thanks!"))
    facts = (await world.known()).facts
    assert (facts.unanswered, facts.answered_at) == ((), world.clock())


@pytest.mark.parametrize("text", ["Thank you!", "Hello!", PERSON])
async def test_nothing_is_said_when_nothing_was_asked(world: WorkerEnvironment, text: str) -> None:
    """A thank-you, a greeting, or the wish for a person that led there, is not answered after the fact."""
    await handed_over(world)
    await claim_conversation(world)
    world.clock.advance(minutes=1)
    await world.handle(world.said("m2", text))
    before = len(await world.replies())
    await return_conversation(world)
    assert len(await world.replies()) == before
    assert (await world.known()).owner == "agent"


async def test_message_that_is_deleted_meanwhile_is_not_answered(world: WorkerEnvironment) -> None:
    """What was taken back while people had the conversation waits for nobody."""
    await handed_over(world)
    await claim_conversation(world)
    world.clock.advance(minutes=1)
    await world.handle(world.said("m2", RETURN))
    await world.handle(world.deleted("m2"))
    before = len(await world.replies())
    await return_conversation(world)
    assert len(await world.replies()) == before


async def test_answers_that_did_not_help_are_forgotten(tmp_path: Path) -> None:
    """After the handback one more answer that does not help is the first, not the third that calls people."""
    async with world_at(tmp_path, routes=RouteRules(person_after=2)) as world:
        for name in ("m1", "m2", "m3"):
            await world.handle(world.said(name, f"Do you sell spaceships {name}?"))
            await deliver_replies(world)
        await read_back(world)
        assert (await world.known()).owner == "queue"
        await return_conversation(world)
        assert (await world.known()).facts.declined_in_a_row == 0
        world.clock.advance(minutes=1)
        await world.handle(world.said("m4", "Do you sell spaceships m1?"))
        assert (await world.known()).facts.declined_in_a_row == 1
        assert (await world.replies())[-1].text == "Not in our documents."


async def test_messages_handed_back_unanswered_are_not_handed_off_again(tmp_path: Path) -> None:
    """A message that waited when they gave back is the agent's now, though it names what is for people."""
    routes = RouteRules(risks=(RiskTopic("law", ("lawyer",)),))
    async with world_at(tmp_path, routes=routes) as world:
        await handed_over(world, "I will call my lawyer.")
        await claim_conversation(world)
        world.clock.advance(minutes=1)
        await world.handle(world.said("m2", "Do you add a heat pack in winter? Lawyer."))
        await return_conversation(world)
        assert "heat pack" in (await world.replies())[-1].text
        assert (await world.known()).owner == "agent"
        world.clock.advance(minutes=1)
        await world.handle(world.said("m3", "Then you hear from my lawyer."))
        await read_back(world)
        assert (await world.known()).owner == "queue"


async def test_second_handoff_for_a_new_wish_is_made(world: WorkerEnvironment) -> None:
    """Who asks for a person again gets one again."""
    await _with_people(world, "All done.")
    await world.handle(world.said("m2", PERSON))
    await read_back(world)
    assert (await world.known()).owner == "queue"
    assert (await handoff_of(world)).number == 2


async def test_return_before_the_persons_words_went_out_counts_them_as_said(world: WorkerEnvironment) -> None:
    """A reply that is still on its way has answered what came before it."""
    await handed_over(world)
    await claim_conversation(world)
    world.clock.advance(minutes=1)
    await world.handle(world.said("m2", RETURN))
    world.clock.advance(minutes=1)
    epoch = (await world.known()).epoch
    before = len(await world.replies())
    await world.handle(
        world.said("p1", "Thirty days.", by="person"), request_owner(world, "agent", "back", epoch=epoch)
    )
    assert [reply.author.kind for reply in (await world.replies())[before:]] == ["person"]


def test_marks_do_not_change_the_lines() -> None:
    """What was said stands as it was; only the marks are added."""
    assert [line for line in add_marks(TALK, HANDOFF, AT) if not is_mark(line)] == TALK
