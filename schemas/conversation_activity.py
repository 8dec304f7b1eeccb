"""Activity beside the messages: stored files, the end of a visitor's session, feedback, and the typing signal."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from schemas.messages import Attachment, Printable, WireModel

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
