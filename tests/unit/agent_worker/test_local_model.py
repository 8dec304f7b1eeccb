"""The extractive model: verbatim, numbered, honest."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from agent_worker.models.local.model import LocalModel
from agent_worker.models.registry import Models
from agent_worker.reading.suggestions import suggestion_draft
from agent_worker.settings import TenantRules, WorkerSettings
from agent_worker.voice import DEFAULT_VOICE
from schemas.errors import ConfigInvalid, ModelFailed
from schemas.messages import Author, Choice, TranscriptMessage
from schemas.ports import AnswerDraft, Passage, Question, SearchResult
from tests.unit.agent_worker.worker_environment import VOICE

MODEL = LocalModel(WorkerSettings(tenants={"shop": TenantRules(voice=VOICE)}))
TABLE = (
    "Times are working days.\n\n| Zone | Standard | Express |\n|---|---|---|\n"
    "| Zone 1: Germany | 6.95 euro | 14.95 euro |\n| Zone 2: France | 11.95 euro | 22.95 euro |"
)
PACK = "We pack with care.\n\n- Boxes are of card.\n- A heat pack costs 4.50 euro. It lasts 72 hours.\n- Tape is paper."


def passage(text: str, document: str = "d", score: float = 1.0, heading: str = "Head") -> Passage:
    return Passage("shop", document, 3, "Title", heading, "https://shop.example.com", text, score)


def build_search_result(*passages: Passage) -> SearchResult:
    return SearchResult(list(passages), bool(passages), 0.9 if passages else 0.1)


async def emit_nothing(_: str) -> None:
    """No stream."""


async def ask_local_model(
    text: str, *passages: Passage, history: tuple[TranscriptMessage, ...] = ()
) -> tuple[AnswerDraft, str]:
    pieces: list[str] = []

    async def emit(piece: str) -> None:
        pieces.append(piece)

    draft = await MODEL.answer(Question("shop", text, history, build_search_result(*passages)), emit)
    return draft, "".join(pieces)


@pytest.mark.parametrize(("text", "source"), [("What does a heat pack cost?", PACK), ("express to France?", TABLE)])
async def test_every_claim_is_numbered_and_verbatim(text: str, source: str) -> None:
    """Numbers in the text and citations match one to one; each quote is part of the passage; pieces make the text."""
    draft, streamed = await ask_local_model(text, passage(source))
    assert streamed == draft.text
    assert [int(n) for n in re.findall(r"\[(\d+)\]", draft.text)] == [citation.n for citation in draft.citations]
    assert 1 <= len(draft.citations) <= 4
    assert all(citation.quote in source and citation.version == 3 for citation in draft.citations)


async def test_a_short_section_is_quoted_whole_with_a_citation_for_each_block() -> None:
    """What belongs together stays together, in the document's order."""
    draft, _ = await ask_local_model("What does a heat pack cost?", passage(PACK))
    items = "- Boxes are of card.\n- A heat pack costs 4.50 euro. It lasts 72 hours.\n- Tape is paper."
    assert draft.text == f"We pack with care. [1]\n{items} [2]"
    assert [citation.quote for citation in draft.citations] == [
        "We pack with care.",
        items.removeprefix("- "),
    ]


async def test_of_a_long_section_the_blocks_that_answer_are_quoted() -> None:
    filler = "\n\n".join(f"Parcel number {n} leaves in the {n} hundredth van of the long, long day." for n in range(12))
    draft, _ = await ask_local_model("What does a heat pack cost?", passage(f"{filler}\n\n{PACK}"))
    assert "4.50 euro" in draft.text
    assert "hundredth van" not in draft.text


