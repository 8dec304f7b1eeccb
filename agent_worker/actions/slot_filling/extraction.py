"""Extraction of an action's parameters from a message, and detection of corrections, cancellations and questions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from agent_worker.actions.parsing import Field, ParseContext, ParsedValue
from agent_worker.actions.slot_filling.answer_validation import is_plausible, may_answer

_LEAVES = re.compile(
    r"^\W*(?:(?:oh|ok(?:ay)?|no|nein|ach|actually|well|sorry|please|bitte|then|dann|just)\b\W*)*"
    r"(?:cancel(?: (?:that|this|it))?|never\s?mind|forget (?:it|that|about it)|stop(?: it| that)?|leave it|"
    r"don'?t bother|do nothing|abort|quit|abbrechen|abbruch|brich ab|vergiss (?:es|das)|egal|lass (?:es|das)|"
    r"lassen wir(?: das)?|doch nicht|stopp?)(?:\W+(?:then|please|bitte|thanks|thank you|danke|mal|sein|bleiben))*\W*$",
    re.IGNORECASE,
)
_WHOLE = re.compile(
    r"\b(?:(?:all|the whole|the rest) of (?:it|that|them|the)|it all|everything|"
    r"(?:the (?:whole|full|entire|complete)|den ganzen|den vollen|den gesamten)\b|"
    r"(?:whole|full|entire|complete) (?:amount|sum|price)|alles|ganz|vollständig\w*|komplett\w*)\b|"
    r"^\W{0,3}(?:all|whole|full|entire|complete)(?:\W{1,3}(?:please|thanks))?\W{0,3}$",
    re.IGNORECASE,
)
_MAX_WHOLE_WORDS = 8
"""Words of a message that asks for all of something."""
_NONE = re.compile(
    r"^\W*(?:no|none|nothing|skip|nein|keine?n?|nichts|egal|any|don'?t (?:care|mind))\b.{0,20}$", re.IGNORECASE
)
_NEGATION = re.compile(r"\b(?:not|isn'?t|nicht|keine?n?)\b", re.IGNORECASE)
_CORRECTS = re.compile(
    r"^\W*(?:no|nein|not|nicht|actually|sorry|wait|i (?:mean\w*|said)|make (?:it|that)|rather|better|ich mein\w*|doch|"
    r"lieber|besser|moment|quatsch|change)\b|\binstead\b|\bstattdessen\b",
    re.IGNORECASE,
)
_WRONG = re.compile(r"\b(?:wrong|different|another|other|falsche?\w{0,2}|andere?\w{0,2})\b", re.IGNORECASE)
_REJECTED = re.compile(
    r"\b(?:not|isn'?t|nicht|keine?n?|instead of|rather than|(?:an)?statt)\s{1,3}"
    r"(?:(?:the|an?|on|for|at|den|dem|der|die|das|am|auf|für|eine?n?)\s{1,3}){0,2}$",
    re.IGNORECASE,
)
"""Ends what stands before a value that is not wanted."""
_MAX_BEFORE = 40
"""Characters before a value that may reject it."""
_MAX_BARE_WORDS = 3
"""Words of a message that may be a value and nothing else."""
_ASKS = re.compile(
    r"\?\s*$|^\W*(?:how|what|why|which|who|when|where|do|does|is|are|will|can|could|"
    r"wie|was|warum|welche\w*|wer|wann|wo|gibt|ist|kann|könnt\w*)\b",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W_]{3,}")


@dataclass(frozen=True, slots=True)
class Extraction:
    """``values``: certain values by parameter; None for a parameter that need not be given. ``unclear``: ambiguous
    readings. ``problem``: why the answer for the parameter ``problem_of`` cannot be used. ``rejected``: a parameter
    whose value is wrong, without a new one."""

    values: dict[str, Any] = field(default_factory=dict)
    unclear: dict[str, list[ParsedValue]] = field(default_factory=dict)
    problem: ParsedValue | None = None
    problem_of: str = ""
    rejected: str = ""

    def __bool__(self) -> bool:
        return bool(self.values or self.unclear or self.rejected)


def extract(
    text: str, fields: Sequence[Field], asked: str, context: ParseContext, given: Mapping[str, Any] | None = None
) -> Extraction:
    """``asked``: the parameter that the message should be about. For others only unambiguous values count. ``given``:
    the values so far, which the message may correct."""
    result = Extraction()
    for parameter in fields:
        current = (given or {}).get(parameter.name)
        readings = _read(text, parameter, replace(context, asked=parameter.name == asked, near=_day_of(current)))
        usable = [reading for reading in readings if not reading.problem]
        wanted = _drop_rejected(text, usable, current)
        if len(wanted) == 1:
            result.values[parameter.name] = wanted[0].value
        elif wanted:
            result.unclear[parameter.name] = wanted
        elif usable and not result.rejected:
            result = replace(result, rejected=parameter.name)
        elif parameter.name == asked and not parameter.required and _skips(text, parameter, context):
            result.values[parameter.name] = None
        elif readings and (parameter.name == asked or not asked):
            result = replace(result, problem=readings[0], problem_of=parameter.name)
    return result


def choose_between(
    alternatives: Mapping[str, Sequence[Any]], fields: Sequence[Field], locale: str
) -> dict[str, list[ParsedValue]]:
    """The values that the contact has to choose from, by parameter, as they are shown."""
    return {
        each.name: [ParsedValue(value, each.format_value(value, locale)) for value in offered]
        for each in fields
        if (offered := alternatives.get(each.name))
    }


def _read(text: str, parameter: Field, context: ParseContext) -> list[ParsedValue]:
    if context.asked and not may_answer(text, parameter, context):
        return []
    return [one for one in parameter.read(text, context) if is_plausible(text, parameter, one, context)]


def _drop_rejected(text: str, readings: Sequence[ParsedValue], current: Any) -> list[ParsedValue]:
    """The readings without those that the message rejects ("not 20, 25") and, if a new one is left, the current
    value."""
    wanted = [one for one in readings if not _REJECTED.search(text[max(0, one.begin - _MAX_BEFORE) : one.begin])]
    new = [one for one in wanted if current is None or str(one.value) != str(current)]
    return new if len(wanted) > 1 and len(new) == 1 else wanted


def _day_of(value: Any) -> date | None:
    """The day that a correction starts from; None for any other value."""
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _skips(text: str, parameter: Field, context: ParseContext) -> bool:
    """Return whether the answer is that the parameter need not be given: all of it, or none."""
    if parameter.kind != "amount" and _NONE.match(text):
        return True  # of an amount it would not be clear whether it means all or nothing
    is_short = len(text.split()) <= _MAX_WHOLE_WORDS and not is_question(text) and not _NEGATION.search(text)
    return is_short and _WHOLE.search(text) is not None and may_answer(text, parameter, context)


def extract_correction(
    text: str, fields: Sequence[Field], context: ParseContext, given: Mapping[str, Any]
) -> Extraction:
    """New values after all parameters were given; short forms count too when the message announces a correction or
    consists of nothing else."""
    result = extract(text, fields, "", context, given)
    is_bare = len(text.strip()) > 1 and len(text.split()) <= _MAX_BARE_WORDS
    if result or not (_CORRECTS.search(text) or _WRONG.search(text) or is_bare):
        return result if result else replace(result, problem=None)
    short = [
        extract(text, [parameter], parameter.name, context, given) for parameter in fields if parameter.kind != "text"
    ]
    extracted = [each for each in short if each.unclear or any(value is not None for value in each.values.values())]
    if len(extracted) == 1:
        return extracted[0]
    return replace(result, rejected=find_rejected(text, fields, context))


def find_rejected(text: str, fields: Sequence[Field], context: ParseContext) -> str:
    """The parameter that the message calls wrong by its name ("wrong order"); empty if there is none."""
    if not _WRONG.search(text) or is_question(text):
        return ""
    words = set(_WORD.findall(text.casefold()))
    named = [one.name for one in fields if words & set(_WORD.findall(one.title(context.locale).casefold()))]
    return named[0] if len(named) == 1 else ""


def is_cancellation(text: str) -> bool:
    """Return whether the contact wants to stop. "Cancel" alone means that too; "cancel NP-10231" does not."""
    return bool(_LEAVES.match(text))


def is_question(text: str) -> bool:
    """Return whether it is a question rather than an answer."""
    return bool(_ASKS.search(text))
