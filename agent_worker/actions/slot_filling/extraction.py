"""What a message says for an action's parameters, and what it says instead."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from agent_worker.actions.parsing import Context, Field, Reading

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
_YES = re.compile(
    r"^\W*(?:yes|yeah|yep|sure|ok(?:ay)?|do it|go ahead|please do|confirm\w*|"
    r"ja|jo|klar|gerne?|mach(?:t)?(?: das)?)\b.{0,20}$",
    re.IGNORECASE,
)
_ASKS = re.compile(
    r"\?\s*$|^\W*(?:how|what|why|which|who|when|where|do|does|is|are|will|can|could|"
    r"wie|was|warum|welche\w*|wer|wann|wo|gibt|ist|kann|könnt\w*)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Heard:
    """``values``: what is certain, by parameter; None for one that need not be given. ``unclear``: readings of what
    may mean several things. ``problem``: why the answer to the question cannot be used."""

    values: dict[str, Any] = field(default_factory=dict)
    unclear: dict[str, list[Reading]] = field(default_factory=dict)
    problem: Reading | None = None

    def __bool__(self) -> bool:
        return bool(self.values or self.unclear)


def hear(text: str, fields: Sequence[Field], asked: str, context: Context) -> Heard:
    """``asked``: the parameter that the message should be about; of the others only what is unmistakable counts."""
    heard = Heard()
    for one in fields:
        readings = one.read(text, replace(context, asked=one.name == asked))
        usable = [reading for reading in readings if not reading.problem]
        if len(usable) == 1:
            heard.values[one.name] = usable[0].value
        elif usable:
            heard.unclear[one.name] = usable
        elif one.name == asked and not one.required and (_WHOLE.search(text) or _NONE.match(text)):
            heard.values[one.name] = None
        elif readings and (one.name == asked or not asked):
            heard = replace(heard, problem=readings[0])
    return heard


def hear_correction(text: str, fields: Sequence[Field], context: Context) -> Heard:
    """After everything was told: new values, in short forms too when the message says that it corrects."""
    heard = hear(text, fields, "", context)
    if heard or not _CORRECTS.search(text):
        return heard
    short = [hear(text, [one], one.name, context) for one in fields if one.kind != "text"]
    found = [one for one in short if one]
    return found[0] if len(found) == 1 else heard


def leaves(text: str) -> bool:
    """Whether the contact does not want to go on with it. "Cancel" alone is that, too; "cancel NP-10231" is not."""
    return bool(_LEAVES.match(text))


def agrees(text: str) -> bool:
    return bool(_YES.match(text))


def asks(text: str) -> bool:
    """Whether it is a question rather than an answer."""
    return bool(_ASKS.search(text))