async def test_a_yes_or_no_to_another_question_is_left_out() -> None:
    """The section may still answer; its opening would say the opposite."""
    asked = "Do you ship to Norway?"
    text = "No. We ship to Norway only in summer."
    for heading, answer in (("Do you ship to Norway in winter?", "No. We"), ("Is there a pickup in Oslo?", "We ship")):
        draft, _ = await ask_local_model(asked, passage(text, heading=heading))
        assert draft.text.startswith(answer)


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ("How much is a heat pack?", "A heat pack keeps the parcel warm."),
        ("Do you deliver to Oslo?", "We deliver to Bergen on Mondays."),
    ],
)
async def test_a_section_without_what_is_asked_for_is_only_offered(asked: str, text: str) -> None:
    found = replace(build_search_result(passage(text)), suggestable=True)
    draft = await MODEL.answer(Question("shop", asked, (), found), emit_nothing)
    assert (draft.answered, draft.text, draft.citations) == (False, DEFAULT_VOICE.did_you_mean, [])
    assert [choice.label for choice in draft.choices] == ["Title: Head", DEFAULT_VOICE.none_of_these]
    picked = await MODEL.answer(Question("shop", asked, (), found, is_picked=True), emit_nothing)
    assert picked.text == f"{text} [1]"


async def test_an_introduction_is_no_answer() -> None:
    """What stands before the first heading is quoted only where no passage of its document is near below one."""
    about = passage("This page is for plants that arrive cold and limp after a delay.", heading="")
    steps = passage("Leave it in the open box for two hours.", score=0.5)
    question = "My plant arrived cold and limp after a delay, what now?"
    for others, answer in (([steps], "Leave it"), ([passage(steps.text, "e", 0.9)], "This page"), ([], "This page")):
        draft, _ = await ask_local_model(question, about, *others)
        assert draft.text.startswith(answer)
        assert draft.citations[0].document == "d"


async def test_a_table_before_the_first_heading_is_an_answer() -> None:
    table = "| Shop | Saturday |\n|---|---|\n| Tannery Lane | 8:30 to 17:00 |\n| Quayside | closed |"
    hours = passage(table, heading="")
    parking = passage("There are two parking spaces in front of Tannery Lane.", heading="Parking", score=0.6)
    draft, _ = await ask_local_model("What time does Tannery Lane open on Saturday?", hours, parking)
    assert draft.text == "Tannery Lane: 8:30 to 17:00 [1]"


async def test_a_row_is_read_with_its_columns() -> None:
    """A row of a table is shown with the names of its columns, and quoted as it stands."""
    draft, _ = await ask_local_model("How much is it to France?", passage(TABLE))
    assert "Zone 2: France – Standard: 11.95 euro; Express: 22.95 euro" in draft.text
    assert "| Zone 2: France | 11.95 euro | 22.95 euro |" in [citation.quote for citation in draft.citations]


BIKES = (
    "| Bike | Half day | Day |\n|---|---|---|\n"
    "| City bike | 12 euro | 18 euro |\n| E-bike | 28 euro | 42 euro |\n| Cargo bike | 30 euro | 45 euro |"
)
TANDEM = f"{BIKES}\n| Tandem | 20 euro | 30 euro |"


@pytest.mark.parametrize(
    ("asked", "rows"),
    [
        ("How much is an e-bike for one day?", ["E-bike"]),
        ("ebike for one day price?", ["E-bike"]),
        ("What does a cargo bike cost for half a day?", ["Cargo bike"]),
        ("Is an e-bike cheaper than a cargo bike?", ["E-bike", "Cargo bike"]),
        ("What does a bike cost for a day?", ["City bike", "E-bike", "Cargo bike"]),
        ("What does a cycling trip cost half a day?", ["City bike", "E-bike", "Cargo bike"]),
        ("What does an e-bike cost for a day?\nand the cargo bike?", ["Cargo bike"]),
    ],
)
async def test_words_that_all_rows_have_choose_none(asked: str, rows: list[str]) -> None:
    """The rows that a question names are shown, and all of them if it names none."""
    draft, _ = await ask_local_model(asked, passage(BIKES, heading="Prices"))
    assert re.findall(r"^(?:- )?(.*?) –", draft.text, re.MULTILINE) == rows


