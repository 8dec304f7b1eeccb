"""One of a few fixed answers, and text that may say anything."""

from __future__ import annotations

import re
from collections.abc import Mapping

from agent_worker.actions.parsing.readings import Context, Reading

_LONGEST = 500
_NUMBER = re.compile(r"(?:nr |no |number |nummer |option )?(\d{1,2})")
_WORD = re.compile(r"\w+")
_FILLER = frozenset(["a", "an", "and", "bitte", "den", "der", "die", "das", "i", "ich", "it", "please", "the", "to"])


def options(text: str, context: Context, labels: Mapping[str, str]) -> list[Reading]:
    """``labels``: value → what the customer sees. By value, by label, by number where it was asked for, and else by
    words that no other label has; several, when the words fit several."""
    said = _plain(text)
    values = list(labels)
    if context.asked and (number := _NUMBER.fullmatch(said)):
        at = int(number[1]) - 1
        return [_of(values[at], labels)] if 0 <= at < len(values) else []
    whole = [value for value in values if said in (_plain(value), _plain(labels[value]))]
    if whole:
        return [_of(whole[0], labels)]
    inside = [
        value for value in values if any(f" {name} " in f" {said} " for name in (_plain(value), _plain(labels[value])))
    ]
    return [_of(value, labels) for value in inside or (_by_words(said, labels) if context.asked else [])]


def free_text(text: str, context: Context, longest: int = _LONGEST) -> list[Reading]:
    """Only where it was asked for: nothing else tells that a text is meant for this."""
    line = " ".join(text.split())[: min(longest, _LONGEST)].strip()
    return [Reading(line, line, 0, len(text))] if line and context.asked else []


def _of(value: str, labels: Mapping[str, str]) -> Reading:
    return Reading(value, labels[value])


def _plain(text: str) -> str:
    return " ".join(_WORD.findall(text.lower().replace("_", " ")))


def _by_words(said: str, labels: Mapping[str, str]) -> list[str]:
    words = set(said.split()) - _FILLER
    shared = {value: len(words & set(f"{_plain(value)} {_plain(label)}".split())) for value, label in labels.items()}
    most = max(shared.values(), default=0)
    return [value for value, count in shared.items() if count == most] if most else []
