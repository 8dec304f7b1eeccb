"""Slack's names of the reactions that mean something, as the emoji that other channels send."""

from __future__ import annotations

from connectors.markup import printable

_NAMED = {
    "+1": "👍",
    "thumbsup": "👍",
    "-1": "👎",
    "thumbsdown": "👎",
    "ok_hand": "👌",
    "white_check_mark": "✅",
    "heavy_check_mark": "✔️",
    "ballot_box_with_check": "☑️",
    "x": "❌",
    "heart": "❤️",
    "eyes": "👀",
    "pray": "🙏",
    "raised_hands": "🙌",
    "clap": "👏",
    "tada": "🎉",
    "wave": "👋",
    "joy": "😂",
    "smile": "😄",
    "slightly_smiling_face": "🙂",
    "disappointed": "😞",
    "cry": "😢",
    "rage": "😡",
    "repeat": "🔁",
    "see_no_evil": "🙈",
    "triangular_flag_on_post": "🚩",
}
_TONES = {f"skin-tone-{number}": chr(0x1F3F9 + number) for number in range(2, 7)}


def emoji(name: str) -> str:
    """``+1::skin-tone-2`` → 👍🏻; a name that is not known here stays one, in colons."""
    plain, _, tone = name.partition("::")
    known = _NAMED.get(plain)
    return known + _TONES.get(tone, "") if known else f":{printable(name)}:"
