"""Escaping shared by the dialects: look-alikes for marks that cannot be escaped, and code that cannot be closed
early."""

from __future__ import annotations

from connectors.markup.cells import ZERO_WIDTH_SPACE

LOOK_ALIKES = {"*": "∗", "_": "ˍ", "~": "∼", "`": "ˋ"}
"""Slack and WhatsApp have no escape character, so a mark is replaced by a similar character."""


def replace_marks(cluster: str, before: str, after: str) -> str:
    """Replace a mark by its look-alike, unless it stands alone or inside a word, where it has no effect."""
    is_alone = before.isspace() and after.isspace()
    is_inside_word = before.isalnum() and after.isalnum()
    if (is_alone or is_inside_word) and "`" not in cluster:
        return cluster
    # Character by character: a mark that carries accents, or follows an Arabic number sign, still has its effect.
    return "".join(LOOK_ALIKES.get(character, character) for character in cluster)


def starts_line(before: str) -> bool:
    return before in ("", "\n")


def escape_code(cluster: str, before: str, after: str) -> str:
    """Separate consecutive backticks: three would close the block."""
    return ZERO_WIDTH_SPACE + cluster if cluster[0] == before == "`" else cluster


def percent_encode(text: str, characters: str) -> str:
    """Percent-encode the given characters of an address."""
    for character in characters:
        text = text.replace(character, f"%{ord(character):02X}")
    return text


def label_with_address(label: str, address: str) -> str:
    """A link on channels without links: the label, followed by the address."""
    shown = address.removeprefix("mailto:")
    return shown if label in ("", shown, address) else f"{label} ({shown})"
