"""Sections offered as choices: which ones, under which label, and what a contact's next message picks."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from agent_worker.models.local.multiple_questions import quote_answers
from agent_worker.reading.retrieval import retrieve_sections
from agent_worker.reading.suggestions import (
    Selection,
    closest_draft,
    find_selection,
    is_none_of_these,
    last_suggestions,
    section_id,
    select_section,
    suggestion_draft,
    suggestions_of,
)
from agent_worker.voice import Voice
from schemas.messages import Author, Choice, ChoiceSelection, InboundMessage, TranscriptMessage
from schemas.ports import AnswerDraft, Passage, SearchResult

NOW = datetime(2026, 1, 1, tzinfo=UTC)
VOICE = Voice(name="Fern")


def passage(heading: str, title: str = "Prices", text: str = "A clean costs £65.") -> Passage:
    return Passage("clinic", title.casefold(), 1, title, heading, "", text, 1.0)


def found(*passages: Passage, suggestable: bool = True, answerable: bool = False) -> SearchResult:
    return SearchResult(list(passages), answerable, 0.4, suggestable=suggestable)


def labels(*results: SearchResult) -> list[str]:
    return [choice.label for choice in suggestions_of(results)]


# ── offering ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_up_to_three_sections_are_offered_once_each() -> None:
    passages = [passage("Prices > Cleaning"), passage("Prices > Cleaning", text="More."), passage("Crowns")]
    assert labels(found(*passages, passage("Implants"), passage("Braces"))) == [
        "Prices: Cleaning",
        "Prices: Crowns",
        "Prices: Implants",
    ]


def test_a_heading_that_asks_needs_no_title() -> None:
    assert labels(found(passage("Do you take children?"))) == ["Do you take children?"]


def test_a_section_without_heading_is_named_by_its_title() -> None:
    assert labels(found(passage("prices"), passage(""))) == ["prices", "Prices"]


def test_a_long_label_is_cut() -> None:
    (label,) = labels(found(passage("Is it " + "very " * 60 + "long?")))
    assert len(label) <= 120
    assert label.endswith("…")


def test_each_of_several_questions_gets_its_best_section_first() -> None:
    first = found(passage("Cleaning"), passage("Crowns"), passage("Implants"))
    assert labels(first, found(passage("Parking", "Visit"))) == ["Prices: Cleaning", "Visit: Parking", "Prices: Crowns"]


def test_nothing_is_offered_that_is_far_away() -> None:
    assert suggestions_of([found(passage("Crowns"), suggestable=False), found()]) == []


def test_the_draft_asserts_nothing_and_offers_a_way_out() -> None:
    draft = suggestion_draft(suggestions_of([found(passage("Crowns"))]), VOICE, "local")
    assert (draft.text, draft.answered, draft.citations) == (VOICE.did_you_mean, False, [])
    assert [choice.label for choice in draft.choices] == ["Prices: Crowns", VOICE.none_of_these]


def closest(*others: Passage) -> AnswerDraft:
    quoted = AnswerDraft(text="A crown covers a tooth. [1]", answered=False, citations=[passage("Crowns").cite(1, "A")])
    return closest_draft(quoted, suggestions_of([found(*others)]), VOICE)


def test_a_closest_section_has_a_way_out_of_its_own() -> None:
    draft = closest(passage("Implants"))
    assert [choice.label for choice in draft.choices] == ["Prices: Implants", VOICE.none_of_these]
    assert (draft.answered, is_none_of_these(draft.choices[-1].id)) == (False, True)


# ── picking ──────────────────────────────────────────────────────────────────────────────────────────────────────────

CROWNS, IMPLANTS = passage("Crowns"), passage("Implants")


def history(*passages: Passage) -> list[TranscriptMessage]:
    draft = suggestion_draft(suggestions_of([found(*passages)]), VOICE, "local")
    return [
        TranscriptMessage(id="1", author=Author(kind="contact"), text="what's a new tooth?", created_at=NOW),
        TranscriptMessage(id="2", author=Author(kind="agent"), text=draft.text, choices=draft.choices, created_at=NOW),
    ]


def message(text: str, choice: str = "") -> InboundMessage:
    picked = ChoiceSelection(in_reply_to="2", id=choice) if choice else None
    return InboundMessage(id="3", external_id="3", place="p", contact_id="c", text=text, choice=picked, sent_at=NOW)


SECOND = Selection((Choice(id=section_id(IMPLANTS), label="Prices: Implants"),), "what's a new tooth?")


@pytest.mark.parametrize(
    "text",
    [
        "2",
        "the second one",
        "yes, the second one please",
        "no sorry, I meant the second",
        "prices: implants",
        "(2)",
        "２",
        "option 2",
        "Nr. 2",
        "ok the second then",
        "the 2nd one, thanks",
        "the implants one",
        "implants please",
        "le deuxième",
        "la segunda",
        "druga",
        "ikincisi",
    ],
)
def test_a_section_is_picked_in_words(text: str) -> None:
    assert find_selection(message(text), history(CROWNS, IMPLANTS)) == SECOND


def test_a_section_is_picked_by_its_choice() -> None:
    assert find_selection(message("Prices: Implants", SECOND.sections[0].id), history(CROWNS, IMPLANTS)) == SECOND


def test_a_yes_to_the_closest_section_picks_no_other_one() -> None:
    draft = closest(IMPLANTS)
    asked = history(CROWNS)
    shown = asked[-1].model_copy(update={"text": draft.text, "choices": draft.choices, "citations": draft.citations})
    lines = [asked[0], shown]
    assert find_selection(message("yes"), lines) is None
    assert last_suggestions(lines) == []
    assert find_selection(message("the implants one"), lines) == SECOND
    assert find_selection(message("no"), lines) == Selection((), "what's a new tooth?")


@pytest.mark.parametrize("text", ["3", "None of these", "no", "nope", "none of them", "Neither", "keine davon"])
def test_none_of_them_is_picked(text: str) -> None:
    selection = find_selection(message(text), history(CROWNS, IMPLANTS))
    assert selection is not None
    assert selection.sections == ()


@pytest.mark.parametrize(
    "text",
    [
        "1 and 2",
        "1, 2",
        "2 und 1 bitte",
        "both",
        "Both of them please",
        "all of them",
        "beide",
        "les deux",
        "tutti e due",
        "the first two",
    ],
)
def test_several_sections_are_picked(text: str) -> None:
    selection = find_selection(message(text), history(CROWNS, IMPLANTS))
    assert selection is not None
    assert {one.id for one in selection.sections} == {section_id(CROWNS), section_id(IMPLANTS)}


def test_yes_picks_the_only_section() -> None:
    selection = find_selection(message("yes please"), history(CROWNS))
    assert selection is not None
    assert [one.id for one in selection.sections] == [section_id(CROWNS)]
    assert find_selection(message("yes"), history(CROWNS, IMPLANTS)) is None


@pytest.mark.parametrize(
    "text",
    [
        "how much is a crown?",
        "prices",
        "1 and 4",
        "do implants hurt?",
        "4",
        "thanks",
        "yes and no",
        "no thanks",
        "nein danke",
        "non merci",
    ],
)
def test_another_message_picks_nothing(text: str) -> None:
    assert find_selection(message(text), history(CROWNS, IMPLANTS)) is None


def test_only_the_last_reply_can_be_answered() -> None:
    later = TranscriptMessage(id="3", author=Author(kind="agent"), text="Hello.", created_at=NOW)
    assert find_selection(message("2"), [*history(CROWNS, IMPLANTS), later]) is None
    assert find_selection(message("2"), []) is None


def test_choices_of_other_questions_are_not_suggestions() -> None:
    person = TranscriptMessage(
        id="3",
        author=Author(kind="agent"),
        text="Sorry.",
        choices=[Choice(id="person", label="Talk to a person")],
        created_at=NOW,
    )
    assert find_selection(message("1"), [person]) is None
    assert find_selection(message("no"), [person]) is None


def test_the_picked_section_answers_alone() -> None:
    result = select_section(found(CROWNS, IMPLANTS, replace(IMPLANTS, text="More.")), SECOND.sections[0])
    assert result is not None
    assert [each.text for each in result.passages] == ["A clean costs £65.", "More."]
    assert (result.answerable, result.confidence) == (True, 1.0)


def test_a_section_that_is_gone_is_searched_for() -> None:
    assert select_section(found(CROWNS), SECOND.sections[0]) is None


async def test_several_picked_sections_are_all_quoted() -> None:
    async def search(question: str, text: str) -> SearchResult:
        return found(CROWNS, IMPLANTS)

    selection = find_selection(message("both"), history(CROWNS, IMPLANTS))
    assert selection is not None
    retrieval = await retrieve_sections(selection, search)
    assert [[each.heading for each in part.search_result.passages] for part in retrieval.parts] == [
        [CROWNS.heading],
        [IMPLANTS.heading],
    ]
    assert retrieval.is_picked
    quoted = quote_answers(retrieval.parts, is_picked=True)
    assert [quote.passage.heading for quote in quoted.quotes] == [CROWNS.heading, IMPLANTS.heading]
    assert quoted.missing == []


async def test_a_picked_section_that_is_gone_is_named_beside_another() -> None:
    async def search(question: str, text: str) -> SearchResult:
        return found(CROWNS)

    selection = find_selection(message("1 and 2"), history(CROWNS, IMPLANTS))
    assert selection is not None
    quoted = quote_answers((await retrieve_sections(selection, search)).parts, is_picked=True)
    assert [part.words for part in quoted.missing] == ["Prices: Implants"]


def test_what_stands_above_all_headings_is_offered_where_it_was_found_if_it_has_a_figure_or_came_first() -> None:
    facts, words = passage("", "Fees", "A clean costs £65."), passage("", "About", "All about our fees.")
    assert labels(found(passage("Cleaning"), facts, passage("Crowns"))) == [
        "Prices: Cleaning",
        "Fees",
        "Prices: Crowns",
    ]
    assert labels(found(words, passage("Cleaning"))) == ["About", "Prices: Cleaning"]


def test_introductions_are_offered_last_and_quoted_sections_not_again() -> None:
    intro = passage("", "Opening hours", "When we are there for you.")
    result = found(passage("Cleaning"), intro, passage("Crowns"))
    assert labels(result) == ["Prices: Cleaning", "Prices: Crowns", "Opening hours"]
    quoted = [passage("Cleaning").cite(1, "A clean costs £65.")]
    assert [choice.label for choice in suggestions_of([result], quoted=quoted)] == ["Prices: Crowns", "Opening hours"]
    assert len(suggestions_of([found(passage("Cleaning"))], quoted=quoted)) == 1
