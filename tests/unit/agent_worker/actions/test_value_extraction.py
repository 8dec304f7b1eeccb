"""A message gives a parameter its value only if it is an answer; corrections may leave out what is known."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field, create_model

from agent_worker.actions.parsing import Field as ActionField
from agent_worker.actions.parsing import ParseContext, fields_of
from agent_worker.actions.slot_filling.dialogue_texts import explain_unusable
from agent_worker.actions.slot_filling.extraction import extract, extract_correction

MONDAY = ParseContext(date(2026, 11, 23), "en")
NUMBER: dict[str, Any] = {"pattern": r"^A-\d{4}$", "title": "Order number"}
MONEY: dict[str, Any] = {
    "gt": 0,
    "json_schema_extra": {"currency": "EUR", "ask": "How much? All of it is an answer, too."},
}


def parameters(**types: tuple[Any, Any]) -> list[ActionField]:
    model: type[BaseModel] = create_model("Arguments", **types)  # type: ignore[call-overload]
    return fields_of(model.model_json_schema(), "en")


REASON = parameters(reason=(str, Field(title="Reason", json_schema_extra={"ask": "Why should it be cancelled?"})))
CODE = parameters(code=(str, Field(pattern=r"^\d{6}$", title="Code")))
KIND = parameters(kind=(Literal["no longer needed", "ordered by mistake"], Field()))
GIFT = parameters(gift=(bool, Field()))
AMOUNT = parameters(amount=(float | None, Field(default=None, **MONEY)))


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (REASON, "yes"),
        (REASON, "No."),
        (REASON, "ok please"),
        (REASON, "👍"),
        (REASON, "..."),
        (REASON, "why do you ask?"),
        (REASON, "why should it be cancelled"),
        (KIND, "no"),
        (KIND, "yes please"),
        (CODE, "I live at 205133 Mill Road, it is the white house"),
        (AMOUNT, "205133"),
        (AMOUNT, "All of it is an answer, too."),
        (AMOUNT, "what is all that about"),
        (AMOUNT, "not all of it"),
        (AMOUNT, "no"),
    ],
)
def test_what_is_no_answer_is_not_taken_as_a_value(fields: list[ActionField], text: str) -> None:
    assert extract(text, fields, fields[0].name, MONDAY).values == {}


@pytest.mark.parametrize(
    ("fields", "text", "value"),
    [
        (REASON, "yes, because it came too late", "yes, because it came too late"),
        (REASON, "No longer needed", "No longer needed"),
        (REASON, "Jo", "Jo"),
        (KIND, "I ordered it by mistake", "ordered by mistake"),
        (CODE, "it is 205133, thanks", "205133"),
        (CODE, "I got the mail a minute ago and the code in it is 205133", "205133"),
        (GIFT, "yep", "true"),
        (GIFT, "nope", "false"),
        (AMOUNT, "205133 €", "205133.00"),
        (AMOUNT, "all of it please", None),
        (AMOUNT, "I want everything back", None),
        (AMOUNT, "the whole amount", None),
    ],
)
def test_an_answer_is_taken_as_it_is_meant(fields: list[ActionField], text: str, value: Any) -> None:
    assert extract(text, fields, fields[0].name, MONDAY).values == {fields[0].name: value}


MOVE = parameters(order=(str, Field(**NUMBER)), day=(date, Field(title="Day")), amount=(float, Field(**MONEY)))
GIVEN = {"order": "A-1001", "day": "2026-12-03", "amount": "20.00"}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("make it friday instead", {"day": "2026-12-04"}),
        ("friday", {"day": "2026-12-04"}),
        ("no, the 8th", {"day": "2026-12-08"}),
        ("the day after", {"day": "2026-12-04"}),
        ("no, two weeks later", {"day": "2026-12-17"}),
        ("a day earlier", {"day": "2026-12-02"}),
        ("not 20, 25 euros", {"amount": "25.00"}),
        ("25", {"amount": "25.00"}),
        ("I meant 12", {"amount": "12.00"}),
        ("not A-1001, A-1002", {"order": "A-1002"}),
        ("A-1002 instead of A-1001", {"order": "A-1002"}),
        ("change A-1001 to A-1002", {"order": "A-1002"}),
        ("is it cold there?", {}),
    ],
)
def test_a_correction_may_be_short(text: str, values: dict[str, Any]) -> None:
    assert extract_correction(text, MOVE, MONDAY, GIVEN).values == values


@pytest.mark.parametrize(
    ("text", "rejected"),
    [("not A-1001", "order"), ("wrong order", "order"), ("that is the wrong day", "day"), ("wrong", "")],
)
def test_a_value_may_be_called_wrong_without_a_new_one(text: str, rejected: str) -> None:
    extracted = extract_correction(text, MOVE, MONDAY, GIVEN)
    assert (extracted.values, extracted.rejected) == ({}, rejected)


def test_why_an_answer_was_not_understood_is_said_in_a_sentence() -> None:
    (order, *_) = MOVE
    assert explain_unusable(order, None, MONDAY) == "I could not find the order number in your message."
    (example,) = parameters(order=(str, Field(**NUMBER, examples=["A-1001"])))
    assert explain_unusable(example, None, MONDAY).endswith("in your message. It looks like A-1001.")
    (named,) = parameters(
        order=(str, Field(**NUMBER, examples=["A-1001"], json_schema_extra={"ask": "Which one, such as A-1001?"}))
    )
    assert explain_unusable(named, None, MONDAY) == "I could not find the order number in your message."
