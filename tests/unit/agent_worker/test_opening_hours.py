"""Opening hours: lists of days and times are found by the questions that people ask, and answer nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from agent_worker.knowledge.index.tenant_index import TenantIndex
from agent_worker.knowledge.ranking.search import search_index
from agent_worker.knowledge.text.opening_hours import asks_for_hours, find_opened_thing, load_hours_words, restate_hours
from agent_worker.knowledge.text.splitting import split
from agent_worker.knowledge.vectors.encoder import light_encoder
from agent_worker.knowledge.vectors.onnx_encoder import open_folder
from agent_worker.nlu.calendar_names import days_in
from infra.deploy import encoder
from schemas.conversation import Document
from schemas.ports import SearchResult

NOW = datetime(2026, 5, 4, tzinfo=UTC)
SATURDAY, SUNDAY = "We are open on weekends: Saturday.", "We are closed on Sunday."
WEEKDAYS = "We are open on weekdays: Monday, Tuesday, Wednesday, Thursday, Friday."
CONTACT = "\n\n".join(
    [
        "## Where we are",
        "Mill Lane 4, Thornby. Bus 12 stops at the gate. Parking is behind the building.",
        "## Opening hours",
        "Mon–Thu 7:30–18:00, Fri 7:30–16:00, Sat 9:00–13:00. Closed on Sundays.",
        "## Repairs",
        "Most repairs take two to three working days. A small repair costs £35, a large one £90.",
        "## Returns",
        "You can return goods within 30 days. The refund arrives within 5 working days.",
    ]
)


Search = Callable[[str], SearchResult]


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Search]:
    light = light_encoder()
    assert light is not None
    strong = open_folder(encoder.fetch(), light)
    index = TenantIndex(tmp_path_factory.mktemp("index"), strong)
    document = Document(id="contact", title="Contact", body=CONTACT, version=1, updated_at=NOW)
    index.apply([index.prepare(document, "1")], [])
    yield lambda question: search_index(index, "t", question, NOW, strong)
    index.close()


@pytest.mark.parametrize(
    "question",
    [
        "When are you open?",
        "are you open on tuesday?",
        "what time do you close on saturdays",
        "Do you open on weekends?",
    ],
)
def test_questions_that_share_no_word_with_the_hours_are_answered(search: Search, question: str) -> None:
    found = search(question)
    assert found.answerable
    assert found.passages[0].heading == "Opening hours"


@pytest.mark.parametrize(
    "question",
    [
        "Is the pool open on Tuesday?",
        "When is the swimming pool open?",
        "Are you there for yoga on weekdays?",
        "opening hours of the leeds branch",
        "What are your opening hours in Oldham?",
        "Are you open on Boxing Day?",
    ],
)
def test_hours_answer_no_question_about_a_thing_that_no_document_names(search: Search, question: str) -> None:
    found = search(question)
    assert found.passages
    assert not found.answerable
    assert not found.probable


def test_what_was_added_is_neither_shown_nor_quoted() -> None:
    (passage,) = [one for one in split("Contact", CONTACT) if one.heading == "Opening hours"]
    assert passage.restated
    assert passage.text == "Mon–Thu 7:30–18:00, Fri 7:30–16:00, Sat 9:00–13:00. Closed on Sundays."


@pytest.mark.parametrize(
    ("heading", "text", "days"),
    [
        ("Opening hours", "Monday to Friday: 9 am to 5 pm", [WEEKDAYS]),
        ("Opening hours", "- Mon, Wed: 9–12\n- Sat: 10–12", ["We are open on Monday, Wednesday.", SATURDAY]),
        ("Our hours", "| Day | Hours |\n|---|---|\n| Mon–Fri | 9–17 |\n| Sun | closed |", [WEEKDAYS, SUNDAY]),
        ("Hours", "| Branch | Mon–Fri | Sat |\n|---|---|---|\n| Thornby | 9–17 | 9–12 |", [WEEKDAYS, SATURDAY]),
        ("Hours", "| Tue to Thu | 9–17 |\nMails: on Friday, 9–16.", ["We are open on Tuesday, Wednesday, Thursday."]),
        ("Contact", "We are open Mon to Fri, 9 to 17. The phone is answered on Saturday from 9 to 12.", [WEEKDAYS]),
        ("Opening hours", "Open daily from 8 am to 8 pm.", [WEEKDAYS, "We are open on weekends: Saturday, Sunday."]),
        ("Opening hours", "Monday 9–12, Wednesday 9–12", []),
    ],
)  # fmt: skip
def test_days_are_named_one_by_one_unless_the_section_does(heading: str, text: str, days: list[str]) -> None:
    assert restate_hours("Contact", heading, text) == ("When are you open?", "What time do you close?", *days)


@pytest.mark.parametrize(
    ("heading", "text"),
    [
        ("Hours per day", "Lamps need 12 hours, Monday to Friday."),
        ("Open positions", "We look for a gardener, Mon–Fri 9–17."),
        ("How do I open an account?", "Call us Mon–Fri 9–17."),
        ("Are you open at lunchtime?", "Yes, from 12 to 14 on Mon–Fri."),
        ("Opening hours", "See the door."),
        ("Opening hours", "Our service answers mails from Monday to Friday, 9:00 to 16:00."),
        ("Delivery", "Parcels leave Mon–Fri at 16:00."),
        ("", ""),
    ],
)
def test_other_sections_stay_as_they_are(heading: str, text: str) -> None:
    assert restate_hours("Contact", heading, text) == ()


@pytest.mark.parametrize(
    ("heading", "text", "open_on"),
    [
        ("Öffnungszeiten", "Mo–Fr 9–18 Uhr, Sa 9–13 Uhr, So geschlossen", "Mittwoch"),
        ("Horaires d’ouverture", "Du lundi au vendredi : 9h–18h", "mercredi"),
        ("Horario", "De lunes a viernes: 9:00–18:00", "miércoles"),
        ("Orari di apertura", "Dal lunedì al venerdì: 9–18", "mercoledì"),
        ("Openingstijden", "ma t/m vr 9:00–17:00", "woensdag"),
        ("Horário de funcionamento", "Segunda a sexta: 9h–18h", "quarta-feira"),
        ("Godziny otwarcia", "Od poniedziałku do piątku: 9–17", "środa"),
        ("Часы работы", "Пн–Пт: 9:00–18:00", "среда"),
        ("営業時間", "月〜金 9:00〜18:00", "水曜日"),
        ("营业时间", "周一至周五 9:00–18:00", "星期三"),
        ("ساعات العمل", "من الأحد إلى الخميس 9:00 - 17:00", "الثلاثاء"),
    ],
)
def test_hours_in_other_languages(heading: str, text: str, open_on: str) -> None:
    assert any(open_on in sentence for sentence in restate_hours("", heading, text))


def test_each_language_has_all_its_words() -> None:
    for language, words in load_hours_words().items():
        sentences = [words.open, words.weekdays, words.weekends, words.closed]
        assert all(sentence.count("{days}") == 1 for sentence in sentences), language
        assert all(words.questions), language
        assert any(asks_for_hours(question) for question in words.questions), language


@pytest.mark.parametrize(
    ("language", "text", "days"),
    [
        ("en", "Mon–Thu 7:30–18:00", [0, 1, 2, 3]),
        ("en", "from Friday to Monday", [0, 4, 5, 6]),
        ("en", "7 days a week", list(range(7))),
        ("en", "so we go up, and we are closed", []),
        ("de", "Mo, Di und Do 9–18", [0, 1, 3]),
        ("de", "So geht das", []),
        ("fr", "je vous ai dit", []),
        ("fr", "Lu au Ve 9h", [0, 1, 2, 3, 4]),
        ("nl", "zo zijn wij", []),
        ("en", "1 March to 31 October", []),
    ],
)
def test_days_in_a_text(language: str, text: str, days: list[int]) -> None:
    assert sorted(day.number for day in days_in(text, language)) == days


@pytest.mark.parametrize(
    ("question", "thing"),
    [
        ("When is the pool open?", "pool"),
        ("Will the café be open on Sunday?", "café"),
        ("Are you open?", "you"),
        ("When do you deliver?", ""),
    ],
)
def test_the_thing_that_is_asked_to_be_open(question: str, thing: str) -> None:
    assert find_opened_thing(question) == thing
