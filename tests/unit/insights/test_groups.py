"""Failures that are alike form a group, with the cheapest cure that fits; ordinary ones do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from agent_worker.knowledge.vectors.encoder import light_encoder
from agent_worker.learning.insights.failure_signals import QuestionRecord
from agent_worker.learning.insights.report import EMPTY_REPORT, InsightReport
from agent_worker.learning.insights.report_builder import build_report
from tests.unit.insights.log_writer import START

UNTIL = START + timedelta(days=28)
ORDINARY = ["How long is delivery?", "Can I pay by card?", "Where is your shop?", "Do you repair watches?"]
GIFTS = ["Do you wrap presents?", "Can you gift wrap it?", "Is gift wrapping possible?", "Wrap it as a present please"]


def ask(text: str, **more: Any) -> QuestionRecord:
    about = {"answer": "Yes.", "outcome": "answer", "route": "cheap", "model": "small", "cites": True}
    return QuestionRecord("c", "web", START + timedelta(days=1), text, **{**about, "document": "faq", **more})


def repeat(texts: Sequence[str], times: int = 3, **more: Any) -> list[QuestionRecord]:
    return [ask(text, **more) for _ in range(times) for text in texts]


def fail(texts: Sequence[str], signal: Any, times: int = 3, **more: Any) -> list[QuestionRecord]:
    return [replace(each, signals={signal: "x"}) for each in repeat(texts, times, **more)]


def report(*questions: QuestionRecord) -> InsightReport:
    numbered = [replace(each, conversation=f"c{number}") for number, each in enumerate(questions)]
    return build_report(numbered, light_encoder(), START, UNTIL)


def cure_of(*failed: QuestionRecord) -> tuple[str, str]:
    """Cure and suggestion of the largest group, beside ordinary questions."""
    group = report(*failed, *repeat(ORDINARY, 10)).groups[0]
    return group.cure, group.suggestion


DECLINED: dict[str, Any] = {"outcome": "declined", "cites": False, "document": ""}


def test_without_failures_there_is_no_group() -> None:
    found = report(*repeat(ORDINARY))
    assert (found.groups, found.totals.questions, found.totals.failed) == ([], 12, 0)
    assert report() == EMPTY_REPORT


def test_a_group_says_what_it_is_about() -> None:
    found = report(*fail(GIFTS, "declined", intent="extras", **DECLINED), *repeat(ORDINARY, 10))
    (group,) = found.groups
    assert (group.signal, group.intent, group.count, group.cure) == ("declined", "extras", 12, "document")
    assert {"wrap", "gift"} & set(group.title.lower().replace(",", "").split())
    assert len(group.examples) == len(set(group.examples)) == 3
    assert set(group.examples) < set(group.conversations)
    assert (found.totals.failed, found.totals.grouped, found.totals.by_signal) == (12, 12, {"declined": 12})


def test_the_same_failures_have_the_same_id() -> None:
    first, second = (report(*fail(GIFTS, "declined", times, **DECLINED)).groups[0] for times in (3, 6))
    assert (first.id, first.count, second.count) == (second.id, 12, 24)


def test_the_trend_compares_the_halves_of_the_period() -> None:
    late = [replace(each, at=START + timedelta(days=20)) for each in fail(GIFTS, "declined", 3, **DECLINED)]
    (group,) = report(*fail(GIFTS, "declined", 1, **DECLINED), *late).groups
    assert (group.parts, group.trend) == ([4, 0, 12, 0], 0.5)


def test_a_topic_that_fails_as_often_as_others_is_no_group() -> None:
    """One in ten of each topic got a thumb down."""
    assert report(*repeat(ORDINARY, 45), *fail(ORDINARY, "thumb_down", 5)).groups == []


def test_a_missing_document_is_written_from_what_people_answered() -> None:
    people = "We wrap presents for 3 euros, in blue or red paper."
    found = report(*fail(GIFTS, "declined", correction=people, names=frozenset({"Carla"}), **DECLINED))
    proposal = found.groups[0].proposal
    assert proposal is not None
    assert (people in proposal.body, proposal.document, proposal.names) == (True, "", ["Carla"])
    assert proposal.body.startswith("## ")


def test_a_document_that_people_contradict_is_to_be_corrected() -> None:
    failed = fail(GIFTS, "person_took_over", correction="Wrapping costs 5 euros since May.", document="extras")
    assert cure_of(*failed) == ("document", "Correct the document extras: people answer otherwise.")


def test_a_document_that_was_offered_in_vain_lacks_the_answer() -> None:
    failed = fail(GIFTS, "suggestion_refused", **{**DECLINED, "document": "extras"})
    suggestion = "Add the answer to extras: the agent offered it, and it did not help."
    assert cure_of(*failed) == ("document", suggestion)


def test_what_another_route_answers_is_a_matter_of_routing() -> None:
    failed = fail(GIFTS, "thumb_down", document="extras")
    answered = repeat(GIFTS, 3, route="strong", model="large", document="extras")
    assert cure_of(*failed, *answered) == (
        "routing",
        "Send these questions to strong: it answers them, and cheap does not.",
    )


def test_what_people_answer_each_time_otherwise_is_a_matter_for_them() -> None:
    told = ["May I call you?", "Our director writes today.", "Please show it to a doctor.", "Who was there?"]
    failed = [
        replace(each, correction=told[number % 4])
        for number, each in enumerate(fail(GIFTS, "person_took_over", 3, document="extras"))
    ]
    assert cure_of(*failed)[0] == "routing"


def test_what_depends_on_an_order_needs_an_action() -> None:
    texts = [f"{text} Order PX-10{number}00" for number, text in enumerate(GIFTS)]
    assert cure_of(*fail(texts, "declined", **DECLINED))[0] == "action"


def test_an_action_that_fails_is_to_be_repaired() -> None:
    failed = fail(GIFTS, "action_failed", action="refund: timed out", outcome="action")
    assert cure_of(*failed) == ("action", "Repair the action refund: timed out.")


def test_what_contacts_say_about_answers_of_all_kinds_is_a_matter_of_the_voice() -> None:
    failed = [
        replace(each, comments=["far too long and wordy"], document=f"d{number % 4}")
        for number, each in enumerate(fail(ORDINARY, "thumb_down", 2))
    ]
    assert report(*failed, *repeat(ORDINARY, 30)).groups[0].cure == "prompt"


def test_what_people_add_to_drafts_of_all_kinds_belongs_into_the_instructions() -> None:
    added = "Please keep your receipt."
    failed = fail(ORDINARY, "draft_edited", 2, added=added, edit=0.4, outcome="draft", route="")
    assert cure_of(*failed)[0] == "prompt"
    assert added in cure_of(*failed)[1]


def test_drafts_that_are_written_anew_are_examples_for_tuning() -> None:
    failed = fail(ORDINARY, "draft_edited", 2, edit=0.9, lost=0.9, outcome="draft", route="", added="Dear Sir")
    assert cure_of(*failed)[0] == "tuning"


def test_a_model_that_fails_where_others_do_not_is_to_be_tuned() -> None:
    failed = fail(ORDINARY, "gate_refused", 2, refused_model="tiny", model="local", refusal="it cites no passage")
    group = report(*failed, *repeat(ORDINARY, 30)).groups[0]
    assert (group.cure, group.title) == ("tuning", "Model tiny")


@pytest.mark.parametrize("texts", [["?", "!", "…"], ["", "1", "22"]])
def test_texts_without_words_do_no_harm(texts: list[str]) -> None:
    assert report(*fail(texts, "declined", **DECLINED)).totals.failed == 9
