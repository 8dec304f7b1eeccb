"""Events that change something after a message was sent: edits, deletions, reactions, and the contact's own data."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Literal

from pydantic import Field

from schemas.messages import Address, Attachment, Printable, WireModel, empty_list


class MessageEdited(WireModel):
    """``parley.message.edited.v1``: the contact edited message ``message_id``. ``parley.message.revise.v1``: a person
    edited a message to the contact, and it is to be edited on the channel too. ``revision`` rises with every edit, as
    the vendor counts; an edit after one with a higher revision changes nothing. 0: the vendor does not count, and edits
    apply as they come. ``attachments`` are added to those of the message: the full text, when it is too long for a
    message."""

    message_id: str
    place: str
    contact_id: str
    text: Printable
    attachments: list[Attachment] = empty_list()
    edited_at: datetime
    revision: int = Field(default=0, ge=0)


class MessageDeleted(WireModel):
    """``parley.message.deleted.v1``: the contact deleted message ``message_id``. ``parley.message.retract.v1``: a
    person deleted a message to the contact, and it is to be deleted on the channel too."""

    message_id: str
    place: str
    contact_id: str
    deleted_at: datetime


class ReactionChanged(WireModel):
    """``parley.reaction.changed.v1``: the contact reacted to a message, or removed a reaction. ``external_id`` is the
    vendor's id of the message, theirs or ours. ``only``: the vendor allows one reaction per contact, so the contact has
    no other; a removal may then come without an emoji."""

    external_id: str
    place: str
    contact_id: str
    emoji: Printable
    taken_back: bool = False
    only: bool = False
    at: datetime


class ContactChanged(WireModel):
    """``parley.contact.changed.v1``: the contact has a new address, or told the vendor whether it may be written to
    (``opted_out``; None: nothing was said) or whether it wants marketing messages (``marketing_opted_out``). ``left``:
    addresses that are no longer theirs."""

    place: str
    contact_id: str
    name: Printable = ""
    opted_out: bool | None = None
    marketing_opted_out: bool | None = None
    left: list[Address] = []
    at: datetime


# Reactions that count as feedback on a message.
FeedbackValue = Literal["up", "down", "none"]
THUMBS: dict[str, FeedbackValue] = {
    **dict.fromkeys(("👍", ":+1:", ":thumbsup:", ":thumbs_up:"), "up"),
    **dict.fromkeys(("👎", ":-1:", ":thumbsdown:", ":thumbs_down:"), "down"),
}
_EMOJI_VARIANTS = re.compile("[\U0001f3fb-\U0001f3ff\ufe0e\ufe0f]|(?<=:):skin-tone-[2-6]:")
"""Skin tones and variation selectors."""


def feedback_value(reaction: ReactionChanged) -> FeedbackValue | None:
    """The contact's feedback after this reaction; None when the reaction is no feedback. If a contact has only one
    reaction, any other one removes an earlier thumb."""
    thumb = THUMBS.get(_EMOJI_VARIANTS.sub("", reaction.emoji))
    if reaction.taken_back:
        return "none" if thumb or reaction.only else None
    return "none" if thumb is None and reaction.only else thumb
