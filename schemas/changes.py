"""What changes after a message was said: its words, reactions to it, and who its contact is."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Literal

from pydantic import Field

from schemas.messages import Address, Attachment, Printable, WireModel, empty


class MessageEdited(WireModel):
    """``parley.message.edited.v1``: the contact changed message ``message_id``. ``parley.message.revise.v1``: a person
    changed what they said to the contact, to be changed there too. ``revision`` rises with every change of
    it, as its vendor counts; one that comes after a higher one changes nothing. 0: not told, it counts as it comes.
    ``attachments`` are added to those of the message: all of a text that is too long for one."""

    message_id: str
    place: str
    contact_id: str
    text: Printable
    attachments: list[Attachment] = empty()
    edited_at: datetime
    revision: int = Field(default=0, ge=0)


class MessageDeleted(WireModel):
    """``parley.message.deleted.v1``: the contact took message ``message_id`` back. ``parley.message.retract.v1``: a
    person took back what they said to the contact, to be deleted there too."""

    message_id: str
    place: str
    contact_id: str
    deleted_at: datetime


class ReactionChanged(WireModel):
    """``parley.reaction.changed.v1``: the contact reacted to a message, or took that back. ``external_id`` is the
    vendor's id of the message, theirs or ours. ``only``: the contact has no other reaction to it, because the vendor
    keeps one; what was taken back may then be without an emoji."""

    external_id: str
    place: str
    contact_id: str
    emoji: Printable
    taken_back: bool = False
    only: bool = False
    at: datetime


class ContactChanged(WireModel):
    """``parley.contact.changed.v1``: the contact has another address from now on, or told the vendor whether it may be
    written to (``opted_out``; None: nothing was said about that) or wants marketing messages
    (``marketing_opted_out``). ``left``: addresses that are no longer theirs."""

    place: str
    contact_id: str
    name: Printable = ""
    opted_out: bool | None = None
    marketing_opted_out: bool | None = None
    left: list[Address] = []
    at: datetime


# Reactions that say yes or no to a message.
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
