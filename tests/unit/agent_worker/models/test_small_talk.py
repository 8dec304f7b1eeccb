"""Requests for a person and mere courtesy are recognized."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

import pytest

from agent_worker.models.local.small_talk import asks_for_person, classify_small_talk
from agent_worker.voice import DEFAULT_VOICE
from schemas.messages import Author, Choice, TranscriptMessage

ONE = ["human", "person", "people", "agent", "someone", "somebody", "representative", "rep", "colleague", "employee"]
TEAM = ["operator", "staff", "advisor", "adviser", "manager", "support team", "customer service", "customer care"]
PHRASES = ["human being", "staff member", "member of staff", "customer support"]


@pytest.mark.parametrize("who", [*ONE, *TEAM, *PHRASES])
def test_wanting_to_talk_to_somebody_counts_as_asking_for_a_person(who: str) -> None:
    assert asks_for_person(f"I'd like to talk to a {who}")
    assert asks_for_person(f"PUT ME THROUGH TO A {who.upper()}!")
    assert not asks_for_person(f"I do not want to talk to a {who}")


@pytest.mark.parametrize("text", ["real human", "I want a person", "get me a representative", "Operator, please"])
def test_a_person_is_asked_for_in_short_too(text: str) -> None:
    assert asks_for_person(text)


@pytest.mark.parametrize("text", ["no thanks", "No, thank you!", "nein danke", "non merci", "nee, bedankt"])
def test_a_no_with_thanks_ends_the_search(text: str) -> None:
    """After "Did you mean one of these?" it is no apology that is wanted."""
    offered = [Choice(id="section:1", label="Prices"), Choice(id="section:none", label="None of these")]
    asked = TranscriptMessage(
        id="2", author=Author(kind="agent"), text="Did you mean?", choices=offered, created_at=datetime.now(UTC)
    )
    assert classify_small_talk(text, [asked]) == "declined"


@pytest.mark.parametrize(("text", "talk"), [("actually yes", "person"), ("Yes", "person"), ("ok", "go_on")])
def test_a_no_to_the_offer_of_a_person_can_be_taken_back(text: str, talk: str) -> None:
    said: list[tuple[Literal["agent", "contact"], str, list[Choice]]] = [
        ("agent", "Shall I pass you to a colleague?", [Choice(id="person", label="Talk to a person")]),
        ("contact", "no", []),
        ("agent", DEFAULT_VOICE.offer_declined, []),
    ]
    history = [
        TranscriptMessage(
            id=str(n), author=Author(kind=kind), text=words, choices=choices, created_at=datetime.now(UTC)
        )
        for n, (kind, words, choices) in enumerate(said)
    ]
    assert classify_small_talk(text, history) == talk
    assert classify_small_talk("actually yes", history[2:]) == "go_on"


@pytest.mark.parametrize(
    ("text", "talk"),
    [
        ("Hello there!", "greeting"),
        ("Thanks a lot", "thanks"),
        ("ok, bye, see you", "goodbye"),
        ("Hello, do you ship?", ""),
        ("all ok so it is very well for you", ""),
        ("hi " * 13, ""),
        ("?!", "go_on"),
        ("", ""),
    ],
)
def test_courtesy_is_all_of_a_message_or_none(text: str, talk: str) -> None:
    assert classify_small_talk(text, []) == talk


@pytest.mark.parametrize("text", ["how much per person", "how much is it per person", "cost per person?"])
def test_a_price_per_person_asks_for_none(text: str) -> None:
    assert not asks_for_person(text)
