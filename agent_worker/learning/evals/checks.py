"""The checks of an answer that need no model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from agent_worker.learning.evals.answers import ActionCall, ObservedAnswer
from agent_worker.learning.evals.structure import find_missing_step
from agent_worker.learning.evals.suite import ActionExpectation, Expectations, Fragment, LengthLimits
from agent_worker.learning.evals.text_matching import contains, find_sentences, is_same_number, normalize, remove_marks
from agent_worker.nlu.language_detection import base_language, detect_language
from agent_worker.reading.suggestions import has_suggestions

SAME = "same"
"""The value of ``language`` for the contact's own."""
AGENT_ONLY = frozenset({"cites", "action", "declines", "asks", "hands_over"})
"""Checks of what only the agent's turns record. What people wrote is not checked for it."""
JUDGED = frozenset({"tone", "judge"})
"""Checks that a model makes."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of one check. ``passed`` is None if it could not be made; ``why`` says what was found, or what is
    missing."""

    check: str
    passed: bool | None
    why: str = ""


def check_answer(expect: Expectations, answer: ObservedAnswer) -> Iterator[Verdict]:
    """The verdict of each check that is expected, except of those that a model makes."""
    for name in expect.model_fields_set - JUDGED:
        if name in AGENT_ONLY and answer.by == "people":
            continue
        problem = _CHECKS[name](getattr(expect, name), answer)
        if problem is not None:
            yield Verdict(name, not problem, problem)


# Each check returns what is wrong, an empty text if nothing is, and None if it does not apply.


def _check_cites(documents: Sequence[str], answer: ObservedAnswer) -> str:
    cited = {name.casefold() for each in answer.citations for name in (each.document, each.title)}
    missing = [document for document in documents if document.casefold() not in cited]
    found = ", ".join(dict.fromkeys(each.document for each in answer.citations)) or "nothing"
    return f"cites {found}, not {', '.join(missing)}" if missing else ""


def _check_contains(fragments: Sequence[Fragment | list[Fragment]], answer: ObservedAnswer) -> str:
    options = [each if isinstance(each, list) else [each] for each in fragments]
    missing = [" or ".join(map(repr, each)) for each in options if not any(contains(answer.text, one) for one in each)]
    return f"lacks {', '.join(missing)}" if missing else ""


def _check_must_not_contain(fragments: Sequence[Fragment | list[Fragment]], answer: ObservedAnswer) -> str:
    listed = [one for each in fragments for one in (each if isinstance(each, list) else [each])]
    found = [repr(one) for one in listed if contains(answer.text, one)]
    return f"contains {', '.join(found)}" if found else ""


def _check_closing(closing: str, answer: ObservedAnswer) -> str:
    return "" if normalize(answer.text).endswith(normalize(closing)) else f"ends with {_last_words(answer.text)!r}"


def _check_disclaimer(disclaimer: str, answer: ObservedAnswer) -> str:
    return "" if normalize(disclaimer) in normalize(answer.text) else "lacks the disclaimer"


def _check_structure(steps: Sequence[Any], answer: ObservedAnswer) -> str:
    missing = find_missing_step(answer, steps)
    return f"no sentence in its place for {missing!r}" if missing else ""


def _check_action(expected: Sequence[ActionExpectation] | None, answer: ObservedAnswer) -> str | None:
    if expected is None:
        return None
    left = list(answer.calls)
    missing = []
    for each in expected:
        match = next((call for call in left if _is_call(each, call)), None)
        if match is None:
            missing.append(_describe(each.name, each.arguments))
        else:
            left.remove(match)
    others = [f"{_describe(call.name, call.arguments)}: {call.outcome}" for call in left]
    problems = [f"did not perform {', '.join(missing)}"] if missing else []
    problems += [f"performed {', '.join(others)}"] if others else []
    return "; ".join(problems)


def _is_call(expected: ActionExpectation, call: ActionCall) -> bool:
    return (
        expected.name == call.name
        and expected.outcome == call.outcome
        and all(is_same_value(value, call.arguments.get(name)) for name, value in expected.arguments.items())
    )


def is_same_value(expected: JsonValue, given: object) -> bool:
    """True if an argument is as expected, however it is written: 12.5 as "12.50"."""
    if expected is None or given is None:
        return expected is given
    return is_same_number(expected, given) or normalize(str(expected)) == normalize(str(given))


def _describe(name: str, arguments: Mapping[str, object]) -> str:
    return f"{name}({', '.join(f'{key}={value}' for key, value in arguments.items())})"


def _check_declines(expected: bool | None, answer: ObservedAnswer) -> str | None:
    return _compare(expected, answer.outcome == "declined", "declines", f"the outcome is {answer.outcome or 'nothing'}")


def _check_asks(expected: bool | None, answer: ObservedAnswer) -> str | None:
    return _compare(expected, _asks(answer), "asks a question", f"it ends with {_last_words(answer.text)!r}")


def _asks(answer: ObservedAnswer) -> bool:
    """True if the contact has to say more. The offer of a person is no such question."""
    if has_suggestions(answer.choices):
        return True
    if answer.outcome in ("declined", "person"):
        return False
    questions = [sentence.endswith("?") for sentence in find_sentences(answer.text)]
    # A question about an action may be followed by a hint. Elsewhere, a question may be part of what is quoted.
    return any(questions) if answer.outcome == "action" and not answer.calls else questions[-1:] == [True]


def _check_hands_over(expected: bool | None, answer: ObservedAnswer) -> str | None:
    return _compare(expected, answer.handed_over, "hands over", f"the outcome is {answer.outcome or 'nothing'}")


def _compare(expected: bool | None, actual: bool, what: str, instead: str) -> str | None:
    if expected is None:
        return None
    if expected == actual:
        return ""
    return f"{what}" if actual else f"does not: {instead}"


def _check_language(language: str, answer: ObservedAnswer) -> str | None:
    if not language:
        return None
    if not answer.text:
        return "there is no answer"
    known = detect_language(answer.asked, default=answer.locale) if language == SAME else language
    expected, found = base_language(known), base_language(detect_language(remove_marks(answer.text)))
    return "" if not expected or found in ("", expected) else f"is in {found!r}, not in {expected!r}"


def _check_length(limits: LengthLimits | None, answer: ObservedAnswer) -> str | None:
    if limits is None:
        return None
    words, sentences = len(remove_marks(answer.text).split()), len(find_sentences(answer.text))
    for value, least, most, unit in (
        (words, limits.min_words, limits.max_words, "words"),
        (sentences, limits.min_sentences, limits.max_sentences, "sentences"),
        (len(answer.text), 0, limits.max_characters, "characters"),
    ):
        if value < least:
            return f"has {value} {unit}, at least {least} are expected"
        if most is not None and value > most:
            return f"has {value} {unit}, at most {most} are expected"
    return ""


def _last_words(text: str) -> str:
    sentences = find_sentences(text)
    return sentences[-1][-80:] if sentences else ""


_CHECKS: Mapping[str, Callable[[Any, ObservedAnswer], str | None]] = {
    "cites": _check_cites,
    "contains": _check_contains,
    "must_not_contain": _check_must_not_contain,
    "closing": _check_closing,
    "disclaimer": _check_disclaimer,
    "structure": _check_structure,
    "action": _check_action,
    "declines": _check_declines,
    "asks": _check_asks,
    "hands_over": _check_hands_over,
    "language": _check_language,
    "length": _check_length,
}
