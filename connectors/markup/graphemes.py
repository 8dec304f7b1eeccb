"""What a reader sees as one character, and how vendors count text.

``regex`` is used for its ``\\X``: extended grapheme clusters after UAX #29, so that a flag, a family emoji or a letter
with its accents stays whole. The standard library has nothing like it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

import regex

Measure = Callable[[str], int]
"""Length of a text, in the unit in which a vendor's limit is given."""

ELLIPSIS = "…"
_UNSEEN = frozenset({"Cc", "Cf", "Zl", "Zp", "Zs"})
CLUSTER = r"(?:[\U0001F1E6-\U0001F1FF]{1,2}[\p{GCB=EX}\p{GCB=ZWJ}\p{GCB=SM}]*|\X)"
"""One grapheme cluster. Flags are matched apart: at each letter of one ``\\X`` counts all that stand before it,
which goes with the square of their number."""
_CLUSTER = regex.compile(CLUSTER)


def characters(text: str) -> int:
    """Code points: Slack, WhatsApp."""
    return len(text)


def utf16(text: str) -> int:
    """UTF-16 code units: an emoji counts two. Discord, Twilio; of the two ways they may count, the stricter."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def utf8(text: str) -> int:
    """Bytes of UTF-8: Instagram."""
    return len(text.encode("utf-8", "surrogatepass"))


def graphemes(text: str) -> list[str]:
    """The text, character by character as a reader sees them."""
    found: list[str] = _CLUSTER.findall(text)
    return found


def printable(text: str) -> str:
    """Without NUL, line ends as ``\\n``, surrogates paired; a lone one becomes U+FFFD. No vendor takes the others."""
    text = text.replace("\x00", "").replace("\r\n", "\n").replace("\r", "\n")
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def blank(text: str) -> bool:
    """Whether a reader would see nothing: only spaces, controls and zero-width characters."""
    return all(unicodedata.category(character) in _UNSEEN for character in text)


def shortened(text: str, limit: int, measure: Measure = characters) -> str:
    """The text in one line, cut after a whole grapheme and ended with an ellipsis if it is longer than the limit."""
    line = " ".join(text.split())
    if measure(line) <= limit:
        return line
    kept = ""
    for cluster in graphemes(line):
        if measure(kept + cluster + ELLIPSIS) > limit:
            break
        kept += cluster
    return kept.rstrip() + ELLIPSIS if measure(ELLIPSIS) <= limit else ""
