"""The checks find the faults of an agent, and nothing where there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from agent_worker.handoff.reply_templates import not_found_draft
from agent_worker.learning.evals.comparison import compare_runs
from agent_worker.turn import answering
from schemas.ports import AnswerDraft, Question
from tests.harness.sizes import size
from tests.unit.gateway.evals.eval_shop import EvalShop, Fault, open_eval_shop

IDENTICAL_RUNS = size(4, full=20)


def rewrite(old: str, new: str) -> Fault:
    return lambda _question, draft: replace(draft, text=draft.text.replace(old, new))


def about(word: str, fault: Fault) -> Fault:
    """The fault, but only in answers to questions with this word."""
    return lambda question, draft: fault(question, draft) if word in question.text else draft


def cite_another(_question: Question, draft: AnswerDraft) -> AnswerDraft:
    another = {"document": "returns", "title": "Returns"}
    return replace(draft, citations=[citation.model_copy(update=another) for citation in draft.citations])


def invent(_question: Question, draft: AnswerDraft) -> AnswerDraft:
    return draft if draft.answered else replace(draft, text="Yes, we do, for 99 euro.", answered=True)


def answer_in_english(_question: Question, draft: AnswerDraft) -> AnswerDraft:
    return replace(draft, text="Parcels to Switzerland usually take five (5) days to arrive there.")


def answer_in_general(_question: Question, draft: AnswerDraft) -> AnswerDraft:
    return replace(draft, text="Orders are shipped on Mondays.", filling=None)


def misread_as_status(text: str) -> str:
    return text.replace("I want my money back for A-1001, 20 euro", "where is my order A-1001?")


def decline(_question: Question, draft: AnswerDraft) -> AnswerDraft:
    return replace(draft, text="Not in our documents.", answered=False, citations=[])


def swap_first_sentences(_question: Question, draft: AnswerDraft) -> AnswerDraft:
    first, second, rest = draft.text.split(". ", 2)
    return replace(draft, text=f"{second}. {first}. {rest}")


DRAFT_FAULTS: dict[str, tuple[Fault, str]] = {
    "wrong price": (rewrite("4.50", "4.90"), "contains"),
    "wrong currency": (rewrite("4.50 euro", "4.50 dollars"), "contains"),
    "wrong number of days": (rewrite("30 days", "13 days"), "contains"),
    "missing disclaimer": (rewrite(" Prices include VAT.", ""), "disclaimer"),
    "missing closing": (rewrite("\n\nKind regards, Fern", ""), "closing"),
    "forbidden promise": (rewrite("we add", "guaranteed, we add"), "must_not_contain"),
    "another customer's address": (
        rewrite("Kind regards", "As we told eva@example.com. Kind regards"),
        "must_not_contain",
    ),
    "no source": (about("heat pack", lambda _, draft: replace(draft, citations=[])), "cites"),
    "wrong source": (about("heat pack", cite_another), "cites"),
    "English answer to a German question": (
        about("Versand", answer_in_english),
        "language",
    ),
    "too long": (about("heat pack", lambda _, draft: replace(draft, text=f"{draft.text} " * 12)), "length"),
    "invented answer": (invent, "declines"),
    "declined although it is known": (about("heat pack", decline), "declines"),
    "needless handoff": (about("heat pack", lambda _, draft: replace(draft, handoff=True)), "hands_over"),
    "steps in another order": (about("broken", swap_first_sentences), "structure"),
    "no sign-off": (about("broken", rewrite(" Kind regards, Fern.", "")), "structure"),
    "generic answer in place of a question": (
        about("Where is my order?", answer_in_general),
        "asks",
    ),
}
QUESTION_FAULTS: dict[str, tuple[Callable[[str], str], str]] = {
    "wrong order in an action": (lambda text: text.replace("order A-1001", "order A-1002"), "action"),
    "wrong amount in an action": (lambda text: text.replace("20 euro", "200 euro"), "action"),
    "wrong action": (misread_as_status, "action"),
}


async def find_failed_checks(shop: EvalShop) -> set[str]:
    return {check.check for case in (await shop.evaluate()).cases for check in case.checks if check.passed is False}


async def test_planted_faults_are_caught_by_the_check_that_is_meant_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    caught: dict[str, bool] = {}
    async with open_eval_shop(tmp_path, monkeypatch) as shop:
        healthy = await shop.evaluate()
        assert [(case.name, case.error, case.checks) for case in healthy.cases if not case.passed] == []
        for name, (fault, check) in DRAFT_FAULTS.items():
            with monkeypatch.context() as patch:
                patch.setattr(shop.faults, "draft", fault)
                caught[name] = check in await find_failed_checks(shop)
        for name, (misread, check) in QUESTION_FAULTS.items():
            with monkeypatch.context() as patch:
                patch.setattr(shop.faults, "question", misread)
                caught[name] = check in await find_failed_checks(shop)
        with monkeypatch.context() as patch:
            patch.setattr(answering, "draft_for_person", lambda turn, *_: not_found_draft(turn.voice))
            caught["no handoff"] = "hands_over" in await find_failed_checks(shop)
    assert len(caught) > 20
    assert [name for name, is_caught in caught.items() if not is_caught] == []


async def test_identical_runs_raise_no_alarm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_eval_shop(tmp_path, monkeypatch) as shop:
        first = await shop.evaluate()
        for _ in range(IDENTICAL_RUNS):
            again = await shop.evaluate()
            comparison = compare_runs(first, again)
            assert (list(again.find_misses()), comparison.worse, comparison.changed) == ([], [], [])


async def test_a_worse_agent_is_worse_in_a_comparison(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_eval_shop(tmp_path, monkeypatch) as shop:
        before = await shop.evaluate("before")
        monkeypatch.setattr(shop.faults, "draft", decline)
        after = await shop.evaluate("after")
    comparison = compare_runs(before, after)
    assert "passed" in comparison.worse
    assert {name for name, is_better, _ in comparison.changed if not is_better} >= {"price", "deadline", "German"}
    assert compare_runs(after, before).worse == []
