"""What is told about messages on ``parley.events``: facts that no message carries itself."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from schemas.messages import Attachment, Printable, WireModel

# What a worker signals to the connectors of a channel while it works. No record: it may be lost (design §5).


def topic(channel: str) -> str:
    """The topic of ``Signals``."""
    return f"writing:{channel}"


class Writing(WireModel):
    """An answer to message ``answers`` (the vendor's id) is being written at this place."""

    tenant: str
    account: str
    place: str
    answers: str
    at: datetime


class FilesStored(WireModel):
    """``parley.files.stored.v1``: what became of the files of an inbound message, and what a voice note says
    (``text``). A rebuild has no other source for it: the vendors' copies are gone by then."""

    message_id: str
    attachments: list[Attachment]
    text: Printable = ""
    at: datetime


class SessionEnded(WireModel):
    """``parley.session.ended.v1``: a visitor signed out. No token of this session is accepted before ``until``, by
    which the last of them has expired. A rebuild has no other source for it."""

    session: str
    until: datetime
    at: datetime


class Feedback(WireModel):
    """``parley.feedback.given.v1``: the contact's thumb on one reply. Of several by one contact the newest holds;
    ``none`` takes the earlier ones back."""

    message_id: str
    contact_id: str = ""
    value: Literal["up", "down", "none"]
    comment: Printable = ""
    at: datetime
