"""The result of a turn is a pure function of its input and its response."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime

import pytest

from agent_worker.actions.execution.effects import Effects, Notice
from agent_worker.reading.suggestions import suggestion_draft
from agent_worker.router.decision import Route
from agent_worker.settings import TenantRules
from agent_worker.turn.envelopes import TurnEnvelopes
from agent_worker.turn.intake import Intake
from agent_worker.turn.result import conclude
from agent_worker.turn.values import HandoffRequest, Reply, Response, TurnInput
from agent_worker.voice import Voice
from schemas import topics
from schemas.actions import ActionMemory, Filling
from schemas.conversation import Conversation, Facts, Origin, OwnerRequested
from schemas.messages import Author, Choice, InboundMessage, OutboundMessage
from schemas.ports import AnswerDraft, SearchResult

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
STAGES = {"load": 1.5}
MESSAGE = InboundMessage(id="m1", external_id="x1", place="p", contact_id="c1", text="Why?", sent_at=NOW)
ORIGIN = Origin(tenant="shop", channel="web", account="main", place="p", contact_id="c1")
CONVERSATION = Conversation(
    id="conversation-1", origin=ORIGIN, epoch=3, created_at=NOW, updated_at=NOW, facts=Facts(declined_in_a_row=1)
)
ANSWER = Reply(
    AnswerDraft(text="Because.", answered=True, tokens=10, cost=0.1), search_result=SearchResult([], True, 0.9)
)
PERSON = Reply(
    AnswerDraft(text="A colleague comes.", answered=True, author="system", handoff=True),
    Route("person", (), ("asked",)),
)
REQUEST = HandoffRequest("asked", ["Asked: Why?"], wait_notice="It takes a minute.", tokens=5, cost=0.05)


def turn(**fields: object) -> TurnInput:
    known = TurnInput(
        id="turn-1",
        rules=TenantRules(),
        conversation=CONVERSATION,
        token=1,
        intake=Intake(waiting={"m1": MESSAGE}, handled=["e1"]),
        chain=TurnEnvelopes(CONVERSATION, "correlation-1", "e1"),
        loaded_at=NOW,
        read_at=0.0,
    )
    return replace(known, **fields)  # type: ignore[arg-type]


def test_input_of_a_turn_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        turn().rules = TenantRules(model="strong")  # type: ignore[misc]


def test_same_arguments_give_the_same_result_and_stay_as_they_are() -> None:
    """Nothing but the arguments counts, and none of them is touched."""
    known, response = turn(), Response(PERSON, Effects(ActionMemory()), handoff_request=REQUEST)
    first = conclude(known, response, STAGES, NOW)
    assert conclude(known, response, STAGES, NOW) == first
    assert (known, response) == (turn(), Response(PERSON, Effects(ActionMemory()), handoff_request=REQUEST))


def test_reply_answers_the_waiting_messages() -> None:
    result = conclude(turn(), Response(ANSWER), STAGES, NOW)
    assert [envelope.type for envelope in result.outbox] == [topics.MESSAGE_SEND, topics.TURN_COMPLETED]
    assert result.record is not None
    assert (result.record.handled, result.record.stages, result.record.tokens) == (["m1"], STAGES, 10)
    assert (result.facts.answered_at, result.facts.declined_in_a_row, result.facts.turns) == (NOW, 0, 1)


def test_offered_sections_do_not_count_as_an_answer_that_did_not_help() -> None:
    """Nobody is passed to a person for it; the contact may still pick one."""
    found = SearchResult([], False, 0.4)
    declined = AnswerDraft(text="Not in our documents.", answered=False)
    offered = suggestion_draft([Choice(id="section:1", label="Prices")], Voice(name="Fern"), "local")
    results = [
        conclude(turn(), Response(Reply(draft, search_result=found)), STAGES, NOW) for draft in (declined, offered)
    ]
    assert [result.facts.declined_in_a_row for result in results] == [2, 1]
    assert [result.record.reasons for result in results if result.record is not None] == [
        ["the documents contain no answer (confidence 0.40)"],
        ["sections were offered (confidence 0.40)"],
    ]


def test_turn_that_says_nothing_leaves_no_record() -> None:
    result = conclude(turn(), Response(), STAGES, NOW)
    assert (list(result.outbox), result.record, result.facts.answered_at) == ([], None, None)


def test_handoff_request_tells_the_wait_with_the_reply_and_asks_for_people_once() -> None:
    """The reply bears the cost of the summary, and the request is the one that is made after the commit."""
    result = conclude(turn(), Response(PERSON, handoff_request=REQUEST), STAGES, NOW)
    reply, request, record = result.outbox
    assert reply.payload(OutboundMessage).text == "A colleague comes.\n\nIt takes a minute."
    assert request.payload(OwnerRequested) == result.handoff_request
    assert (request.type, record.type) == (topics.OWNER_REQUESTED, topics.TURN_COMPLETED)
    assert result.record is not None
    assert (result.record.tokens, result.record.outcome, result.record.reasons) == (5, "person", ["asked"])
    assert result.facts.handoff is not None
    assert (result.facts.handoff.summary, result.facts.handoff.epoch) == (["Asked: Why?"], 3)


def test_handoff_request_without_a_reply_tells_the_wait_in_a_notice_of_the_system() -> None:
    effects = Effects(ActionMemory(), notices=[Notice("a1", "Done.")], handoff="in doubt")
    result = conclude(turn(), Response(Reply(), effects, handoff_request=REQUEST), STAGES, NOW)
    notices = [each.payload(OutboundMessage) for each in result.outbox if each.type == topics.MESSAGE_SEND]
    assert [notice.text for notice in notices] == ["Done.", "It takes a minute."]
    assert {notice.author for notice in notices} == {Author(kind="system")}


def test_request_of_the_agent_follows_the_turn() -> None:
    """A repeat of the turn makes the same request."""
    first, again = (
        conclude(turn(), Response(PERSON, handoff_request=REQUEST), STAGES, NOW).handoff_request for _ in range(2)
    )
    assert first is not None
    assert (first, first.to, first.by, first.expected_epoch) == (again, "queue", "agent", 3)


FILLING = Filling(action="refund", asked="order", at=NOW)
ASKED = Reply(AnswerDraft(text="Which order is it?", answered=True, filling=FILLING))


def test_question_of_an_action_is_recorded_as_an_action() -> None:
    effects = Effects(ActionMemory(filling=FILLING))
    record = conclude(turn(), Response(ASKED, effects), STAGES, NOW).record
    assert record is not None
    assert (record.outcome, record.reasons) == ("action", ["refund: asked for order"])


def test_end_of_a_dialogue_is_recorded_as_an_action_and_small_talk_beside_it_is_not() -> None:
    facts = CONVERSATION.facts.model_copy(update={"actions": ActionMemory(filling=FILLING)})
    known = turn(conversation=CONVERSATION.model_copy(update={"facts": facts}))
    ended, beside = (
        conclude(known, Response(ASKED, Effects(memory)), STAGES, NOW).record
        for memory in (ActionMemory(), ActionMemory(filling=FILLING))
    )
    assert ended is not None
    assert beside is not None
    assert (ended.outcome, ended.reasons) == ("action", ["refund: ended"])
    assert beside.outcome == "small_talk"
