"""The phone number and the e-mail address are found in whatever section gives them."""

from __future__ import annotations

import pytest

from agent_worker.reading.contact_details import find_contact_details
from schemas.ports import Passage, SearchResult


def _passage(heading: str, text: str) -> Passage:
    return Passage("t", heading, 1, "Visit", heading, "", text, 0.5)


HOURS = _passage("Office hours", "The line, 0117 555 0142, is answered from 10:00 to 17:00.")
LOST = _passage("Lost property", "Write to lost@rink.example within 28 days.")
BILLS = _passage("Invoices", "Write to bills@rink.example or call +44 117 555 0199.")
SKATES = _passage("Skates", "Hire costs £3.50.")


def _found(*passages: Passage) -> SearchResult:
    return SearchResult(list(passages), False, 0.2)


@pytest.mark.parametrize(
    "text",
    [
        "whats ur phone number",
        "What is your telephone number?",
        "can I call you",
        "phone number please",
        "wie ist eure Telefonnummer?",
        "quel est votre numéro de téléphone ?",
        "cuál es su número de teléfono",
    ],
)
def test_the_only_number_answers(text: str) -> None:
    found = find_contact_details(text, _found(SKATES, LOST, HOURS))
    assert found.passages[0].heading == "Office hours"
    assert found.answerable


def test_the_only_address_answers() -> None:
    found = find_contact_details("what's your e-mail address?", _found(SKATES, LOST, HOURS))
    assert (found.passages[0].heading, found.answerable) == ("Lost property", True)


def test_several_are_offered() -> None:
    found = find_contact_details("your phone number?", _found(SKATES, HOURS, BILLS))
    assert [one.heading for one in found.passages[:2]] == ["Office hours", "Invoices"]
    assert (found.answerable, found.suggestable) == (False, True)


@pytest.mark.parametrize(
    "text", ["do you need my phone number", "the phone number of coach Anna", "How much is hire?", "0117 " * 100]
)
def test_other_questions_are_left_alone(text: str) -> None:
    result = _found(SKATES, HOURS)
    assert find_contact_details(text, result) is result