HOURS = (
    "| | Mill Lane (main shop) | Central Arcade | Harbour |\n|---|---|---|---|\n"
    "| Monday to Friday | 7:30 to 19:00 | 7:00 to 20:00 | 9:00 to 18:00 |\n"
    "| Saturday | 8:30 to 17:00 | 9:00 to 16:00 | closed |\n"
    "| Sunday | closed | closed | closed |\n"
    "| Lockers | no | yes | yes |"
)
HARBOUR_ON_WEEKDAYS = "Monday to Friday – Harbour: 9:00 to 18:00 [1]"


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        (
            "When does the Central Arcade shop close on a Tuesday?",
            "Monday to Friday – Central Arcade: 7:00 to 20:00 [1]",
        ),
        ("Until when is the Harbour shop open on weekdays?", HARBOUR_ON_WEEKDAYS),
        ("What are the hours of the Harbour shop on a Monday?", HARBOUR_ON_WEEKDAYS),
        ("When do you open at Mill Lane on Saturday?\nand on Sunday?", "Sunday – Mill Lane (main shop): closed [1]"),
        ("When do you open at Mill Lane on weekdays?\nand the Harbour one?", HARBOUR_ON_WEEKDAYS),
        ("Are there lockers at Mill Lane and Harbour?", "Lockers – Mill Lane (main shop): no; Harbour: yes [1]"),
        ("Ab wann ist Harbour am Donnerstag auf?", HARBOUR_ON_WEEKDAYS),
        (
            "Is it only the Harbour shop that has lockers?",
            "Lockers – Mill Lane (main shop): no; Central Arcade: yes; Harbour: yes [1]",
        ),
        (
            "Which shops have lockers?",
            "Lockers – Mill Lane (main shop): no; Central Arcade: yes; Harbour: yes [1]",
        ),
    ],
)
async def test_a_table_is_read_at_the_row_and_the_column_of_the_question(asked: str, text: str) -> None:
    draft, _ = await ask_local_model(asked, passage(HOURS, heading="Our shops"))
    assert draft.text == text


ROOMS = (
    "| Room | Jul–Sep | Apr–Jun, Oct | Nov–Mar |\n|---|---|---|---|\n"
    "| Garden-view double room | €118 | €98 | €84 |\n"
    "| River-view double room | €138 | €115 | €96 |\n"
    "| Family room (4 beds) | €165 | €140 | €119 |"
)


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ("how much is a double with river view in august?", "River-view double room – Jul–Sep: €138 [1]"),
        ("How much is the family room in May", "Family room (4 beds) – Apr–Jun, Oct: €140 [1]"),
        ("How much is the family room in May\nand in december?", "Family room (4 beds) – Nov–Mar: €119 [1]"),
        (
            "Was kostet ein double room im Januar?",
            "- Garden-view double room – Nov–Mar: €84\n- River-view double room – Nov–Mar: €96 [1]",
        ),
    ],
)
async def test_a_month_is_found_in_its_season(asked: str, text: str) -> None:
    draft, _ = await ask_local_model(asked, passage(ROOMS, heading="Rooms"))
    assert draft.text == text


FERRIES = (
    "| From the harbour | Days | Bus |\n|---|---|---|\n"
    "| 07:40 | Monday to Friday | no |\n"
    "| 10:15 | daily | yes |\n"
    "| 19:20 | Friday to Sunday | yes |"
)


@pytest.mark.parametrize(
    ("asked", "departures"),
    [
        ("what times are the ferries on sunday", ["10:15", "19:20"]),
        ("Wann fahren die ferries am Mittwoch?", ["07:40", "10:15"]),
        ("ferry times", ["07:40", "10:15", "19:20"]),
    ],
)
async def test_what_runs_daily_also_runs_on_the_day_asked_about(asked: str, departures: list[str]) -> None:
    draft, _ = await ask_local_model(asked, passage(FERRIES, heading="Ferry times"))
    assert re.findall(r"^(?:- )?(\d\d:\d\d) –", draft.text, re.MULTILINE) == departures


async def test_a_question_about_none_of_the_rows_is_shown_all() -> None:
    """Not the first one, which would say that the house is closed."""
    draft, _ = await ask_local_model("Is the harbour bar open in February?", passage(HOURS, heading="Bar"))
    assert draft.text.count("\n") == 3


