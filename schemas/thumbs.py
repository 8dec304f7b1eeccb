"""Reactions that say yes or no to a message."""

from __future__ import annotations

import re
from typing import Literal

from schemas.changes import ReactionChanged

Value = Literal["up", "down", "none"]
THUMBS: dict[str, Value] = {
    **dict.fromkeys(("👍", ":+1:", ":thumbsup:", ":thumbs_up:"), "up"),
    **dict.fromkeys(("👎", ":-1:", ":thumbsdown:", ":thumbs_down:"), "down"),
}
_DRESS = re.compile("[\U0001f3fb-\U0001f3ff\ufe0e\ufe0f]|(?<=:):skin-tone-[2-6]:")
"""Skin tones, and which way a character is drawn."""


def value_of(reaction: ReactionChanged) -> Value | None:
    """What the contact's feedback is from now on; None when the reaction says nothing about that. Where a contact has
    one reaction only, any other than a thumb takes an earlier thumb back."""
    thumb = THUMBS.get(_DRESS.sub("", reaction.emoji))
    if reaction.taken_back:
        return "none" if thumb or reaction.only else None
    return "none" if thumb is None and reaction.only else thumb
