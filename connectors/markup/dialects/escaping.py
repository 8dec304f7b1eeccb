"""Kept in common by the dialects: look-alikes for marks that cannot be escaped, code that cannot end early."""

from __future__ import annotations

from connectors.markup.cells import ZERO_WIDTH_SPACE

LOOK_ALIKES = {"*": "∗", "_": "ˍ", "~": "∼", "`": "ˋ"}
"""Slack and WhatsApp have no escape character. A mark that would be eaten is better shown as its neighbour."""


def unmarked(cluster: str, before: str, after: str) -> str:
    """A mark as its look-alike, unless it stands alone or inside a word, where it marks nothing."""
    alone = before.isspace() and after.isspace()
    inside_word = before.isalnum() and after.isalnum()
    if (alone or inside_word) and "`" not in cluster:
        return cluster
    # Character by character: a mark may carry accents, or follow an Arabic number sign, and is live all the same.
    return "".join(LOOK_ALIKES.get(character, character) for character in cluster)


def starts_line(before: str) -> bool:
    return before in ("", "\n")


def code(cluster: str, before: str, after: str) -> str:
    """Backticks in a row are put apart: three would end the block."""
    return ZERO_WIDTH_SPACE + cluster if cluster[0] == before == "`" else cluster


def percent(text: str, characters: str) -> str:
    """An address with the given characters percent-encoded."""
    for character in characters:
        text = text.replace(character, f"%{ord(character):02X}")
    return text


def labelled(label: str, address: str) -> str:
    """A link where the channel has no links: the label, then where it leads."""
    shown = address.removeprefix("mailto:")
    return shown if label in ("", shown, address) else f"{label} ({shown})"