DOGS = "Yes, in the double rooms, for €12 per night. They are not allowed in the family rooms or at breakfast."


@pytest.mark.parametrize(
    ("asked", "begins"),
    [
        ("Are dogs allowed?", "Yes, in the double rooms"),
        ("Are dogs allowed at breakfast?", "In the double rooms"),
        ("Are dogs allowed?\nand in the family room?", "In the double rooms"),
        ("Are dogs allowed in the restaurant?", "In the double rooms"),
        ("Are dogs allowed in december?", "In the double rooms"),
    ],
)
async def test_a_yes_stands_only_for_what_its_sentence_names(asked: str, begins: str) -> None:
    """What remains of the sentence does not repeat the question that its heading asks."""
    draft, _ = await ask_local_model(asked, passage(DOGS, heading="Are dogs allowed?"))
    assert draft.text.startswith(begins)


async def test_a_part_of_a_sentence_is_read_with_its_heading() -> None:
    """The bare "from 10 pm" would tell a guest the opposite."""
    quiet = passage("From 10 pm to 7 am, also in the garden. Then we ask you to leave.", heading="Quiet hours")
    draft, _ = await ask_local_model("Until when can we be loud in the garden?", quiet)
    assert draft.text.startswith("Quiet hours\nFrom 10 pm")


async def test_what_a_column_says_about_another_is_not_left_out() -> None:
    """A time is no alternative to a price."""
    table = "| Work | Price | Time |\n|---|---|---|\n| New zip | £16.50 | 5 days |\n| New hem | £12.00 | 4 days |"
    draft, _ = await ask_local_model("What is the price of a new zip?", passage(table, heading="Repairs"))
    assert draft.text == "New zip – Price: £16.50; Time: 5 days [1]"


async def test_an_e_bike_is_found_without_its_hyphen() -> None:
    draft, _ = await ask_local_model("ebike for one day price?", passage(TANDEM, heading="Prices"))
    assert draft.text == "E-bike – Half day: 28 euro; Day: 42 euro [1]"


async def test_a_table_with_the_asked_day_is_preferred() -> None:
    """To a section that speaks of other days."""
    booking = passage("For dinner on Friday and Saturday, yes. We hold a table for a while.", heading="Must I book?")
    hours = passage(HOURS, heading="Hours", score=0.8)
    draft, _ = await ask_local_model("Is the harbour open for dinner on Mondays?", booking, hours)
    assert draft.text == "Monday to Friday – Harbour: 9:00 to 18:00 [1]"


async def test_nothing_found_is_declined() -> None:
    """Without a source there is no claim: the tenant's phrase, and the offer of a person."""
    draft, streamed = await ask_local_model("Who painted the Mona Lisa?")
    assert (draft.answered, draft.text, draft.citations, streamed) == (False, VOICE.not_found, [], "")
    assert draft.choices == [Choice(id="person", label=VOICE.person_choice)]


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("Hi!", VOICE.greeting),
        ("good morning", VOICE.greeting),
        ("Thanks a lot!", VOICE.thanks),
        ("bye", VOICE.goodbye),
    ],
)
async def test_small_talk(text: str, phrase: str) -> None:
    """Greetings, thanks and goodbyes get the tenant's phrase."""
    draft, _ = await ask_local_model(text, passage(PACK))
    assert (draft.text, draft.answered, draft.citations) == (phrase, True, [])


async def test_greeting_with_a_question_is_a_question() -> None:
    """Politeness around a question does not hide it."""
    draft, _ = await ask_local_model("Hi, what does a heat pack cost? Thanks!", passage(PACK))
    assert draft.citations


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("I want to talk to a human", True),
        ("can you connect me with someone from your team", True),
        ("Let me speak to a real person please", True),
        ("human please", True),
        ("agent", True),
        ("I don't want to talk to a person, just tell me the price", False),
        ("Is the person who packs the box careful?", False),
        ("Which agent kills aphids?", False),
    ],
)
async def test_wish_for_a_person(text: str, wanted: bool) -> None:
    """Only an explicit wish makes a handoff."""
    draft, _ = await ask_local_model(text, passage(PACK))
    assert draft.handoff is wanted


