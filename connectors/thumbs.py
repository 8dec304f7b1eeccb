"""Reactions that say whether an answer was any good, as the feedback that the web chat's thumbs are."""

from __future__ import annotations

import re
from typing import Literal

from schemas import ids, topics
from schemas.changes import ReactionChanged
from schemas.envelope import Envelope, envelope
from schemas.facts import Feedback

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


def fact(event: Envelope, reaction: ReactionChanged, message_id: str, value: Value) -> Envelope:
    """The same for the same event, each time."""
    return envelope(
        topics.FEEDBACK_GIVEN,
        Feedback(message_id=message_id, contact_id=reaction.contact_id, value=value, at=reaction.at),
        id=ids.derived_id(event.id, "feedback"),
        time=event.time,
        source=f"/connectors/{event.channel}/{event.tenant}/{event.account}",
        tenant=event.tenant,
        channel=event.channel,
        account=event.account,
        conversation=event.conversation,
        correlation_id=event.correlation_id,
        causation_id=message_id,
    )
