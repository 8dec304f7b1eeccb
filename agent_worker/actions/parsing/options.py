"""Choices from a fixed list, and free text."""

from __future__ import annotations

import re
from collections.abc import Mapping

from agent_worker.actions.parsing.readings import Context, Reading

_LONGEST = 500
_NUMBER = re.compile(r"(?:nr |no |number |nummer |option )?(\d{1,2})")
_WORD = re.compile(r"\w+")
_FILLER = frozenset(["a", "an", "and", "bitte", "den", "der", "die", "das", "i", "ich", "it", "please", "the", "to"])


def options(text: str, context: Context, labels: Mapping[str, str]) -> list[Reading]:
    """``labels``: value → text that the customer sees. Matches by value, label, number (when it was asked for), else by
    words that no other label has. Several results when the words fit several options."""
    normalized = _normalize(text)
    values = list(labels)
    if context.asked and (number := _NUMBER.fullmatch(normalized)):
        at = int(number[1]) - 1
        return [_of(values[at], labels)] if 0 <= at < len(values) else []
    exact = [value for value in values if normalized in (_normalize(value), _normalize(labels[value]))]
    if exact:
        return [_of(exact[0], labels)]
    inside = [
        value
        for value in values
        if any(f" {name} " in f" {normalized} " for name in (_normalize(value), _normalize(labels[value])))
    ]
    return [_of(value, labels) for value in inside or (_by_words(normalized, labels) if context.asked else [])]


def free_text(text: str, context: Context, longest: int = _LONGEST) -> list[Reading]:
    """Only when it was asked for; nothing else shows that a text belongs to this parameter."""
    line = " ".join(text.split())[: min(longest, _LONGEST)].strip()
    return [Reading(line, line, 0, len(text))] if line and context.asked else []


def _of(value: str, labels: Mapping[str, str]) -> Reading:
    return Reading(value, labels[value])


def _normalize(text: str) -> str:
    return " ".join(_WORD.findall(text.lower().replace("_", " ")))


def _by_words(normalized: str, labels: Mapping[str, str]) -> list[str]:
    words = set(normalized.split()) - _FILLER
    counts = {
        value: len(words & set(f"{_normalize(value)} {_normalize(label)}".split())) for value, label in labels.items()
    }
    best = max(counts.values(), default=0)
    return [value for value, count in counts.items() if count == best] if best else []
