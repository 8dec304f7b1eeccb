"""Texts that nobody would see, and names on one line."""

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
