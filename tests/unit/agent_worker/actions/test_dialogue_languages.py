"""Dialogues about actions speak every language that has phrases, and their choices mean the same in each."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any, get_args

import pytest
from pydantic import BaseModel, Field, create_model

from agent_worker.actions.one_time_codes.actions import check_code, one_time_code
from agent_worker.actions.parsing import ParseContext, ParsedValue, fields_of
from agent_worker.actions.parsing.dates import dates, format_date
from agent_worker.actions.slot_filling.dialogue_texts import (
    NEVER_MIND,
    SEND_CODE,
    Key,
    choices_between,
    choices_for,
    choices_for_code,
    explain_unusable,
    question_for,
)
from agent_worker.actions.slot_filling.references import read_choice
from agent_worker.nlu.yes_no import yes_or_no
from agent_worker.translations import LANGUAGES, translate
from schemas.messages import Author, Choice, TranscriptMessage

TODAY = date(2026, 11, 23)
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def field_of(kind: Any, locale: str, **more: Any) -> Any:
    model: type[BaseModel] = create_model("Arguments", value=(kind, Field(**more)))
    (field,) = fields_of(model.model_json_schema(), locale)
    return field


def reply_with(choices: list[Choice]) -> list[TranscriptMessage]:
    return [TranscriptMessage(id="reply", author=Author(kind="agent"), text="?", choices=choices, created_at=NOW)]


def test_every_phrase_is_one_that_the_code_uses() -> None:
    assert list(translate("en").dialogue) == list(get_args(Key))


@pytest.mark.parametrize("language", LANGUAGES)
def test_choices_are_understood_by_their_ids(language: str) -> None:
    """By label, number and position below a reply; and what is no value by its label alone."""
    choices = choices_for_code(language, again=True)
    history = reply_with(choices)
    assert [read_choice(choice.label, history) for choice in choices] == [SEND_CODE, NEVER_MIND]
    assert [read_choice(number, history) for number in ("1", "2", "3")] == [SEND_CODE, NEVER_MIND, ""]
    assert read_choice("the first one", history) == SEND_CODE
    assert [read_choice(choice.label.upper(), []) for choice in choices] == [SEND_CODE, NEVER_MIND]
    assert read_choice(choices_for_code(language)[0].label, []) == SEND_CODE
    assert read_choice("1", []) == read_choice("123456", history) == ""


def test_no_label_is_a_yes_or_a_no_in_its_language() -> None:
    for language in LANGUAGES:
        send, cancel = choices_for_code(language, again=True)
        assert yes_or_no(cancel.label, language) != "yes", language
        assert not yes_or_no(send.label, language), language


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_day_is_shown_and_read_in_the_language(language: str) -> None:
    field, context = field_of(date, language, title="Day"), ParseContext(TODAY, language, asked=True)
    shown = format_date(date(2026, 12, 24), language)
    assert [reading.value for reading in dates(shown, context)] == ["2026-12-24"]
    why = explain_unusable(field, None, context)
    before, _, after = translate(language).dialogue["unread_date"].partition("{example}")
    example = why.removeprefix(before).removesuffix(after)
    assert [reading.value for reading in dates(example, context)] == ["2026-12-24"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_example_of_an_amount_is_read_in_the_language(language: str) -> None:
    field = field_of(float, language, title="Amount", json_schema_extra={"currency": "EUR"})
    context = ParseContext(TODAY, language, asked=True)
    (reading,) = field.read(explain_unusable(field, None, context), context)
    assert reading.value == "12.50"


@pytest.mark.parametrize("language", LANGUAGES)
def test_yes_and_no_are_choices_in_the_language(language: str) -> None:
    field, context = field_of(bool, language, title="X"), ParseContext(TODAY, language, asked=True)
    yes, no, cancel = choices_for(field, language)
    assert cancel.label == translate(language).dialogue["never_mind"]
    assert [reading.value for label in (yes.label, no.label) for reading in field.read(label, context)] == [
        "true",
        "false",
    ]


def test_a_day_that_was_offered_is_read_by_its_id() -> None:
    days = [ParsedValue(day.isoformat(), format_date(day, "ja")) for day in (TODAY, date(2026, 12, 3))]
    history = reply_with(choices_between(days, "ja"))
    assert read_choice("2026年12月3日木曜日", history) == "say:2026-12-03"


@pytest.mark.parametrize(
    ("locale", "question"),
    [
        ("es-MX", "¿Qué pongo en «Order number»?"),
        ("fr", "Que dois-je indiquer pour «\u00a0Order number\u00a0»\u00a0?"),
        ("tlh", "What is the order number?"),
    ],
)
def test_a_question_is_made_in_the_contacts_language_or_in_english(locale: str, question: str) -> None:
    assert question_for(field_of(str, locale, title="Order number"), locale) == question


def test_the_question_for_a_code_is_spoken_in_all_languages_and_models_do_not_read_them_all() -> None:
    (field,) = fields_of(check_code.parameters, "es")
    assert (field.title("es"), field.ask("es-MX")) == ("Código", "¿Qué código te ha llegado? Tiene seis cifras.")
    assert len(json.dumps(check_code.parameters)) < 400


async def test_the_title_of_sending_a_code_is_in_the_contacts_language() -> None:
    async def nothing(*_: Any) -> None: ...

    arguments = create_model("Arguments", about=(str, ...))
    sending, _ = one_time_code(arguments, address_of=nothing, send=nothing)
    assert [sending.title_in(locale) for locale in ("pt-BR", "de", "", "fi")] == [
        "Enviar um código",
        "Code schicken",
        "Send a code",
        "Send a code",
    ]
