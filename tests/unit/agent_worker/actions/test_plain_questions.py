"""The question for a parameter that brings none of its own reads as a person would ask it."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field, create_model

from agent_worker.actions.parsing import fields_of
from agent_worker.actions.slot_filling.dialogue_texts import question_for


def question_text(kind: Any, locale: str, **more: Any) -> str:
    model: type[BaseModel] = create_model("Arguments", value=(kind, Field(**more)))
    (field,) = fields_of(model.model_json_schema(), locale)
    return question_for(field, locale)


@pytest.mark.parametrize(
    ("kind", "title", "question"),
    [
        (int, "Days", "How many days?"),
        (int, "Number of guests", "What is the number of guests?"),
        (float, "Hours", "How many hours?"),
        (str, "Order number", "What is the order number?"),
        (str, "Your name", "What is your name?"),
        (str, "Delivery address", "What is the delivery address?"),
        (str, "Status", "What is the status?"),
        (str, "Remarks", "What are the remarks?"),
        (str, "IBAN", "What is the IBAN?"),
        (str, "Which one do you want?", "Which one do you want?"),
        (date, "Delivery day", "Which delivery day?"),
        (Literal["S", "M"], "Size", "Which size?"),
        (bool, "Gift wrapping", "Gift wrapping: yes or no?"),
    ],
)
def test_in_english(kind: Any, title: str, question: str) -> None:
    assert question_text(kind, "en", title=title) == question


@pytest.mark.parametrize(
    ("kind", "title", "question"),
    [
        (int, "Tage", "Welche Zahl soll ich bei „Tage“ eintragen?"),
        (date, "Liefertag", "Welchen Tag soll ich bei „Liefertag“ eintragen?"),
        (str, "Bestellnummer", "Was soll ich bei „Bestellnummer“ eintragen?"),
        (bool, "Geschenkpapier", "Geschenkpapier: ja oder nein?"),
    ],
)
def test_in_german(kind: Any, title: str, question: str) -> None:
    assert question_text(kind, "de", title=title) == question


def test_an_amount_of_money_is_asked_for_as_one() -> None:
    money = {"currency": "EUR"}
    assert question_text(float, "en", title="Amount", json_schema_extra=money) == "What is the amount?"
    assert (
        question_text(float, "de", title="Betrag", json_schema_extra=money)
        == "Welchen Betrag soll ich bei „Betrag“ eintragen?"
    )
    assert question_text(float, "de", title="Länge") == "Was soll ich bei „Länge“ eintragen?"


def test_its_own_words_go_before() -> None:
    assert question_text(int, "en", title="Days", json_schema_extra={"ask": "For how long?"}) == "For how long?"
