"""Match a contact's answer in words to the choices of a question."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from schemas.messages import Choice

_NUMBER = re.compile(r"(?:(?:option|number|nummer|choice|no\.|nr\.?)\s?)?[#(\[]?(\d{1,3})[.):\]]*", re.IGNORECASE)
_NUMBERED = re.compile(r"(\d{1,3})[.)]\s*(\D.*)", re.DOTALL)
_KEYCAP = str.maketrans("", "", "\ufe0f\u20e3")
"""Marks that make a keycap: 2️⃣ is the digit 2 in a box."""


def match_choice(text: str, choices: Sequence[Choice]) -> Choice | None:
    """The choice that the text clearly selects: by its number in any script's digits, by its whole label, or by both.
    None for anything else, also when number and label select different choices."""
    typed = collapse_whitespace(unicodedata.normalize("NFKC", text).translate(_KEYCAP))
    matches = _by_label(typed, choices)
    if numbered := _NUMBER.fullmatch(typed):
        matches += _by_number(int(numbered.group(1)), choices)
    elif numbered := _NUMBERED.fullmatch(typed):
        matches += [
            one
            for one in _by_number(int(numbered.group(1)), choices)
            if _normalize_label(one.label) == _normalize_label(numbered.group(2))
        ]
    return matches[0] if matches and all(one is matches[0] for one in matches) else None


def _by_number(number: int, choices: Sequence[Choice]) -> list[Choice]:
    return [choices[number - 1]] if 1 <= number <= len(choices) else []


def _by_label(typed: str, choices: Sequence[Choice]) -> list[Choice]:
    return [
        choice
        for choice in choices
        if _normalize_label(typed) and _normalize_label(choice.label) == _normalize_label(typed)
    ]


def collapse_whitespace(text: str) -> str:
    return " ".join(text.split())


def fold_case(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _normalize_label(text: str) -> str:
    """A label as people type it: without surrounding punctuation, in lower case. A label of nothing but punctuation,
    such as a thumb, is kept."""
    plain = collapse_whitespace(fold_case(text.translate(_KEYCAP)))
    start, end = 0, len(plain)
    while start < end and _is_edge(plain[start]):
        start += 1
    while end > start and _is_edge(plain[end - 1]):
        end -= 1
    return plain[start:end] or plain


def _is_edge(character: str) -> bool:
    return unicodedata.category(character)[0] in "PZ" or character in "\u200b\u200d\ufeff"
