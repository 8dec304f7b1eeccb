"""Extraction of an action's parameters from a message, and detection of cancellations and questions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from agent_worker.actions.parsing import Field, ParseContext, ParsedValue

_LEAVES = re.compile(
    r"^\W*(?:(?:oh|ok(?:ay)?|no|nein|ach|actually|well|sorry|please|bitte|then|dann|just)\b\W*)*"
    r"(?:cancel(?: (?:that|this|it))?|never\s?mind|forget (?:it|that|about it)|stop(?: it| that)?|leave it|"
    r"don'?t bother|do nothing|abort|quit|abbrechen|abbruch|brich ab|vergiss (?:es|das)|egal|lass (?:es|das)|"
    r"lassen wir(?: das)?|doch nicht|stopp?)(?:\W+(?:then|please|bitte|thanks|thank you|danke|mal|sein|bleiben))*\W*$",
    re.IGNORECASE,
)
_WHOLE = re.compile(
    r"\b(?:all(?: of it)?|everything|the (?:whole|full|entire)\b.*|whole|full(?: amount)?|entire|complete|alles|"
    r"ganz\w*|vollständig\w*|komplett\w*|voll\w*)\b",
    re.IGNORECASE,
)
_NONE = re.compile(
    r"^\W*(?:no|none|nothing|skip|nein|keine?n?|nichts|egal|any|don'?t (?:care|mind))\b.{0,20}$", re.IGNORECASE
)
_CORRECTS = re.compile(
    r"^\W*(?:no|nein|not|actually|sorry|wait|i mean\w*|make (?:it|that)|rather|better|ich mein\w*|doch|lieber|besser|"
    r"moment|quatsch|change)\b|\binstead\b|\bstattdessen\b",
    re.IGNORECASE,
)
_ASKS = re.compile(
    r"\?\s*$|^\W*(?:how|what|why|which|who|when|where|do|does|is|are|will|can|could|"
    r"wie|was|warum|welche\w*|wer|wann|wo|gibt|ist|kann|könnt\w*)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Extraction:
    """``values``: certain values by parameter; None for a parameter that need not be given. ``unclear``: ambiguous
    readings. ``problem``: why the answer to the question cannot be used."""

    values: dict[str, Any] = field(default_factory=dict)
    unclear: dict[str, list[ParsedValue]] = field(default_factory=dict)
    problem: ParsedValue | None = None

    def __bool__(self) -> bool:
        return bool(self.values or self.unclear)


def extract(text: str, fields: Sequence[Field], asked: str, context: ParseContext) -> Extraction:
    """``asked``: the parameter that the message should be about. For others only unambiguous values count."""
    result = Extraction()
    for parameter in fields:
        readings = parameter.read(text, replace(context, asked=parameter.name == asked))
        usable = [reading for reading in readings if not reading.problem]
        if len(usable) == 1:
            result.values[parameter.name] = usable[0].value
        elif usable:
            result.unclear[parameter.name] = usable
        elif parameter.name == asked and not parameter.required and (_WHOLE.search(text) or _NONE.match(text)):
            result.values[parameter.name] = None
        elif readings and (parameter.name == asked or not asked):
            result = replace(result, problem=readings[0])
    return result


def extract_correction(text: str, fields: Sequence[Field], context: ParseContext) -> Extraction:
    """New values after all parameters were given; short forms count too when the message announces a correction."""
    result = extract(text, fields, "", context)
    if result or not _CORRECTS.search(text):
        return result
    short = [extract(text, [parameter], parameter.name, context) for parameter in fields if parameter.kind != "text"]
    extracted = [parameter for parameter in short if parameter]
    return extracted[0] if len(extracted) == 1 else result


def is_cancellation(text: str) -> bool:
    """Return whether the contact wants to stop. "Cancel" alone means that too; "cancel NP-10231" does not."""
    return bool(_LEAVES.match(text))


def is_question(text: str) -> bool:
    """Return whether it is a question rather than an answer."""
    return bool(_ASKS.search(text))
