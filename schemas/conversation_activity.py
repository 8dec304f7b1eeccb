"""Activity beside the messages: edits, deletions, reactions, changes of the contact, stored files, the end of a
visitor's session, feedback, and the typing signal."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Literal

from pydantic import Field

from schemas.messages import Address, Attachment, Printable, WireModel, empty_list

# The signal from a worker to a channel's connectors while it works. It is no record and may be lost.


def typing_topic(channel: str) -> str:
    """The topic in ``Signals``."""
    return f"writing:{channel}"


class TypingSignal(WireModel):
    """An answer to message ``answers`` (the vendor's id) is being written at this place."""

    tenant: str
    account: str
    place: str
    answers: str
    at: datetime


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


class FilesStored(WireModel):
    """``parley.files.stored.v1``: the stored files of an inbound message, with the transcriptions of voice notes. A
    rebuild has no other source for them: the vendors' copies are gone by then. ``text``: a transcription in the form of
    earlier releases."""

    message_id: str
    attachments: list[Attachment]
    text: Printable = ""
    at: datetime


class SessionEnded(WireModel):
    """``parley.session.ended.v1``: a visitor signed out. No token of this session is accepted before ``until``, when
    the last of them has expired. A rebuild has no other source for it."""

    session: str
    until: datetime
    at: datetime


class Feedback(WireModel):
    """``parley.feedback.given.v1``: the contact's thumb on one reply. A contact's newest feedback counts; ``none``
    removes the earlier one."""

    message_id: str
    contact_id: str = ""
    value: Literal["up", "down", "none"]
    comment: Printable = ""
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
