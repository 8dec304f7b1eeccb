"""Graphemes, which readers see as one character, and the units in which vendors measure text.

``regex`` is used for its ``\\X``: extended grapheme clusters after UAX #29, so that a flag, a family emoji or a letter
with accents is never split. The standard library has no equivalent.
"""

from __future__ import annotations

from collections.abc import Callable

import regex

Measure = Callable[[str], int]
"""Length of a text, in the unit of a vendor's limit."""

ELLIPSIS = "…"
CLUSTER = r"(?:[\U0001F1E6-\U0001F1FF]{1,2}[\p{GCB=EX}\p{GCB=ZWJ}\p{GCB=SM}]*|\X)"
"""One grapheme cluster. Flags are matched separately: within a run of flag letters ``\\X`` takes quadratic time."""
_CLUSTER = regex.compile(CLUSTER)


def count_characters(text: str) -> int:
    """Count code points: Slack, WhatsApp."""
    return len(text)


def count_utf16(text: str) -> int:
    """Count UTF-16 code units, two for most emoji: Discord and Twilio, whose documentation leaves the unit open."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def count_utf8(text: str) -> int:
    """Count bytes of UTF-8: Instagram."""
    return len(text.encode("utf-8", "surrogatepass"))


def split_graphemes(text: str) -> list[str]:
    """Split into what a reader sees as characters."""
    clusters: list[str] = _CLUSTER.findall(text)
    return clusters


def clean_text(text: str) -> str:
    """Remove NUL, use ``\\n`` for line ends, pair surrogates, and replace lone ones by U+FFFD: no vendor accepts the
    others."""
    text = text.replace("\x00", "").replace("\r\n", "\n").replace("\r", "\n")
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def shorten(text: str, limit: int, measure: Measure = count_characters) -> str:
    """Put the text on one line and cut it after a whole grapheme, with an ellipsis, if it exceeds the limit."""
    line = " ".join(text.split())
    if measure(line) <= limit:
        return line
    kept = ""
    for cluster in split_graphemes(line):
        if measure(kept + cluster + ELLIPSIS) > limit:
            break
        kept += cluster
    return kept.rstrip() + ELLIPSIS if measure(ELLIPSIS) <= limit else ""
