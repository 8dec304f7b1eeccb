"""The desk: what is told of conversations to people who work on them, and what those people do there (design §3)."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from schemas.messages import Citation, Printable, RemoteFile, WireModel, empty

DeskAct = Literal[
    "claim",
    "release",
    "return",
    "resolve",
    "transfer",
    "escalate",
    "reply",
    "edit",
    "delete",
    "undo",
    "note",
    "draft",
    "send_draft",
    "discard_draft",
    "resend",
    "approve",
    "deny",
]
"""``reply``, ``edit`` and ``delete`` are what somebody writes in the thread, whoever it is: whether the contact gets it
is decided later, and once. ``release`` lets go of a claim: the conversation waits for a person again. ``resend``: send
a line that may not have arrived a second time."""
Score = Literal[1, 2, 3, 4, 5]


def names_surface(by: str) -> bool:
    """Whether somebody is named after the desk or the console where they acted (``slack:U0123``, ``console:mo``), which
    tell what came of a conversation right after it was closed there."""
    return ":" in by


class DeskTouched(WireModel):
    """``parley.desk.touched.v1``: what the desk shows of the conversation may not be as it is any more. The state
    alone says how it is. ``changed``: lines of the transcript whose words or state changed; ``owner``: somebody else
    may speak since, which people want to see at once."""

    purpose: Literal["desk"] = "desk"
    changed: list[str] = empty()
    owner: bool = False
    at: datetime


class DeskActed(WireModel):
    """``parley.desk.acted.v1``: what a person did at the desk. Whoever appends it has checked that this person may act
    there. ``by`` names them for good (``slack:U0123``). ``place`` is the thread (``C0123:1700000000.000100``),
    ``external_id`` the message that they wrote or pressed at (``C0123/1700000001.000200``). ``at`` is the vendor's
    time of the act. ``value``: what it is about (a draft, an approval, a reply, a channel); ``fields``: what a form
    holds."""

    id: str
    purpose: Literal["desk"] = "desk"
    kind: DeskAct
    by: str
    name: Printable = ""
    account: str
    place: str
    external_id: str = ""
    text: Printable = ""
    files: list[RemoteFile] = empty()
    value: str = ""
    fields: dict[str, list[Printable]] = Field(default_factory=dict)
    revision: int = 0
    at: datetime

    @property
    def desk(self) -> str:
        """The kind of desk at which it was done, which begins the ids of its people."""
        return self.by.partition(":")[0]


class DraftRequested(WireModel):
    """``parley.draft.requested.v1``: a person wants to read what the agent would answer now. ``id`` is the draft's."""

    id: str
    by: str
    name: Printable = ""
    hint: Printable = ""
    at: datetime


class DraftMade(WireModel):
    """``parley.draft.made.v1``: what the agent would answer; shown to people only. Empty ``text``: it has no answer,
    and ``reason`` says why."""

    id: str
    purpose: Literal["desk"] = "desk"
    text: Printable
    citations: list[Citation] = empty()
    model: str = ""
    reason: str = ""
    at: datetime


class DraftSettled(WireModel):
    """``parley.draft.settled.v1``: what became of a draft: the pair that later training learns from. ``sent`` is empty
    when it was discarded."""

    id: str
    draft: Printable
    sent: Printable = ""
    outcome: Literal["sent", "edited", "discarded"]
    by: str
    at: datetime


class HandoffResolved(WireModel):
    """``parley.handoff.resolved.v1``: people are done with the conversation. ``ask``: the contact is asked, once, how
    it went."""

    id: str
    by: str
    name: Printable = ""
    outcome: Printable = ""
    tags: list[Printable] = empty()
    note: Printable = ""
    ask: bool = True
    at: datetime


class RatingGiven(WireModel):
    """``parley.rating.given.v1``: the contact's answer to how it went; 5 is best."""

    message_id: str
    score: Score
    by: str = ""
    at: datetime


class HandoffEnded(WireModel):
    """``parley.handoff.ended.v1``: the figures of one stretch in which people had the conversation. Times that never
    came are None. ``ended``: how."""

    number: int
    reason: str = ""
    by: str = ""
    ended: Literal["resolved", "returned", "closed"]
    outcome: str = ""
    tags: list[str] = empty()
    replies: int = 0
    opened_at: datetime
    claimed_at: datetime | None = None
    first_reply_at: datetime | None = None
    at: datetime


class Handoff(WireModel):
    """The stretch in which people have the conversation, or had it last. ``number`` counts them from 1; lines of the
    transcript above ``since_seq`` belong to it. ``summary``: what people should know, in at most three lines.
    ``promised``: what people told the contact that will happen. ``ended_at`` is None while it lasts. ``epoch``: of the
    last change to people; until it is past, they are only asked for. ``score``: how the contact says that it went."""

    number: int
    reason: str = ""
    summary: list[str] = empty()
    since_seq: int = 0
    opened_at: datetime
    claimed_at: datetime | None = None
    first_reply_at: datetime | None = None
    replies: int = 0
    by: str = ""
    name: str = ""
    promised: list[str] = empty()
    ended_at: datetime | None = None
    asked: str = ""
    """The message that asks how it went, while neither an answer nor another message has come."""
    epoch: int = 0
    score: Score | None = None
    unsaid: bool = False
    """It was closed at the desk, which says what came of it next; its figures wait for that."""
