"""Each way in which an answer can fail leaves a signal, at the question that it answered."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from agent_worker.learning.insights.failure_signals import (
    QuestionRecord,
    measure_edit,
    read_questions,
    shorten_objection,
)
from schemas.conversation import ActionRecord
from schemas.messages import Choice, Citation
from tests.unit.insights.log_writer import START, LogWriter

SECTIONS = [Choice(id="section:1", label="Ponds"), Choice(id="section:none", label="None of these")]


def read(talk: LogWriter) -> list[QuestionRecord]:
    return read_questions(talk.timeline(), START, START + timedelta(days=30))


def only(talk: LogWriter) -> QuestionRecord:
    (question,) = read(talk)
    return question


def asked(text: str = "Do you ship to Malta?", **answer: Any) -> tuple[LogWriter, str]:
    talk = LogWriter()
    talk.asks(text)
    talk.wait(seconds=5)
    return talk, talk.answers(**answer)


def test_an_answer_that_helped_has_no_signal() -> None:
    talk, _ = asked(cites=["shipping"], intent="delivery", model="small")
    question = only(talk)
    assert (question.signal, question.signals) == (None, {})
    assert (question.text, question.document, question.intent, question.cites) == (
        "Do you ship to Malta?",
        "shipping",
        "delivery",
        True,
    )


def test_small_talk_is_no_question() -> None:
    assert read(asked("Hello", outcome="small_talk")[0]) == []


def test_nothing_is_learned_from_somebody_in_danger() -> None:
    talk, reply = asked(outcome="declined", reasons=["risk: danger to life"])
    talk.thumb(reply, "down")
    assert read(talk) == []


def test_a_declined_question() -> None:
    assert only(asked(outcome="declined")[0]).signals == {"declined": ""}


@pytest.mark.parametrize("refusal", [{"choice": "section:none"}, {"text": "no"}])
def test_suggestions_that_are_refused(refusal: dict[str, str]) -> None:
    talk, reply = asked(outcome="declined", choices=SECTIONS)
    talk.wait(seconds=9)
    choice = (reply, refusal["choice"]) if "choice" in refusal else None
    talk.asks(refusal.get("text", "None of these"), choice=choice)
    talk.answers(outcome="declined")
    assert read(talk)[0].signals == {"suggestion_refused": "Ponds"}


CLOSEST = [Citation(n=1, document="ponds", title="Ponds", quote="They are deep.")]


def test_a_closest_section_is_refused_only_in_words_or_by_a_choice() -> None:
    left, _ = asked(outcome="declined", choices=SECTIONS, citations=CLOSEST)
    assert only(left).signals == {}, "it may have been what was asked for"
    talk, reply = asked(outcome="declined", choices=SECTIONS, citations=CLOSEST)
    talk.wait(seconds=9)
    talk.asks("None of these", choice=(reply, "section:neither"))
    talk.answers(outcome="declined")
    assert read(talk)[0].signals == {"suggestion_refused": "Ponds"}


def test_suggestions_that_the_contact_leaves_alone() -> None:
    talk, _ = asked(outcome="declined", choices=SECTIONS)
    assert only(talk).signals == {"suggestion_refused": "Ponds"}


def test_suggestions_after_which_the_contact_asks_better() -> None:
    talk, _ = asked(outcome="declined", choices=SECTIONS)
    talk.wait(seconds=9)
    talk.asks("I mean: do you ship to the island of Malta?")
    talk.answers()
    assert [question.signal for question in read(talk)] == [None, None]


def test_suggestions_of_which_one_is_picked() -> None:
    talk, reply = asked(outcome="declined", choices=SECTIONS)
    talk.wait(seconds=9)
    talk.asks("Ponds", choice=(reply, "section:1"))
    talk.answers()
    assert [question.signal for question in read(talk)] == [None, None]


def test_a_thumb_down_with_its_comment() -> None:
    talk, reply = asked()
    talk.thumb(reply, "down", "too vague")
    assert (only(talk).signals, only(talk).comments) == ({"thumb_down": "too vague"}, ["too vague"])
    talk.wait(minutes=1)
    talk.thumb(reply, "up")
    assert only(talk).signal is None


def test_a_person_who_takes_over_after_an_answer() -> None:
    talk, _ = asked()
    talk.wait(minutes=1)
    talk.passes_to("person", by="slack:U1", reason="claimed")
    talk.person_writes("We do, but it takes a week.")
    question = only(talk)
    assert question.signals == {"person_took_over": "claimed"}
    assert question.correction == "We do, but it takes a week."


def test_a_contact_who_asks_for_a_person_after_an_answer() -> None:
    talk, _ = asked()
    talk.wait(minutes=1)
    talk.asks("I want to talk to somebody")
    talk.answers(outcome="person", route="person")
    talk.passes_to("queue", reason="the contact asked for a person")
    assert [question.signal for question in read(talk)] == ["person_took_over", None]


def test_a_risky_question_is_no_failure_of_the_answer_before() -> None:
    talk, _ = asked()
    talk.wait(minutes=1)
    talk.asks("My lawyer will write to you")
    talk.answers(outcome="person", route="person")
    talk.passes_to("queue", reason="risk: legal")
    assert [question.signal for question in read(talk)] == [None, None]


@pytest.mark.parametrize(("sent", "outcome", "edit"), [("It is 40 euros.", "edited", 0.25), ("", "discarded", 1.0)])
def test_a_draft_that_was_changed(sent: str, outcome: str, edit: float) -> None:
    talk = LogWriter()
    talk.asks("What does it cost?")
    talk.wait(minutes=1)
    talk.settles_draft("It is 30 euros.", sent, outcome)
    question = only(talk)
    assert (question.signal, question.edit, question.text) == ("draft_edited", edit, "What does it cost?")


def test_a_draft_that_was_sent_as_it_is() -> None:
    talk = LogWriter()
    talk.asks("What does it cost?")
    talk.settles_draft("It is 30 euros.", "It is 30 euros.", "sent")
    assert only(talk).signal is None


def test_edits_are_measured_in_words() -> None:
    assert measure_edit("a b c d", "a b c d e") == (0.1111, 0.0, "e")
    assert measure_edit("a b c d", "x y") == (1.0, 1.0, "x y")


def test_the_same_question_again() -> None:
    talk, _ = asked("How long does delivery to Malta take?")
    talk.wait(minutes=3)
    talk.asks("how long does the delivery to Malta take??")
    talk.answers()
    assert [question.signal for question in read(talk)] == ["repeated_question", None]


def test_a_low_score() -> None:
    talk, _ = asked()
    talk.passes_to("person", by="slack:U1")
    talk.passes_to("closed", by="slack:U1")
    talk.rates(2)
    assert only(talk).signals["low_rating"] == "2 of 5"


def test_a_text_that_the_gate_refused() -> None:
    talk, _ = asked(
        reasons=["model small failed: not grounded (its passage does not contain “45 euros”)"], model="local"
    )
    question = only(talk)
    assert (question.refused_model, question.refusal) == ("small", "its passage does not contain …")
    assert question.signal == "gate_refused"
    assert shorten_objection("there is no passage [7]") == "there is no passage …"


@pytest.mark.parametrize(
    ("outcome", "reason", "fails"),
    [
        ("failed", "timed out", True),
        ("unknown", "", True),
        ("refused", "turned_down: too late", True),
        ("refused", "declined: the contact said no", False),
        ("succeeded", "", False),
    ],
)
def test_an_action_that_failed(outcome: Any, reason: str, *, fails: bool) -> None:
    action = ActionRecord(name="refund", outcome=outcome, reason=reason)
    question = only(asked(outcome="action", actions=[action])[0])
    assert (question.signal == "action_failed") is fails
    assert question.action.startswith("refund") is fails


def test_a_contact_who_comes_back_within_a_week() -> None:
    talk, _ = asked("Is it in stock?")
    talk.wait(days=3)
    talk.asks("Where is my order now?")
    talk.answers()
    assert [question.signals for question in read(talk)] == [{"reopened": "Where is my order now?"}, {}]


def test_the_cause_goes_before_the_complaint() -> None:
    talk, reply = asked(outcome="declined")
    talk.thumb(reply, "down")
    assert only(talk).signal == "declined"
