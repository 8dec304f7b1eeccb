"""Suites of customers' messages: what they may say, how replies are graded, and what the figures count."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from agent_worker.knowledge.quality.check import QualityReport, SuiteRunner, separation
from agent_worker.knowledge.quality.grades import Grade, ObservedReply, ReplyKind, grade_parts, grade_reply
from agent_worker.knowledge.quality.suite import Case, read_suite
from agent_worker.voice import Voice
from schemas.errors import Unprocessable
from schemas.messages import Citation
from schemas.ports import SearchResult
from tests.unit.agent_worker.worker_environment import TENANT, WorkerEnvironment


def _case(**fields: Any) -> Case:
    return read_suite({"cases": [{"id": "a", "question": "What does it cost?", **fields}]}).cases[0]


def _reply(text: str = "", kind: ReplyKind = "answer", **fields: Any) -> ObservedReply:
    return ObservedReply(kind, text, **fields)


@pytest.mark.parametrize(
    ("rules", "reply", "grade"),
    [
        ({"must_contain": ["€4"]}, _reply("It costs **€4** [1]."), "right"),
        ({"must_contain": ["€4"]}, _reply("It is delivered on Monday."), "irrelevant"),
        ({"must_contain": ["€4", "Monday"]}, _reply("It costs €4."), "incomplete"),
        ({"must_contain": [["4 EUR", "€4"]]}, _reply("It costs €4."), "right"),
        ({"must_contain": ["8 to 12"]}, _reply("Between 8\u00a0to\n12."), "right"),
        ({"must_contain": [4]}, _reply("It costs 4 euros."), "right"),
        ({"must_contain": ["€4"], "must_not_contain": ["€5"]}, _reply("€4, or €5 in winter."), "misleading"),
        ({"polarity": True, "must_contain": ["winter"]}, _reply("No, not in winter."), "misleading"),
        ({"polarity": "yes", "must_contain": ["winter"]}, _reply("All year, in winter too."), "right"),
        ({"must_contain": ["€4"]}, _reply("I do not know.", "decline"), "wrongly_declined"),
        ({"must_contain": ["€4"]}, _reply("A colleague comes.", "handoff"), "wrongly_declined"),
        ({"must_decline": True}, _reply("I do not know.", "decline"), "rightly_declined"),
        ({"must_decline": True}, _reply("It costs €4."), "misleading"),
        ({"must_decline": True}, _reply("Did you mean …", "suggestion"), "rightly_declined"),
        ({"must_ask_back": True}, _reply("Which one?", "question"), "rightly_declined"),
        ({"must_ask_back": True}, _reply("It costs €4."), "misleading"),
        (
            {"must_contain": ["€4"], "sources": ["prices#Pots"]},
            _reply("Did you mean …", "suggestion", offers=["care#Water", "Prices#pots"]),
            "offered",
        ),
        (
            {"must_contain": ["€4"], "sources": ["prices#Pots"]},
            _reply("Did you mean …", "suggestion", offers=["prices#Boxes"]),
            "offered_wrongly",
        ),
        ({"must_contain": ["€4"]}, _reply("It costs €4.", "closest"), "right"),
        ({"must_decline": True}, _reply("It costs €4.", "closest"), "rightly_declined"),
        ({"must_contain": ["€4"], "must_not_contain": ["€5"]}, _reply("€4, or €5.", "closest"), "misleading"),
        ({"polarity": True, "must_contain": ["winter"]}, _reply("No, not in winter.", "closest"), "misleading"),
        (
            {"must_contain": ["€4"], "sources": ["prices#Pots"]},
            _reply("Boxes are free.", "closest", offers=["prices#Boxes", "prices#Pots"]),
            "offered",
        ),
        (
            {"must_contain": ["€4"], "sources": ["prices#Pots"]},
            _reply("Boxes are free.", "closest", offers=["prices#Boxes"]),
            "offered_wrongly",
        ),
        (
            {"must_cite": ["prices"]},
            _reply("€4 [1]", citations=[Citation(n=1, document="prices", title="", quote="€4")]),
            "right",
        ),
        (
            {"must_cite": ["prices"]},
            _reply("€4 [1]", citations=[Citation(n=1, document="care", title="", quote="€4")]),
            "irrelevant",
        ),
    ],
)
def test_a_reply_is_graded_by_its_rules(rules: dict[str, Any], reply: ObservedReply, grade: Grade) -> None:
    """Each rule alone decides as the format describes it."""
    assert grade_reply(_case(**rules), reply) == grade


def test_several_questions_are_graded_one_by_one() -> None:
    """A part is answered, or named among the unanswered ones; the whole is as good as its worst part."""
    case = _case(
        parts=[
            {"about": "saturday", "must_contain": ["9 am"]},
            {"about": "wifi", "must_decline": True},
        ]
    )
    full = _reply("We open at 9 am [1].\n\nI found nothing about “wifi?”.", unanswered="nothing about “wifi?”.")
    assert [(each.grade, each.is_named) for each in grade_parts(case, full)] == [
        ("right", True),
        ("rightly_declined", True),
    ]
    assert grade_reply(case, full) == "right"
    silent = _reply("We open at 9 am [1].")
    assert [each.is_named for each in grade_parts(case, silent)] == [True, False]
    assert grade_reply(case, silent) == "incomplete"
    missed = _reply("I found nothing about “on saturday”, “wifi”.", unanswered="about “on saturday”, “wifi”.")
    assert [each.is_named for each in grade_parts(case, missed)] == [True, True]
    assert grade_reply(case, missed) == "incomplete"


@pytest.mark.parametrize(
    ("about", "named"), [("seats while waiting", True), ("saturday hours", False), ("is it", False), ("waiting", True)]
)
def test_a_part_is_named_in_any_form_of_half_of_its_words(about: str, named: bool) -> None:
    case = _case(parts=[{"about": about, "must_contain": ["9 am"]}])
    reply = _reply("Hello [1]. Nothing about “can we wait inside?”.", unanswered="about “can we wait inside?”.")
    assert [each.is_named for each in grade_parts(case, reply)] == [named]


def test_follow_ups_are_reworded_as_messages_of_their_own() -> None:
    first, bare = {"say": "Is it open?", "must_contain": ["9 am"]}, {"say": "thanks"}
    follow = {"say": "and on Sunday?", "reworded": "Is it open on Sunday?", "must_contain": ["10 am"]}
    refused = {"say": "and the moon?", "must_decline": True}
    case = read_suite({"cases": [{"id": "a", "turns": [first, follow, refused, bare, first]}]}).cases[0]
    assert [one.messages[0].say for one in case.reword_follow_ups()] == ["Is it open on Sunday?", "Is it open?"]


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (None, "the suite"),
        ({"cases": []}, "cases"),
        ({"cases": [{"id": "q7", "question": "What?", "must_contian": ["4"]}]}, "case q7.must_contian"),
        ({"cases": [{"id": "q7", "question": "What?"}]}, "no message has a rule"),
        ({"cases": [{"id": "q7", "must_decline": True}]}, "give either question or turns"),
        ({"cases": [{"question": "What?", "must_decline": True}]}, "case 1.id"),
    ],
)
def test_a_wrong_suite_names_the_case_and_the_field(raw: object, problem: str) -> None:
    """A suite of another form is refused."""
    with pytest.raises(Unprocessable, match=problem):
        read_suite(raw)


SUITE = {
    "name": "shop",
    "cases": [
        {"id": "a", "question": "Do you add a heat pack in winter?", "must_cite": ["shipping"]},
        {"id": "b", "question": "Do you add a heat pack in winter?", "must_cite": ["returns"]},
        {"id": "c", "kind": "unanswerable", "question": "Who composed this opera in Vienna?", "must_decline": True},
        {
            "id": "d",
            "kind": "follow_up",
            "turns": [
                {"say": "Within how many days can I return pots?"},
                {"say": "Do you add a heat pack in winter?", "must_cite": ["shipping"]},
            ],
        },
    ],
}


async def _search(world: WorkerEnvironment, text: str, language: str) -> SearchResult:
    return await world.library.search(TENANT, text, language=language)


async def test_a_suite_is_answered_from_the_documents(world: WorkerEnvironment) -> None:
    """Right and wrong are counted over all graded replies; a message without rules only makes history."""
    report = await SuiteRunner(partial(_search, world), world.model, TENANT, Voice()).run(read_suite(SUITE))
    grades = [(each.case.id, each.turn, each.grade) for each in report.outcomes]
    assert grades == [
        ("a", 0, "right"),
        ("b", 0, "irrelevant"),
        ("c", 0, "rightly_declined"),
        ("d", 1, "right"),
    ]
    assert (report.right_share, report.wrong_share, report.helped_share) == (0.5, 0.25, 0.5)
    assert report.score == 0.5 - 3 * 0.25
    assert (report.unanswerable_declined, report.follow_ups_right) == (1.0, 1.0)
    assert (report.polarity_wrong, report.all_parts_named, report.other_languages_helped) == (None, None, None)
    assert report.by_kind()["plain"] == {"right": 1, "irrelevant": 1}


async def test_confidence_is_judged_by_every_answer(world: WorkerEnvironment) -> None:
    """The separation counts answers that are usually declined, too."""
    raw = {"cases": [*SUITE["cases"][:2], {"id": "e", "question": "opera heat", "must_contain": ["soprano"]}]}
    report: QualityReport = await SuiteRunner(partial(_search, world), world.model, TENANT, Voice()).run(
        read_suite(raw)
    )
    assert report.separation is not None
    assert 0.5 <= report.separation <= 1.0
    assert separation([]) is None
