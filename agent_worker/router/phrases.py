"""Phrases in a message: for risks and for what somebody says who is upset."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

UPSET = (
    "angry",
    "appalling",
    "awful",
    "complain*",
    "disappoint*",
    "disgrace*",
    "disgust*",
    "does not help",
    "doesn't help",
    "fed up",
    "frustrat*",
    "furious",
    "horrible",
    "joke",
    "never again",
    "not helpful",
    "not what i asked",
    "pathetic",
    "ridiculous",
    "still no answer",
    "still not",
    "still waiting",
    "terrible",
    "unacceptable",
    "unbelievable",
    "useless",
    "waste of time",
    "wasted",
    "worst",
)
_SHOUT = 12
"""Letters, nearly all of them capitals."""


def found_in(text: str, phrases: Sequence[str]) -> str:
    """The first of the phrases that stands in the text, as whole words whatever is between them; empty when none."""
    plain = _plain(text)
    return next((phrase for phrase in phrases if _is_in(phrase, plain)), "")


def upset(text: str, phrases: Sequence[str] = ()) -> float:
    """0–1: how much of it is said in anger. One such word is a half; a shout, or `!!`, is another sign."""
    plain = _plain(text)
    signs = sum(_is_in(phrase, plain) for phrase in (*UPSET, *phrases))
    signs += _is_shouted(text) + ("!!" in text or "?!" in text)
    return min(1.0, signs / 2)


def _is_shouted(text: str) -> bool:
    letters = [letter for letter in text if letter.isalpha()]
    return len(letters) >= _SHOUT and sum(letter.isupper() for letter in letters) > 0.8 * len(letters)


def _plain(text: str) -> str:
    return text.casefold().replace("’", "'")


def _is_in(phrase: str, plain: str) -> bool:
    """Nearly always its longest word alone is not there, which costs a hundredth of looking for all of it."""
    return _longest(phrase) in plain and _pattern(phrase).search(plain) is not None


@lru_cache(maxsize=4096)
def _longest(phrase: str) -> str:
    return max(_plain(phrase).replace("*", "").split(), key=len, default="")


@lru_cache(maxsize=4096)
def _pattern(phrase: str) -> re.Pattern[str]:
    words = [re.escape(word).replace(r"\*", r"\w*") for word in _plain(phrase).split()]
    return re.compile(r"(?<!\w)" + r"\W+".join(words) + r"(?!\w)")
