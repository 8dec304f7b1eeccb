"""Search for phrases in messages, for risk topics and for upset contacts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from agent_worker.nlu.classification import is_upset

_MIN_SHOUT_LETTERS = 12
"""Letters, nearly all of them capitals."""


def find_phrase(text: str, phrases: Sequence[str]) -> str:
    """The first of the phrases that occurs in the text as whole words, whatever separates them; empty for none."""
    plain = _normalize(text)
    return next((phrase for phrase in phrases if _is_in(phrase, plain)), "")


def anger_score(text: str, phrases: Sequence[str] = ()) -> float:
    """0–1. Angry words, each of ``phrases``, shouting, and `!!` are a half each."""
    plain = _normalize(text)
    signs = is_upset(text) + sum(_is_in(phrase, plain) for phrase in phrases)
    signs += _is_shouted(text) + ("!!" in text or "?!" in text)
    return min(1.0, signs / 2)


def _is_shouted(text: str) -> bool:
    letters = [letter for letter in text if letter.isalpha()]
    return len(letters) >= _MIN_SHOUT_LETTERS and sum(letter.isupper() for letter in letters) > 0.8 * len(letters)


def _normalize(text: str) -> str:
    return text.casefold().replace("’", "'")


def _is_in(phrase: str, plain: str) -> bool:
    """Checks for the longest word first, because it is usually missing and the check is a hundred times faster."""
    return _longest_word(phrase) in plain and _pattern(phrase).search(plain) is not None


@lru_cache(maxsize=4096)
def _longest_word(phrase: str) -> str:
    return max(_normalize(phrase).replace("*", "").split(), key=len, default="")


@lru_cache(maxsize=4096)
def _pattern(phrase: str) -> re.Pattern[str]:
    words = [re.escape(word).replace(r"\*", r"\w*") for word in _normalize(phrase).split()]
    return re.compile(r"(?<!\w)" + r"\W+".join(words) + r"(?!\w)")
