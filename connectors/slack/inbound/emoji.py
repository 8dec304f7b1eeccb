"""Slack's names of common reactions, with the emoji that other channels send."""

from __future__ import annotations

from connectors.markup import clean_text

_EMOJI = {
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
_SKIN_TONES = {f"skin-tone-{number}": chr(0x1F3F9 + number) for number in range(2, 7)}


def get_emoji(name: str) -> str:
    """``+1::skin-tone-2`` → 👍🏻; an unknown name stays, in colons."""
    base, _, tone = name.partition("::")
    found = _EMOJI.get(base)
    return found + _SKIN_TONES.get(tone, "") if found else f":{clean_text(name)}:"
