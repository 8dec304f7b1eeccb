"""Texts that nobody would see, names on one line, and counts in words."""

from __future__ import annotations

import unicodedata

_INVISIBLE = frozenset({"Cc", "Cf", "Zl", "Zp", "Zs"})


def is_blank(text: str) -> bool:
    """Return whether a reader would see nothing: only spaces, control and zero-width characters."""
    return all(unicodedata.category(character) in _INVISIBLE for character in text)


def require_visible(text: str) -> str:
    """Return the text. Raises ValueError if it is blank."""
    if is_blank(text):
        raise ValueError("must not be empty")
    return text


def join_lines(text: str) -> str:
    """Return a title on one line, as lists and pages show it. Raises ValueError if it is blank."""
    return " ".join(require_visible(text).splitlines())


def require_line(text: str) -> str:
    """Return a name. Raises ValueError if it is blank, or has line breaks."""
    if require_visible(text).splitlines() != [text]:
        raise ValueError("must be on one line")
    return text


def describe_count(number: int, noun: str) -> str:
    """Return "1 file" or "2 files"; a "y" after a consonant becomes "ies"."""
    if number == 1:
        return f"1 {noun}"
    is_regular = not noun.endswith("y") or noun[-2:-1] in "aeiou"
    return f"{number} {noun}s" if is_regular else f"{number} {noun[:-1]}ies"
