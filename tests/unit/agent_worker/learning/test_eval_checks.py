"""Each check passes for what it asks for and says what is wrong with anything else."""

from __future__ import annotations

from typing import Any

import pytest

from agent_worker.learning.evals.answers import ActionCall, ObservedAnswer
from agent_worker.learning.evals.checks import check_answer
from agent_worker.learning.evals.suite import Expectations
from schemas.messages import Choice, Citation

QUOTE = "We replace pots that arrived broken within 3 days."
CITATION = Citation(n=1, document="damage", title="Broken pots", quote=QUOTE)
REFUND = ActionCall("refund", {"order": "A-1001", "amount": "12.50"}, "succeeded")
STEPS = ["acknowledge", "restate", "explain", "link", "propose", "confirm", "sign_off"]
SEVEN = (
    "Thank you for writing. Your pots arrived broken. We replace pots that arrived broken within 3 days. [1] "
    "The form is at https://shop.example/broken. You can send us a photo. Does that help? Kind regards, Fern"
)


def answer(text: str = "Yes.", **more: Any) -> ObservedAnswer:
    return ObservedAnswer(**({"asked": "My pots arrived broken, what now?", "text": text} | more))


def find_problem(given: ObservedAnswer, **expected: Any) -> str | None:
    """What the only check says; None if it was not made."""
    verdicts = list(check_answer(Expectations.model_validate(expected), given))
    assert len(verdicts) <= 1
    assert all(verdict.passed == (not verdict.why) for verdict in verdicts)
    return verdicts[0].why if verdicts else None


PASSING: list[tuple[ObservedAnswer, dict[str, Any]]] = [
    (answer(citations=[CITATION]), {"cites": "damage"}),
    (answer(citations=[CITATION]), {"cites": ["Broken pots"]}),
    (answer("It costs 4,50 € [1]."), {"contains": "4.50 euro"}),
    (answer("It costs €4.50."), {"contains": 4.5}),
    (answer("It costs 1,200.50 euro."), {"contains": 1200.5}),
    (answer("Within  two\nworking days."), {"contains": ["two working days", [3, "two"]]}),
    (answer("It is “fine” [2], really."), {"contains": 'it is "fine", really'}),
    (answer("It costs 14.50 euro, for starters."), {"must_not_contain": ["4.50", "art", "50"]}),
    (answer("Yes. [1]\n\nKind regards,\nFern"), {"closing": "Kind regards, Fern"}),
    (answer("Prices include VAT [1], always."), {"disclaimer": "prices include VAT"}),
    (answer(SEVEN, citations=[CITATION]), {"structure": STEPS}),
    (answer("We guarantee it. Bye."), {"structure": [{"name": "promise", "phrases": "we guarantee"}, "sign_off"]}),
    (answer(calls=[REFUND]), {"action": {"name": "refund", "arguments": {"amount": 12.5, "order": "a-1001"}}}),
    (answer(calls=[REFUND]), {"action": "refund"}),
    (answer(), {"action": []}),
    (answer("No idea.", outcome="declined"), {"declines": True}),
    (answer("Which order is it? See your e-mail.", outcome="action"), {"asks": True}),
    (answer("Did you mean:", outcome="declined", choices=[Choice(id="section:1", label="x")]), {"declines": True}),
    (answer("Shall I pass you on?", outcome="declined"), {"asks": False}),
    (answer(handed_over=True), {"hands_over": True}),
    (answer("Das Paket kommt in zwei Tagen bei Ihnen an."), {"language": "de-AT"}),
    (answer("Das Paket kommt in zwei Tagen an.", asked="Wann kommt mein Paket bei mir an?"), {"language": "same"}),
    (answer("One two three. Four."), {"length": {"min_words": 4, "max_words": 4, "max_sentences": 2}}),
]
FAILING: list[tuple[ObservedAnswer, dict[str, Any], str]] = [
    (answer(citations=[CITATION]), {"cites": ["damage", "returns"]}, "cites damage, not returns"),
    (answer(), {"cites": "damage"}, "cites nothing, not damage"),
    (answer("It costs 14.50 euro."), {"contains": "4.50 euro"}, "lacks '4.50 euro'"),
    (answer("It costs 4.50 dollars."), {"contains": "4.50 euro"}, "lacks '4.50 euro'"),
    (answer("It costs 14.5 or 4.55."), {"contains": 4.5}, "lacks 4.5"),
    (answer("Never."), {"contains": [["always", "often"]]}, "lacks 'always' or 'often'"),
    (answer("It is Guaranteed."), {"must_not_contain": "guaranteed"}, "contains 'guaranteed'"),
    (answer("Kind regards, Fern. PS: Yes."), {"closing": "Kind regards, Fern"}, "ends with 'PS: Yes.'"),
    (answer("Prices are net."), {"disclaimer": "Prices include VAT"}, "lacks the disclaimer"),
    (answer(SEVEN.replace("Does that help?", ""), citations=[CITATION]), {"structure": STEPS}, "'confirm'"),
    (answer(SEVEN), {"structure": STEPS}, "'explain'"),
    (answer(calls=[REFUND]), {"action": {"name": "refund", "arguments": {"amount": 9}}}, "perform refund(amount=9)"),
    (answer(calls=[REFUND]), {"action": []}, "performed refund(order=A-1001, amount=12.50)"),
    (answer(calls=[REFUND, REFUND]), {"action": "refund"}, "performed refund"),
    (answer(calls=[ActionCall("refund", {}, "refused")]), {"action": "refund"}, "refused"),
    (answer("Sure.", outcome="answer"), {"declines": True}, "does not"),
    (answer("Sure.", outcome="answer"), {"asks": True}, "does not"),
    (answer("Which one?", outcome="action"), {"asks": False}, "asks a question"),
    (answer(outcome="answer"), {"hands_over": True}, "does not"),
    (answer("The parcel arrives at your home in two days."), {"language": "de"}, "is in 'en', not in 'de'"),
    (answer(""), {"language": "de"}, "there is no answer"),
    (answer("One two three. Four."), {"length": {"max_words": 3}}, "has 4 words, at most 3 are expected"),
    (answer("One."), {"length": {"min_sentences": 2}}, "has 1 sentences, at least 2 are expected"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "expected"), PASSING)
def test_an_answer_as_expected_passes(given: ObservedAnswer, expected: dict[str, Any]) -> None:
    assert find_problem(given, **expected) == ""


@pytest.mark.parametrize(("given", "expected", "words"), FAILING)
def test_any_other_answer_fails_with_the_reason(given: ObservedAnswer, expected: dict[str, Any], words: str) -> None:
    problem = find_problem(given, **expected)
    assert problem is not None
    assert words in problem


def test_what_people_wrote_is_only_checked_for_its_text() -> None:
    people = answer("4.50 euro.", by="people")
    expected = Expectations(cites=["damage"], contains=["4.50 euro"], declines=True, hands_over=True, asks=True)
    assert [verdict.check for verdict in check_answer(expected, people)] == ["contains"]


def test_every_kind_of_expectation_is_checked() -> None:
    """One that is forgotten would always pass."""
    shown = {name for _, expected, _ in FAILING for name in expected}
    assert shown == Expectations.model_fields.keys() - {"tone", "judge"}
