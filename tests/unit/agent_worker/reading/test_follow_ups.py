"""Follow-ups: which messages need the conversation, what they are about, and which reading of them is kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from agent_worker.reading.follow_ups import Dependence, contextual_query, find_dependence, find_subject, read_follow_up
from agent_worker.reading.retrieval import Reading, build_query, search_parts, search_query
from schemas.messages import Author, Citation, TranscriptMessage
from schemas.ports import Passage, QuestionPart, SearchResult

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def _said(text: str, heading: str = "") -> TranscriptMessage:
    """A line of the contact; with a heading, one of the agent that cites it."""
    citations = [Citation(n=1, document="d", title="T", heading=heading, quote=text)] if heading else []
    author = Author(kind="agent" if heading else "contact")
    return TranscriptMessage(seq=1, id=text, author=author, text=text, created_at=NOW, citations=citations)


@pytest.mark.parametrize(
    ("text", "dependence"),
    [
        ("and for children?", "ellipsis"),
        ("what about Denmark", "ellipsis"),
        ("my brother is 40 and weighs a lot, what about him", "ellipsis"),
        ("sorry, for two adults", "ellipsis"),
        ("no, I meant the small one", "ellipsis"),
        ("oh wait, it was paid in cash", "ellipsis"),
        ("what if it rains", "ellipsis"),
        ("same for Spain?", "ellipsis"),
        ("I want the other one", "ellipsis"),
        ("good to know. and on Sundays", "ellipsis"),
        ("Und im Winter?", "ellipsis"),
        ("Wie lange dauert das?", "reference"),
        ("do I have to pay?", "reference"),
        ("is there an extra charge", "reference"),
        ("how can I pay?", "loose"),
        ("Geht das auch samstags?", "reference"),
        ("Brauche ich dafür einen Termin?", "reference"),
        ("Wann haben Sie das Geschäft geöffnet?", "none"),
        ("", "ellipsis"),
        ("  ", "ellipsis"),
        ("👍", "ellipsis"),
        ("Combien ça coûte ?", "reference"),
        ("¿Se puede hacer eso también el sábado?", "reference"),
        ("Is dat bij de prijs inbegrepen?", "reference"),
        ("Сколько это стоит?", "reference"),
        ("これはいくらですか？", "reference"),
        ("这个多少钱？", "reference"),
        ("et pour les enfants ?", "ellipsis"),
        ("how much is that?", "reference"),
        ("Would I get a key for it?", "reference"),
        ("and how early must I say so if I want to move it", "reference"),
        ("is this waterproof?", "reference"),
        ("Is the exam fee included?", "reference"),
        ("Ist das Frühstück inbegriffen?", "reference"),
        ("¿Está el desayuno incluido?", "reference"),
        ("O pequeno-almoço está incluído?", "reference"),
        ("Is a towel included in the day ticket?", "none"),
        ("why?", "reference"),
        ("on a riverside pitch too?", "ellipsis"),
        ("In yen?", "loose"),
        ("And do you have parking?", "loose"),
        ("My coat is torn, do you repair it?", "none"),
        ("How do I wash the jacket before it gets old?", "none"),
        ("I have a new phone number since May, where do I put that in?", "none"),
        ("What does it cost to send a parcel to Oslo?", "none"),
        ("Which colours does the rain jacket for women come in?", "none"),
    ],
)
def test_how_much_a_message_needs_what_was_asked_before(text: str, dependence: Dependence) -> None:
    assert find_dependence(text) == dependence


def test_the_subject_is_carried_until_a_question_stands_alone() -> None:
    history = [
        _said("Do you sell gift cards for the climbing hall?"),
        _said("What does a rope lesson for two adults cost?"),
        _said("40 euro", "Lessons"),
        _said("and for children?"),
        _said("20 euro", "Lessons"),
        _said("thanks!"),
    ]
    assert find_subject(history) == "What does a rope lesson for two adults cost? and for children?"


def test_the_heading_that_was_cited_names_a_subject_that_the_contact_did_not_name() -> None:
    answer = _said("It does not stretch.", "Gear > Static ropes")
    assert find_subject([_said("what is that?"), answer]) == "Static ropes"
    assert find_subject([_said("rescue?"), answer]) == "Static ropes rescue?"
    assert find_subject([_said("Which rope do rescue teams use?"), answer]) == "Which rope do rescue teams use?"
    assert find_subject([]) == ""


def test_a_follow_up_is_searched_for_with_the_question_or_with_its_subject() -> None:
    history = [_said("What does a rope lesson cost?")]
    assert read_follow_up("and for children?", history).query == "What does a rope lesson cost and for children"
    assert read_follow_up("and how long is it?", history).query == "how long is it rope lesson cost"
    assert contextual_query("and for children?", history) == "What does a rope lesson cost and for children"
    alone = "Which bus goes to the harbour on Sundays?"
    assert contextual_query(alone, history) == alone


LESSON = Passage("t", "lessons", 1, "Lessons", "Prices", "", "A rope lesson costs 40 euro, for children 20.", 1.0)
TERMS = Passage("t", "terms", 1, "Terms", "Storms", "", "A rope lesson is moved in storms.", 0.5)
PARKING = Passage("t", "arrival", 1, "Arrival", "Parking", "", "Parking is free behind the hall.", 1.0)
NOTHING = SearchResult([], False, 0.1)


class Searches:
    """Results by a word of the text that is searched for, the first that it contains."""

    def __init__(self, **results: SearchResult) -> None:
        self.results = results
        self.asked: list[str] = []

    async def __call__(self, words: str, text: str) -> SearchResult:
        self.asked.append(text)
        return next((result for word, result in self.results.items() if word in text.casefold()), NOTHING)


async def _read(text: str, search: Searches, history: Sequence[TranscriptMessage]) -> Reading:
    return await search_query(build_query([text]), history, search)


ASKED = [_said("What does a rope lesson cost?"), _said("40 euro", "Prices")]


@pytest.mark.parametrize("is_sure", [True, False])
async def test_a_question_that_stands_alone_is_searched_for_once(is_sure: bool) -> None:
    """Also if what it finds is only worth offering."""
    parking = SearchResult([PARKING], is_sure, 0.6, suggestable=True)
    search = Searches(parking=parking, lesson=SearchResult([LESSON], True, 0.9))
    found = await _read("Is there free parking near the climbing hall?", search, ASKED)
    assert found == Reading("Is there free parking near the climbing hall?", parking)
    assert len(search.asked) == 1


@pytest.mark.parametrize("has_documents", [True, False])
async def test_without_documents_nothing_is_searched_for_in_context(has_documents: bool) -> None:
    """Unless the message says nothing without it."""
    search = Searches(**{"": SearchResult([], False, 0.0, has_documents=has_documents)})
    assert (await _read("and do you have parking?", search, ASKED)).text == "and do you have parking?"
    assert len(search.asked) == (2 if has_documents else 1)
    found = await _read("and for children?", search, ASKED)
    assert found.text == "What does a rope lesson cost?\nand for children?"


async def test_a_short_question_about_something_else_is_not_glued_to_the_one_before() -> None:
    """Its own words are not in what the earlier question finds, however sure that is."""
    search = Searches(lesson=SearchResult([LESSON], True, 0.95), parking=SearchResult([PARKING], True, 0.6))
    found = await _read("and do you have parking?", search, ASKED)
    assert found.search_result.passages == [PARKING]
    assert len(search.asked) == 2


async def test_a_short_question_is_read_in_context_only_where_all_its_words_are_found() -> None:
    """Not where one of two is."""
    pads = Passage("t", "codes", 1, "Codes", "Parking pads", "", "The code opens the pads.", 1.0)
    search = Searches(**{"night parking": SearchResult([PASS], False, 0.5), "": SearchResult([pads], True, 0.9)})
    assert (await _read("do you have night parking?", search, ASKED)).search_result.passages == [PASS]


async def test_a_question_that_is_a_heading_word_for_word_stands_alone() -> None:
    """However short it is, and whatever was asked before."""
    pay = Passage("t", "payment", 1, "Payment", "How can I pay?", "", "We take cards.", 1.0)
    costs = Passage("t", "returns", 1, "Returns", "Who pays for the return?", "", "We do.", 1.0)
    search = Searches(**{"return": SearchResult([costs], True, 0.95), "pay": SearchResult([pay], False, 0.6)})
    for text in ("How can I pay?", "ok and how can i pay"):
        found = await _read(text, search, [_said("Who pays for the return?"), _said("We do.", "Who pays?")])
        assert found.search_result.passages == [pay]


async def test_that_both_are_about_a_price_glues_nothing_together() -> None:
    search = Searches(lesson=SearchResult([LESSON], True, 0.95))
    found = await _read("what parking costs", search, ASKED)
    assert not found.search_result.answerable


async def test_an_ellipsis_is_read_in_context_and_prefers_what_contains_its_own_words() -> None:
    both = SearchResult([TERMS, LESSON], True, 0.9)
    search = Searches(lesson=both)
    found = await _read("and for children?", search, ASKED)
    assert found.search_result.answerable
    assert found.search_result.passages[0].document == "lessons"
    assert found.text == "What does a rope lesson cost?\nand for children?"


async def test_the_answer_to_the_question_before_is_not_given_again() -> None:
    search = Searches(lesson=SearchResult([LESSON], True, 0.9))
    found = await _read("and for dogs?", search, ASKED)
    assert not found.search_result.answerable
    assert found.search_result.confidence == pytest.approx(0.45)


async def test_a_reference_is_never_read_alone() -> None:
    search = Searches(lesson=SearchResult([LESSON], True, 0.6), that=SearchResult([PARKING], True, 0.9))
    found = await _read("how much is that?", search, ASKED)
    assert found.search_result.passages[0] == LESSON


async def _parts(text: str, search: Searches, history: Sequence[TranscriptMessage] = ()) -> list[QuestionPart]:
    return await search_parts(build_query([text]), history, search)


async def test_the_first_of_several_questions_may_follow_the_conversation_and_the_next_one_it() -> None:
    search = Searches(lesson=SearchResult([LESSON], True, 0.9))
    first, second = await _parts("and for children? how long is that?", search, ASKED)
    assert first.text == "What does a rope lesson cost?\nand for children?"
    assert second.text.endswith("\nhow long is that?")
    assert second.search_result.answerable


async def test_a_story_is_searched_for_with_its_question_only_where_that_is_surer() -> None:
    story = "We come by van. Where can we park near the hall? Do you lend helmets?"
    surer_alone = Searches(van=SearchResult([LESSON], True, 0.6), park=SearchResult([PARKING], True, 0.8))
    first, _ = await _parts(story, surer_alone)
    assert (first.text, first.search_result.passages) == ("Where can we park near the hall?", [PARKING])
    surer_told = Searches(van=SearchResult([PARKING], True, 0.9), park=SearchResult([LESSON], True, 0.8))
    first, _ = await _parts(story, surer_told)
    assert (first.text, first.words) == ("We come by van. Where can we park near the hall?", first.words)
    assert first.search_result.passages == [PARKING]


PASS = Passage("t", "prices", 1, "Prices", "Season pass", "", "190 euro. It is not valid for the disco.", 0.9)
CODE = Passage("t", "vouchers", 1, "Vouchers", "My code does not work", "", "Check the code of the disco.", 1.0)


@pytest.mark.parametrize("text", ["does it work for the disco too", "and the disco?"])
async def test_the_section_quoted_before_answers_what_it_contains(text: str) -> None:
    """Even if the words of the follow-up find another one first."""
    search = Searches(**{"": SearchResult([CODE, PASS], False, 0.5, suggestable=True)})
    quoted = Citation(n=1, document="prices", title="Prices", heading="Season pass", quote="190 euro.")
    asked = [
        _said("How much is a season pass?"),
        _said("190 euro.", "Season pass").model_copy(update={"citations": [quoted]}),
    ]
    found = (await _read(text, search, asked)).search_result
    assert (found.passages[0].heading, found.answerable) == ("Season pass", True)
    found = (await _read("does it include a locker", search, asked)).search_result
    assert not found.answerable


def test_a_friend_is_not_what_it_stands_for() -> None:
    assert find_dependence("can my friend use it too, every time") == "reference"
    assert find_dependence("can my locker hold it, every time") != "reference"


def test_a_price_per_year_carries_the_subject_on() -> None:
    """The question before it says of what."""
    history = [_said("my son wants to play hockey"), _said("Did you mean one of these?"), _said("how much per year")]
    assert "hockey" in find_subject(history)


def test_a_statement_says_more_about_the_question_before_it() -> None:
    history = [_said("where do you pick people up"), _said("Not here", "Places"), _said("I live 12 km away")]
    assert find_subject(history) == "where do you pick people up I live 12 km away"


async def test_another_section_that_surely_answers_is_kept() -> None:
    """The section quoted before also has the word, but does not answer."""
    how = Passage("t", "terms", 1, "Terms", "How to cancel", "", "Cancel in the app.", 1.0)
    notice = Passage("t", "terms", 1, "Terms", "Notice", "", "You can cancel free of charge for two days.", 0.8)
    quoted = Citation(n=1, document="terms", title="Terms", heading="Notice", quote=notice.text)
    asked = [_said("How much notice do you need?"), _said("x", "Notice").model_copy(update={"citations": [quoted]})]
    found = await _read("how do i cancel", Searches(**{"": SearchResult([how, notice], True, 0.8)}), asked)
    assert found.search_result.passages[0] == how
    unsure = SearchResult([how, notice], False, 0.5, suggestable=True)
    assert (await _read("how do i cancel", Searches(**{"": unsure}), asked)).search_result.passages[
        0
    ].heading == "Notice"


@pytest.mark.parametrize(("confidence", "found"), [(0.8, LESSON), (0.6, PARKING)])
async def test_what_a_follow_up_leaves_out_counts_unless_its_own_words_are_clearly_surer(
    confidence: float, found: Passage
) -> None:
    search = Searches(rope=SearchResult([LESSON], True, confidence), child=SearchResult([PARKING], True, 0.82))
    assert (await _read("and for children?", search, ASKED)).search_result.passages[0].text == found.text


async def test_is_that_per_night_is_about_the_answer() -> None:
    """Another section, of other prices, is only offered."""
    stay = Passage("t", "prices", 1, "Prices", "Dogs", "", "10 euro per stay.", 0.4)
    pods = Passage("t", "pods", 1, "Pods", "Pod prices", "", "Prices are per pod per night.", 1.0)
    quoted = Citation(n=1, document="prices", title="Prices", heading="Dogs", quote="10 euro per stay.")
    asked = [_said("How much is a dog?"), _said("10 euro", "Dogs").model_copy(update={"citations": [quoted]})]
    search = Searches(**{"": SearchResult([pods, *[PARKING] * 4, stay], True, 0.9)})
    found = (await _read("is that per night?", search, asked)).search_result
    assert (found.passages[0].heading, found.answerable, found.suggestable) == ("Dogs", False, True)


async def test_the_section_quoted_before_is_offered_first() -> None:
    """Where none surely answers."""
    quoted = Citation(n=1, document="prices", title="Prices", heading="Season pass", quote="190 euro.")
    answer = _said("190 euro.", "Season pass").model_copy(update={"citations": [quoted]})
    search = Searches(**{"": SearchResult([CODE, PARKING, PASS], False, 0.5, suggestable=True)})
    found = (await _read("what about my brother?", search, [_said("How much is a season pass?"), answer])).search_result
    assert (found.passages[0].heading, found.answerable) == ("Season pass", False)


async def test_too_asks_about_nothing_but_the_answer() -> None:
    """Without one, the best section is only offered."""
    search = Searches(**{"": SearchResult([PARKING], True, 0.9)})
    asked = [_said("How much is a ticket?"), _said("Did you mean one of these?")]
    found = (await _read("at night too?", search, asked)).search_result
    assert (found.answerable, found.suggestable) == (False, True)
