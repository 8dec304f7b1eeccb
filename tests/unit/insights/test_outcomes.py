"""Outcomes say what became of a conversation: resolved by the agent for good, passed to people, or neither."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from agent_worker.learning.insights.outcomes import (
    ConversationOutcome,
    assess,
    build_row,
    build_rows,
    list_handoff_reasons,
    shorten_reason,
)
from schemas.conversation import ActionRecord
from tests.unit.insights.log_writer import START, LogWriter

UNTIL = START + timedelta(days=30)


def outcome(talk: LogWriter, now: datetime = UNTIL) -> ConversationOutcome:
    found = assess(talk.timeline(), START, UNTIL, now)
    assert found is not None
    return found


def answered(**more: Any) -> LogWriter:
    talk = LogWriter()
    talk.asks()
    talk.wait(seconds=4)
    talk.answers(**more)
    return talk


def test_an_answer_after_which_the_contact_stays_away_is_durable() -> None:
    found = outcome(answered(model="large", route="strong", intent="shipping", cost=0.25))
    assert (found.autonomous, found.durable, found.provisional, found.handed_off) == (True, True, False, False)
    assert (found.model, found.route, found.intent) == ("large", "strong", "shipping")
    assert (found.cost, found.waits) == (0.25, (4000,))


def test_a_fresh_answer_is_provisional_for_a_week() -> None:
    week = timedelta(days=7, seconds=4)
    assert outcome(answered(), START + week - timedelta(seconds=1)).provisional
    assert not outcome(answered(), START + week).provisional


@pytest.mark.parametrize(("days", "durable"), [(0.5, False), (6.9, False), (7.1, True)])
def test_a_contact_who_comes_back_within_a_week_reopens_the_case(days: float, *, durable: bool) -> None:
    talk = answered()
    talk.wait(days=days)
    talk.asks("It still is not there")
    talk.answers()
    found = outcome(talk)
    assert (found.autonomous, found.durable, found.reopened) == (True, durable, not durable)


def test_a_question_minutes_later_belongs_to_the_same_case() -> None:
    talk = answered()
    talk.wait(minutes=20)
    talk.asks("And to Gozo?")
    talk.answers()
    assert (outcome(talk).durable, len(outcome(talk).waits)) == (True, 1)


def test_thanks_on_the_next_day_reopen_nothing() -> None:
    talk = answered()
    talk.wait(days=1)
    talk.asks("Thank you!")
    talk.answers("You are welcome.", outcome="small_talk", model="local")
    assert (outcome(talk).durable, outcome(talk).model) == (True, "small")


@pytest.mark.parametrize(
    "talk",
    [
        pytest.param(answered(outcome="declined"), id="declined"),
        pytest.param(answered(outcome="small_talk"), id="small talk"),
        pytest.param(answered(seen=False), id="never delivered"),
        pytest.param(answered(outcome="action"), id="asked for a parameter"),
        pytest.param(answered(outcome="action", actions=[ActionRecord(name="refund", outcome="failed")]), id="failed"),
    ],
)
def test_what_did_not_help_is_no_resolution(talk: LogWriter) -> None:
    assert (outcome(talk).autonomous, outcome(talk).durable) == (False, False)


def test_an_action_that_succeeded_is_a_resolution() -> None:
    assert outcome(answered(outcome="action", actions=[ActionRecord(name="refund", outcome="succeeded")])).durable


def test_the_newest_thumb_decides_whether_the_answer_helped() -> None:
    talk = LogWriter()
    talk.asks()
    reply = talk.answers()
    talk.wait(minutes=1)
    talk.thumb(reply, "down", "no")
    assert (outcome(talk).autonomous, outcome(talk).by_agent) == (False, (False,))
    talk.wait(minutes=1)
    talk.thumb(reply, "up")
    assert (outcome(talk).autonomous, outcome(talk).by_agent) == (True, (True,))
    talk.wait(minutes=1)
    talk.thumb(reply, "none")
    assert (outcome(talk).autonomous, outcome(talk).by_agent) == (True, ())


def test_people_are_rated_apart_from_the_agent() -> None:
    talk = answered(outcome="person")
    talk.passes_to("queue", reason="2 answers in a row did not help; risk: refund")
    talk.wait(minutes=2)
    talk.passes_to("person", by="slack:U1")
    reply = talk.person_writes()
    talk.thumb(reply, "up")
    talk.passes_to("closed", by="slack:U1")
    talk.rates(2)
    found = outcome(talk)
    assert (found.autonomous, found.handed_off, found.by_agent, found.by_people) == (False, True, (), (True, False))
    assert found.handoff_reasons == ("answers in a row did not help",)


def test_the_first_reply_may_come_from_a_person() -> None:
    talk = LogWriter()
    talk.asks()
    talk.wait(minutes=3)
    talk.passes_to("person", by="console:anna", reason="message")
    talk.person_writes()
    assert (outcome(talk).waits, outcome(talk).route) == ((180_000,), "")


def test_a_case_counts_in_the_period_in_which_it_began() -> None:
    talk = answered(cost=1.0)
    talk.wait(days=20)
    talk.asks()
    talk.answers(cost=2.0)
    timeline = talk.timeline()
    early = assess(timeline, START, START + timedelta(days=10), UNTIL)
    late = assess(timeline, START + timedelta(days=10), UNTIL, UNTIL)
    assert early is not None
    assert late is not None
    assert (early.cost, late.cost) == (1.0, 2.0)
    assert assess(timeline, UNTIL, UNTIL + timedelta(days=1), UNTIL) is None


def test_turns_count_although_their_messages_are_gone() -> None:
    """The log keeps turns for ninety days, and messages for thirty."""
    talk = answered(cost=1.0)
    talk.events = [event for event in talk.events if event.id.startswith("c1-t")]
    assert (outcome(talk).durable, outcome(talk).cost, outcome(talk).waits) == (True, 1.0, ())


def test_an_event_that_is_on_the_log_twice_counts_once() -> None:
    talk = answered(cost=1.0)
    talk.events += talk.events
    assert outcome(talk).cost == 1.0


def test_rows_hold_the_figures_of_their_conversations() -> None:
    def talk(name: str, wait: int, **more: Any) -> ConversationOutcome:
        writer = LogWriter(name)
        writer.asks()
        writer.wait(seconds=wait)
        writer.answers(**more)
        return outcome(writer)

    outcomes = [
        talk("a", 1, model="large", cost=0.5),
        talk("b", 3, model="large", cost=0.25, outcome="declined"),
        talk("c", 9, model="large", cost=0.25),
        talk("d", 2, model=""),
    ]
    large, none = build_rows(outcomes, "model")
    assert (large.key, large.conversations, large.durable, large.first_reply_ms) == ("large", 3, 2, 3000)
    assert (large.cost, large.cost_per_durable, large.csat) == (1.0, 0.5, None)
    assert (none.key, none.conversations, none.cost_per_durable) == ("none", 1, 0.0)
    assert build_row("total", []).cost_per_durable is None


def test_reasons_are_counted_without_their_figures() -> None:
    assert shorten_reason("intent refund (0.91) is risky; the contact is upset") == "intent refund is risky"
    assert shorten_reason("This answer may not have reached the customer: “It is 40 euros”") == (
        "This answer may not have reached the customer"
    )
    above = "approval needed: Refund, amount is above 50.5 EUR"
    assert shorten_reason(above) == above
    assert shorten_reason("") == "no reason given"
    talk = answered()
    talk.passes_to("queue", reason="3 answers in a row did not help")
    (found,) = list_handoff_reasons([outcome(talk), outcome(talk)])
    assert (found.reason, found.conversations) == ("answers in a row did not help", 2)
