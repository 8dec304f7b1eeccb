"""Several questions in one turn: each is answered, or named."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent_worker.models.local.multiple_questions import (
    format_paragraphs,
    introduce_language,
    prepend_answers,
    quote_answers,
    quote_jointly,
    shorten_question,
)
from agent_worker.voice import DEFAULT_VOICE, translate_voice
from schemas.ports import AnswerDraft, Question, QuestionPart, SearchResult
from tests.simulators.models.request_reading import data_of
from tests.simulators.models.server import Script
from tests.unit.agent_worker.models.conftest import HEAT, PASSAGES, TIMES, LadderClient, passage

WINTER, LEAVE, CUP = "Do you add a heat pack?", "When do parcels leave?", "Who won the world cup?"
HEAT_SAID, TIMES_SAID = f"{HEAT[:-1]} [1].", f"{TIMES[:-1]} [2]."
OFFER = DEFAULT_VOICE.person_offer


def part(words: str, text: str = "", *, is_question: bool = True) -> QuestionPart:
    held = [one for one in PASSAGES if words != CUP and ("heat" in words) == (one.text == HEAT)]
    return QuestionPart(text or words, SearchResult(held, bool(held), 0.9 if held else 0.1), words, is_question)


async def ask_questions(asker: LadderClient, *words: str, beyond: tuple[str, ...] = ()) -> AnswerDraft:
    return await asker.ask("\n".join(words), parts=[part(one) for one in words], excess_questions=beyond)


async def test_the_questions_are_listed_by_number_and_each_is_answered(asker: LadderClient) -> None:
    asker.server.script = Script(text=f"{HEAT_SAID} {TIMES_SAID}")
    draft = await ask_questions(asker, WINTER, LEAVE)
    (call,) = asker.server.calls
    assert data_of(call.body)["questions"] == [{"n": 1, "text": WINTER}, {"n": 2, "text": LEAVE}]
    assert draft.text == f"{HEAT_SAID} {TIMES_SAID}"
    assert draft.choices == []


async def test_a_question_is_not_unsure_of_what_the_reply_has_just_said() -> None:
    """ "Wi-Fi" and "wifi" are the same word."""
    house = [passage("Wi-Fi is free. The network is called SkerryGuest.")]
    free = QuestionPart("is it free", SearchResult(house, True, 0.9), "is it free", True)
    called = QuestionPart("whats the wifi called", SearchResult(house, False, 0.4), "whats the wifi called", True)
    assert quote_answers([called, free]).missing == []


async def test_the_second_question_wants_the_price_of_what_the_first_is_about() -> None:
    """Not of another section that names the same."""
    plan = "You get two checks a year.\n\n| Pet | Month |\n|---|---|\n| Cat | €16 |\n| Small dog | €19 |"
    nights = passage("| Pet | Night |\n|---|---|\n| Small dog | €26 |", heading="Nights")
    first = QuestionPart("what's in the plan", SearchResult([passage(plan, heading="Plan")], True, 0.9), "what's in it")
    price = "how much for a small dog"
    answers = quote_answers([first, QuestionPart(price, SearchResult([nights], True, 0.9), price, True)])
    assert "€19" in "".join(format_paragraphs(answers))
    assert "€26" not in "".join(format_paragraphs(answers))
    other = "how much is a night for a small dog"
    answers = quote_answers([first, QuestionPart(other, SearchResult([nights], True, 0.9), other, True)])
    assert "€26" in "".join(format_paragraphs(answers))


async def test_one_question_is_not_listed(asker: LadderClient) -> None:
    asker.server.script = Script(text=HEAT_SAID)
    await asker.ask(WINTER)
    assert "questions" not in data_of(asker.server.calls[0].body)


async def test_questions_the_model_cannot_answer_are_named_with_the_offer_of_a_person(asker: LadderClient) -> None:
    asker.server.script = Script(text=f"{HEAT_SAID}\nNOT_FOUND: 2")
    draft = await ask_questions(asker, WINTER, CUP)
    assert draft.text == f"{HEAT_SAID}\n\nI found nothing about “{CUP}”. {OFFER}"
    assert asker.shown.strip() == draft.text, "and the contact was shown the same"
    assert [choice.id for choice in draft.choices] == ["person"]
    assert len(asker.server.calls) == 1


async def test_a_question_that_is_left_out_is_asked_for_once_more(asker: LadderClient) -> None:
    asker.server.next_scripts = [Script(text=HEAT_SAID), Script(text=f"{HEAT_SAID} {TIMES_SAID}")]
    draft = await ask_questions(asker, WINTER, LEAVE)
    assert draft.text == f"{HEAT_SAID} {TIMES_SAID}"
    assert asker.shown == draft.text
    first, second = asker.server.calls
    assert not first.is_repair
    assert second.is_repair
    assert "it leaves out question 2" in str(second.body)


async def test_questions_the_model_left_out_twice_are_named_by_code(asker: LadderClient) -> None:
    asker.server.script = Script(text=HEAT_SAID)
    draft = await ask_questions(asker, WINTER, LEAVE)
    assert draft.text == f"{HEAT_SAID}\n\nI found nothing about “{LEAVE}”. {OFFER}"
    assert (len(asker.server.calls), draft.answered, draft.model) == (2, True, "remote")


async def test_when_nothing_is_found_all_are_named(asker: LadderClient) -> None:
    asker.server.script = Script(text="NOT_FOUND")
    draft = await ask_questions(asker, WINTER, CUP)
    assert draft.text == f"I found nothing about “{WINTER}”, “{CUP}”. {OFFER}"
    assert not draft.answered


async def test_of_unanswered_questions_those_with_sections_to_choose_from_are_named_apart(asker: LadderClient) -> None:
    """A customer who is offered sections on a question must not read that nothing was found about it."""
    asker.server.script = Script(text=f"{HEAT_SAID}\nNOT_FOUND: 2, 3")
    unsure = QuestionPart(LEAVE, SearchResult(PASSAGES[1:2], False, 0.5, suggestable=True), LEAVE)
    draft = await asker.ask("\n".join([WINTER, LEAVE, CUP]), parts=[part(WINTER), unsure, part(CUP)])
    assert draft.text == (
        f"{HEAT_SAID}\n\nI found nothing about “{CUP}”. I am not sure about “{LEAVE}”. Did you mean one of these?"
    )
    assert [choice.label for choice in draft.choices] == ["Shipping: Times", DEFAULT_VOICE.person_choice]


async def test_without_the_model_the_documents_words_answer_each(asker: LadderClient) -> None:
    asker.server.script = Script(status=500)
    draft = await ask_questions(asker, WINTER, CUP, LEAVE)
    assert HEAT in draft.text
    assert TIMES in draft.text
    assert draft.text.endswith(f"I found nothing about “{CUP}”. {OFFER}")


async def test_questions_beyond_the_limit_are_named_separately(asker: LadderClient) -> None:
    asker.server.script = Script(text=f"{HEAT_SAID} {TIMES_SAID}")
    draft = await ask_questions(asker, WINTER, LEAVE, beyond=("Do you sell pots?",))
    assert "I have not answered “Do you sell pots?” yet." in draft.text


async def test_a_list_of_missing_questions_is_no_way_to_say_anything_else(asker: LadderClient) -> None:
    """Where one question was asked, or with words in it, it is a sentence like any other, and needs a source."""
    asker.server.script = Script(text=f"{HEAT_SAID}\nNOT_FOUND: 2, call 555-1234")
    draft = await ask_questions(asker, WINTER, LEAVE)
    assert "555" not in draft.text
    assert draft.model == "local"


def test_a_question_that_needs_an_earlier_one_is_missing_when_the_quotes_are_about_the_earlier_one_alone() -> None:
    found = SearchResult([passage("We ship pots to Austria for 11.95 euro.")], True, 0.9)
    first = QuestionPart("Do you ship pots to Austria?", found, "Do you ship pots to Austria?")
    second = QuestionPart("Do you ship pots to Austria?\nAnd parrots?", found, "And parrots?")
    assert [one.words for one in quote_answers([first, second]).missing] == ["And parrots?"]
    third = QuestionPart("Do you ship pots to Austria?\nAnd how much is it?", found, "And how?")
    assert quote_answers([first, third]).missing == []


def test_a_question_is_missing_when_the_quotes_have_none_of_the_words_that_only_it_has() -> None:
    found = SearchResult([passage("We ship pots to Austria by parcel.")], True, 0.9)
    asked = ["Do you ship pots to Austria?", "Do you ship parrots?", "When do you ship to Austria?"]
    result = quote_answers([QuestionPart(one, found, one) for one in asked])
    assert [one.words for one in result.missing] == asked[1:2]


def test_a_figure_answers_a_question_for_it_in_other_words() -> None:
    found = SearchResult([passage("The tray: €149 with delivery.")], True, 0.9)
    asked = "What would I pay?"
    assert quote_answers([QuestionPart(asked, found, asked)]).missing == []


def test_an_answer_is_given_to_a_second_question_only_if_it_has_most_of_its_words() -> None:
    found = SearchResult([passage("Orchid seeds keep for two years.")], True, 0.9)
    asked = ["How long do orchid seeds keep?", "Does a boat float within two years of painting?"]
    result = quote_answers([QuestionPart(one, found, one) for one in asked])
    assert [one.words for one in result.missing] == asked[1:]
    both = [asked[0], "Do they last two years?"]
    assert quote_answers([QuestionPart(one, found, one) for one in both]).answers[0].questions == both


def test_from_three_questions_on_each_answer_says_what_it_answers() -> None:
    two = "".join(format_paragraphs(quote_answers([part(WINTER), part(LEAVE)])))
    assert "“" not in two
    again = "Are heat packs added in winter?"
    three = "".join(format_paragraphs(quote_answers([part(WINTER), part(LEAVE), part(again)])))
    assert three == f"“{WINTER}” “{again}”\n{HEAT} [1]\n\n“{LEAVE}”\n{TIMES} [2]"
    one_of_three = quote_answers([part(WINTER), part(CUP), part("Who wrote Hamlet?")])
    assert "".join(format_paragraphs(one_of_three)) == f"“{WINTER}”\n{HEAT} [1]", "the others are named below it"


def test_what_is_found_for_all_questions_together_is_left_out_if_it_answers_none() -> None:
    found = SearchResult([passage("Refunds by invoice become a credit note.")], True, 0.9)
    parts = [
        QuestionPart(one, replace(found, answerable=False), one) for one in ("How long is the trip?", "Who steers?")
    ]
    whole = Question("shop", "How long is the trip and who steers, by invoice?", (), found, parts=parts)
    assert quote_jointly(whole) is None
    assert quote_jointly(replace(whole, parts=())) is not None


def test_a_quote_with_few_of_the_questions_own_words_is_no_answer_to_it() -> None:
    found = SearchResult([passage("Read-only guests can look at the shared calendar.")], True, 0.9)
    asked = ["Can guests print the quarterly overtime report?", "Is there a calendar?"]
    result = quote_answers([QuestionPart(one, found, one) for one in asked])
    assert [one.words for one in result.missing] == asked[:1]


def test_beside_an_action_questions_with_sections_on_them_are_not_called_unknown() -> None:
    unsure = QuestionPart(LEAVE, SearchResult(PASSAGES[1:2], False, 0.5, suggestable=True), LEAVE)
    action = AnswerDraft(text="Which order is it?", answered=True)
    draft = prepend_answers(action, [unsure, part(CUP)], DEFAULT_VOICE, "en")
    assert draft.text == (
        f"I found nothing about “{CUP}”.\n\n"
        f"I am not sure yet about “{LEAVE}”. Please ask me that again afterwards.\n\nWhich order is it?"
    )
    assert draft.choices == [], "the action's question comes first"


@pytest.mark.parametrize(
    ("locale", "text", "line"),
    [
        ("de-AT", "The greenhouse stays closed on public holidays.", "Aus unseren Unterlagen, auf Englisch:\n\n"),
        ("fr", "The greenhouse stays closed on public holidays.", "Extrait de nos documents, en anglais\u00a0:\n\n"),
        ("en", "Das Gewächshaus bleibt an Feiertagen geschlossen.", "From our documents, in German:\n\n"),
        ("de", "Das Gewächshaus bleibt an Feiertagen geschlossen.", ""),
        ("en-GB", "The greenhouse stays closed on public holidays.", ""),
        ("de", "PPFD 250", ""),
    ],
)
def test_a_quote_in_another_language_than_the_contact_writes_is_introduced(locale: str, text: str, line: str) -> None:
    quoted = quote_answers([QuestionPart(text, SearchResult([passage(text)], True, 0.9), text)])
    assert "".join(introduce_language(quoted, translate_voice(DEFAULT_VOICE, locale), locale)) == line


def test_a_quote_that_refers_back_stands_below_its_heading() -> None:
    """ "That is harmless." says nothing without what is harmless."""
    for text, shown in [
        ("That is travel stress; it passes within a week.", "Drooping leaves\nThat is travel stress;"),
        ("Das ist normal und gibt sich nach einer Woche.", "Drooping leaves\nDas ist normal"),
        ("Thatched leaves droop for a week.", "Thatched leaves droop"),
    ]:
        cited = passage(text, heading="Care > Drooping leaves")
        quoted = quote_answers([QuestionPart("leaves", SearchResult([cited], True, 0.9), "leaves")])
        assert "".join(format_paragraphs(quoted)).startswith(shown)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("Who is [the king](https://evil.example/x)?", "Who is the …"),
        ("see www.evil.example now", "see … now"),
        ("@everyone **look** <b>here</b> `x`", "everyone look b here /b x"),
        ("a\u202eb\nc", "a b c"),
        ("word " * 40, f"{'word ' * 13}word …"),
    ],
)
def test_a_question_is_named_in_one_short_line_without_links_mentions_or_markup(written: str, shown: str) -> None:
    assert shorten_question(written) == shown