async def test_yes_to_the_offer_of_a_person() -> None:
    """After the offer a plain yes is the wish; without the offer it is not."""
    offer = TranscriptMessage(
        id="r",
        author=Author(kind="agent"),
        text=VOICE.not_found,
        choices=[Choice(id="person", label="x")],
        created_at=datetime(2026, 3, 1, tzinfo=UTC),
    )
    assert (await ask_local_model("Yes please", history=(offer,)))[0].handoff
    assert not (await ask_local_model("Yes please"))[0].handoff


class BrokenModel:
    name = "broken"

    async def answer(self, question: Question, emit: object) -> AnswerDraft:
        raise ModelFailed("no answer")


LESSONS = "Gear is lent free of charge. Most learners take 28 lessons."
PRICES = (
    "All prices include VAT.\n\n| Item | Manual car | Automatic car |\n|---|---|---|\n| Registration | €290 | €290 |\n"
    "| Driving lesson, 45 minutes | €58 | €62 |\n| Night lesson | €70 | €74 |"
)


@pytest.mark.parametrize(
    ("text", "price"),
    [
        ("How much is a driving lesson?", "Driving lesson, 45 minutes – Manual car: €58; Automatic car: €62"),
        (
            "What does a driving lesson cost on Friday?",
            "Driving lesson, 45 minutes – Manual car: €58; Automatic car: €62",
        ),
        ("How much is one lesson in the automatic car?", "Driving lesson, 45 minutes – Automatic car: €62"),
    ],
)
async def test_a_price_comes_from_the_table_that_names_it(text: str, price: str) -> None:
    """Though another section was found first."""
    draft, _ = await ask_local_model(text, passage(LESSONS), passage(PRICES, "prices", 0.1, heading=""))
    assert draft.answered
    assert price in draft.text
    near = SearchResult([passage(LESSONS), passage(PRICES, "prices", 0.1, heading="")], False, 0.5, suggestable=True)
    closest = await MODEL.answer(Question("shop", text, (), near), emit_nothing)
    assert (closest.answered, price in closest.text) == (False, True)


AGES = (
    "| Class | Vehicle | Minimum age |\n|---|---|---|\n| A1 | Motorcycle up to 125 cc | 16 |\n| B | Car | 18 |\n"
    "| BF17 | Car, accompanied | 17 |\n| A2 | Motorcycle up to 35 kW | 18 |"
)


@pytest.mark.parametrize(("last", "shown"), [("and for motorcycles?", {"A1", "A2"}), ("and next year?", {"B", "BF17"})])
async def test_a_follow_up_shows_the_rows_that_have_its_words(last: str, shown: set[str]) -> None:
    draft, _ = await ask_local_model(f"How old must I be to drive a car?\n{last}", passage(AGES, heading=""))
    assert {name for name in ("A1", "A2", "B", "BF17") if f"{name} – Vehicle" in draft.text} == shown


async def test_what_is_free_is_the_price_only_of_what_is_named() -> None:
    lesson, _ = await ask_local_model("How much is a lesson?", passage(LESSONS, heading="Practice"))
    assert not lesson.answered
    gear, _ = await ask_local_model("How much is the gear?", passage(LESSONS, heading="Practice"))
    assert gear.answered


async def test_yes_to_several_suggestions_offers_them_again() -> None:
    sections = [Choice(id="section:1", label="Parking"), Choice(id="section:2", label="Buses")]
    offered = suggestion_draft(sections, VOICE, "")
    at = datetime(2026, 1, 1, tzinfo=UTC)
    asked = TranscriptMessage(
        id="1", author=Author(kind="agent"), text=offered.text, created_at=at, choices=offered.choices
    )
    again, _ = await ask_local_model("yes", history=(asked,))
    assert (again.text, again.choices, again.answered) == ("Which one do you mean?", offered.choices, False)
    otherwise, _ = await ask_local_model("yes", history=(asked.model_copy(update={"choices": []}),))
    assert otherwise.choices == [], "nothing was offered"


