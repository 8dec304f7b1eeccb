"""Promises of people: how they are recognized, and which questions are about one."""

from __future__ import annotations

import pytest

from agent_worker.handoff.promises import MAX_PROMISES, find_promises, merge_promises, select_promises


@pytest.mark.parametrize(
    "text",
    [
        "We will send a new plant on Friday.",
        "I'll look into it and get back to you.",
        "You get 12.50 € back.",
        "Your parcel arrives within 3 working days.",
        "Wir schicken Ihnen bis Freitag eine neue Pflanze.",
        "Ich kümmere mich darum.",
        "Das Geld kommt am 30.11. zurück.",
        "Nous allons vous rembourser.",
        "Le enviaremos 20 € el lunes.",
    ],
)
def test_a_sentence_about_the_future_is_a_promise(text: str) -> None:
    """A future, an amount or a time makes a sentence one, in the languages that people write in here."""
    assert find_promises(text) == [text]


@pytest.mark.parametrize(
    "text",
    [
        "Hello, this is Rosa.",
        "Could you send me a picture by Friday?",
        "Your parcel was sent on Monday.",
        "Guten Morgen, hier ist Rosa.",
        "Das tut mir leid.",
        "",
    ],
)
def test_a_question_or_a_past_event_is_no_promise(text: str) -> None:
    """Neither a question nor what was is a promise, nor a greeting."""
    assert find_promises(text) == []


def test_sentences_are_told_apart() -> None:
    """Of a longer message only the sentences that promise are kept, a date's full stop ending none."""
    text = "Sorry for that! The new one leaves on 30. November. Is that fine?\nWe will write to you."
    assert find_promises(text) == ["The new one leaves on 30. November.", "We will write to you."]


def test_promises_are_kept_once_and_the_newest_stay() -> None:
    """One that is made twice is one, and only so many are carried along."""
    assert merge_promises(["a"], ["b", "a"]) == ["a", "b"]
    many = [str(number) for number in range(20)]
    assert merge_promises([], many) == many[-MAX_PROMISES:]


@pytest.mark.parametrize(
    ("question", "is_about"),
    [
        ("When does my replacement parcel arrive?", True),
        ("When will the parcel with the replacement come?", True),
        ("Do you sell pots?", False),
        ("When are you open?", False),
        ("?", False),
    ],
)
def test_question_about_a_promise_shares_its_words(question: str, is_about: bool) -> None:
    """Half of the question's words, and at least two."""
    promise = "Your replacement parcel will arrive on Friday."
    assert select_promises(question, ["We refund 12 €.", promise]) == ([promise] if is_about else [])
