"""What a contact means who answers a question with choices in words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from schemas.messages import Choice

_NUMBER = re.compile(r"[#(\[]?(\d{1,3})[.):\]]*")
_NUMBERED = re.compile(r"(\d{1,3})[.)]\s*(\D.*)", re.DOTALL)
_KEYCAP = str.maketrans("", "", "\ufe0f\u20e3")
"""2️⃣ is the digit 2 in a box."""


def chosen(text: str, choices: Sequence[Choice]) -> Choice | None:
    """The choice that a contact surely means: by its number in any script's digits, by its whole label, or by both.
    None for anything else, also for a text that means one choice as a number and another as a label."""
    typed = one_line(unicodedata.normalize("NFKC", text).translate(_KEYCAP))
    meant = _by_label(typed, choices)
    if found := _NUMBER.fullmatch(typed):
        meant += _at(int(found.group(1)), choices)
    elif found := _NUMBERED.fullmatch(typed):
        meant += [one for one in _at(int(found.group(1)), choices) if _bare(one.label) == _bare(found.group(2))]
    return meant[0] if meant and all(one is meant[0] for one in meant) else None


def _at(number: int, choices: Sequence[Choice]) -> list[Choice]:
    return [choices[number - 1]] if 1 <= number <= len(choices) else []


def _by_label(typed: str, choices: Sequence[Choice]) -> list[Choice]:
    return [choice for choice in choices if _bare(typed) and _bare(choice.label) == _bare(typed)]


def one_line(text: str) -> str:
    return " ".join(text.split())


def folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _bare(text: str) -> str:
    """A label as people type it: without the punctuation around it, in whatever case. A label that is nothing but
    punctuation, such as a thumb, is kept."""
    plain = one_line(folded(text.translate(_KEYCAP)))
    start, end = 0, len(plain)
    while start < end and _edge(plain[start]):
        start += 1
    while end > start and _edge(plain[end - 1]):
        end -= 1
    return plain[start:end] or plain


def _edge(character: str) -> bool:
    return unicodedata.category(character)[0] in "PZ" or character in "\u200b\u200d\ufeff"