async def test_the_closest_section_is_quoted_under_its_heading_beside_the_others() -> None:
    found = SearchResult(
        [passage("A heat pack costs €4."), passage("We pack with care.", heading="Boxes")], False, 0.7, suggestable=True
    )
    draft = await MODEL.answer(Question("shop", "heat packs?", (), replace(found, probable=True)), emit_nothing)
    introduction = VOICE.closest.replace("{heading}", "Title: Head")
    assert draft.text == f"{introduction}\n\nA heat pack costs €4. [1]\n\n{VOICE.or_one_of_these}"
    assert ([one.quote for one in draft.citations], draft.answered) == (["A heat pack costs €4."], False)
    assert [choice.label for choice in draft.choices] == ["Title: Boxes", VOICE.none_of_these]
    unsure = await MODEL.answer(Question("shop", "heat packs?", (), found), emit_nothing)
    assert (unsure.text, unsure.citations) == (VOICE.did_you_mean, [])


async def test_the_closest_section_alone_leaves_only_the_way_out() -> None:
    found = SearchResult([passage("A heat pack costs €4.")], False, 0.7, suggestable=True, probable=True)
    draft = await MODEL.answer(Question("shop", "heat packs?", (), found), emit_nothing)
    assert draft.text.endswith("A heat pack costs €4. [1]")
    assert [choice.label for choice in draft.choices] == [VOICE.none_of_these]
    at = datetime(2026, 1, 1, tzinfo=UTC)
    said = TranscriptMessage(
        id="1",
        author=Author(kind="agent"),
        text=draft.text,
        created_at=at,
        choices=draft.choices,
        citations=draft.citations,
    )
    for thanked in ("yes", "yes, that's it", "perfect, thank you"):
        answer, _ = await ask_local_model(thanked, history=(said,))
        assert answer.text in (VOICE.what_else, VOICE.thanks), thanked


async def test_a_section_that_lacks_what_is_asked_for_is_not_the_closest() -> None:
    found = SearchResult([passage("A heat pack keeps warm.")], False, 0.7, suggestable=True, probable=True)
    draft = await MODEL.answer(Question("shop", "How much is a heat pack?", (), found), emit_nothing)
    assert (draft.text, draft.citations) == (VOICE.did_you_mean, [])


async def test_ladder_falls_back_to_the_documents() -> None:
    """When the chosen model fails, what it showed is taken back and the extractive one answers."""
    restarts: list[int] = []

    async def restart() -> None:
        restarts.append(1)

    async def emit(piece: str) -> None:
        pass

    models = Models({"broken": BrokenModel(), "local": MODEL})
    question = Question("shop", "What does a heat pack cost?", (), build_search_result(passage(PACK)))
    draft = await models.answer("broken", question, emit, restart)
    assert (draft.model, restarts) == ("local", [1])
    with pytest.raises(ModelFailed):
        await Models({"broken": BrokenModel()}).answer("broken", question, emit, restart)
    with pytest.raises(ConfigInvalid):
        models.ladder("nothing")


RINK = (
    "| Item | Price |\n|---|---|\n| Figure skates | £3.50 |\n| Hockey skates | £4.00 |\n| Skating aid | £4.00 |\n\n"
    "Skating aids are for children up to 8. There are 40 of them. You may bring your own helmet."
)


async def test_notes_on_rows_that_are_not_asked_for_are_left_out() -> None:
    """With the sentence that goes on about them."""
    draft, _ = await ask_local_model("how much are hockey skates", passage(RINK, heading="Hire"))
    assert draft.text == "Hockey skates: £4.00 [1]\n\nYou may bring your own helmet. [2]"
    draft, _ = await ask_local_model("how much is a skating aid", passage(RINK, heading="Hire"))
    assert "There are 40 of them." in draft.text


async def test_a_table_beside_the_sentence_that_answers_is_left_out() -> None:
    draft, _ = await ask_local_model("may I bring my own helmet", passage(RINK, heading="Hire"))
    assert "£" not in draft.text
    assert "You may bring your own helmet." in draft.text


async def test_an_empty_cell_is_not_shown() -> None:
    table = "| Package | Price | Extras |\n|---|---|---|\n| Snow | £15 | – |\n| Glacier | £25 | a coach |"
    draft, _ = await ask_local_model("price of the Snow package", passage(table, heading="Parties"))
    assert draft.text == "Snow – Price: £15 [1]"


async def test_an_upset_contact_reads_an_apology_before_the_answer() -> None:
    draft, streamed = await ask_local_model(
        "This is a scandal! how much are hockey skates?", passage(RINK, heading="Hire")
    )
    assert draft.text.startswith(f"{VOICE.apology}\n\nHockey skates")
    assert streamed == draft.text
    assert [choice.id for choice in draft.choices] == ["person"]


async def test_a_yes_to_the_only_section_offered_is_answered_from_it() -> None:
    """The offer itself is one of our set phrases, after which a yes is mere courtesy."""
    offered = [Choice(id="section:1", label="Title: Head"), Choice(id="section:none", label="None of these")]
    offer = TranscriptMessage(
        id="2", author=Author(kind="agent"), text=VOICE.did_you_mean, choices=offered, created_at=datetime.now(UTC)
    )
    found = build_search_result(passage(PACK))
    question = Question("shop", "yes", (offer,), found, resolved="tape?\nTitle: Head", is_picked=True)
    assert (await MODEL.answer(question, emit_nothing)).citations
    assert not (await MODEL.answer(replace(question, is_picked=False), emit_nothing)).citations


EXTRAS = (
    "| Extra | Price per night |\n|---|---|\n| Extra adult (16 and over) | £7 |\n| Child aged 5 to 15 | £4 |\n"
    "| Child under 5 | free |\n| Gazebo | £3 |"
)


@pytest.mark.parametrize(
    ("asked", "row"),
    [
        ("how much extra for a 10 yr old", "Child aged 5 to 15 – Price per night: £4 [1]"),
        ("how much extra for an adult?\nand a 3 year old", "Child under 5 – Price per night: free [1]"),
        ("what does my son pay, he is 16", "Extra adult (16 and over) – Price per night: £7 [1]"),
        ("Was zahlt man extra für eine 15-jährige?", "Child aged 5 to 15 – Price per night: £4 [1]"),
        ("can I put up a gazebo\nwhat does it cost", "Gazebo – Price per night: £3 [1]"),
    ],
)
async def test_an_age_is_found_in_its_range(asked: str, row: str) -> None:
    """And "per night" is said, although the table has one column of prices."""
    draft, _ = await ask_local_model(asked, passage(EXTRAS, heading="Extras"))
    assert draft.text == row


async def test_a_note_that_also_names_the_row_that_was_asked_for_stays() -> None:
    boats = (
        "| Boat | Price |\n|---|---|\n| Single kayak | £20 |\n| Double kayak | £28 |\n| Paddleboard | £16 |\n\n"
        "Kayaks and paddleboards are for people who can swim. Paddleboards have a leash."
    )
    draft, _ = await ask_local_model("how much is a double kayak", passage(boats, heading="Boats"))
    assert draft.text == "Double kayak: £28 [1]\n\nKayaks and paddleboards are for people who can swim. [2]"


async def test_no_reply_repeats_a_question_or_what_it_begins_with() -> None:
    """The heading of an FAQ entry is what the contact has asked in other words."""
    for text, heading, asked, begins in [
        ("Yes, if they stand on the slabs.", "Are barbecues allowed?", "are disposable barbecues ok", "If they stand"),
        ("Yes, but only a little. It has nine spaces.", "Is there parking at the shop?", "parking", "Only a little."),
        ("**From above.** Water it weekly.", "From above", "do I water the fern from above", "**From above.** Water"),
        ("€6.95 for a parcel, 1 to 2 days.", "What does postage to Rome cost?", "parcel to Rome how long", "€6.95"),
    ]:
        draft, _ = await ask_local_model(asked, passage(text, heading=heading))
        assert draft.text.startswith(begins)


async def test_a_word_of_all_labels_may_mean_each_row() -> None:
    """Not only the one that happens to share another word with the question."""
    lessons = (
        "| Lesson | Price |\n|---|---|\n| Single lesson, manual car | £58 |\n| Single lesson, automatic car | £62 |\n"
        "| Night driving lesson | £89 |"
    )
    asked = "how much is a driving lesson"
    draft, _ = await ask_local_model(asked, passage(lessons, heading="Car lessons"))
    assert [line.rpartition(": ")[2] for line in draft.text.splitlines()] == ["£58", "£62", "£89 [1]"]
    draft, _ = await ask_local_model("how much is a night driving lesson", passage(lessons, heading="Car lessons"))
    assert draft.text == "Night driving lesson: £89 [1]"


async def test_several_rows_are_named_by_the_last_word_of_their_labels() -> None:
    boats = (
        "| Hire | Half day | Full day |\n|---|---|---|\n| Adult bike | £12 | £18 |\n| Electric bike | £24 | £36 |\n"
        "| Single kayak | £20 | £30 |\n| Double kayak | £28 | £42 |\n| Paddleboard | £18 | £27 |"
    )
    draft, _ = await ask_local_model("how much is it to rent a kayak for half a day", passage(boats, heading="Hire"))
    assert draft.text == "- Single kayak – Half day: £20\n- Double kayak – Half day: £28 [1]"


KENNEL = (
    "| Pet | Low season | High season, with the holidays and the long weekends of spring and of autumn |\n"
    "|---|---|---|\n| Small dog, up to 10 kg | €26 | €31 |\n| Medium dog, 10–25 kg | €29 | €35 |\n"
    "| Large dog, over 25 kg | €34 | €41 |\n| Other pets (rabbit, guinea pig) | €9 | €11 |"
)


@pytest.mark.parametrize(
    ("asked", "row"),
    [
        ("how much is it a night for a labrador, about 32 kilos", "Large dog, over 25 kg – Low season: €34"),
        ("what does a dog of 8kg cost", "Small dog, up to 10 kg – Low season: €26"),
        ("what is the price for a rabbit", "Other pets (rabbit, guinea pig) – Low season: €9"),
    ],
)
async def test_a_weight_is_found_in_its_range_and_an_example_in_its_brackets(asked: str, row: str) -> None:
    draft, _ = await ask_local_model(asked, passage(KENNEL, heading="Nights"))
    assert draft.text.startswith(row)
    assert "\n" not in draft.text


async def test_prices_are_quoted_before_the_sentences_around_them() -> None:
    """Also if the sentences have more of the question's words, and there is no room for both."""
    around = "A night ends at 10 am. The last day is free if you collect your pet before that. " * 6
    draft, _ = await ask_local_model("how much is a night", passage(f"{around}\n\n{KENNEL}", heading="Nights"))
    assert "€34" in draft.text
    assert "ends at 10 am" not in draft.text


async def test_what_is_added_to_a_price_is_not_the_price() -> None:
    cuts = (
        "| Cut | Price |\n|---|---|\n| Short or long hair | €40 |\n| Beard | €15 |\n"
        "| Long hair (cut and blow dry) | + €20 |"
    )
    draft, _ = await ask_local_model("cost of a cut and blow dry for hair", passage(cuts, heading="Prices"))
    assert draft.text.startswith("Short or long hair: €40")
    draft, _ = await ask_local_model("how much more is blow dry", passage(cuts, heading="Prices"))
    assert draft.text.startswith("Long hair (cut and blow dry): + €20")


async def test_the_price_of_something_else_is_no_answer() -> None:
    """However sure the search is."""
    lab = passage("X-rays cost €165. An ultrasound of the heart is €180.", heading="Pictures of the inside")
    draft, _ = await ask_local_model("how much is an MRI", lab)
    assert not draft.citations
    draft, _ = await ask_local_model("how much is an ultrasound", lab)
    assert draft.citations
