"""The desk: events about conversations for the people who work there, and the commands of those people."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from schemas.messages import Citation, Printable, RemoteFile, WireModel, empty_list
from schemas.validation.texts import is_blank

DeskCommandKind = Literal[
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
"""``reply``, ``edit`` and ``delete`` are anything that somebody writes in the thread; whether the contact gets it is
decided later, and once. ``release`` gives up a claim, so that the conversation waits for a person again. ``resend``:
send a line again that may not have arrived."""
Score = Literal[1, 2, 3, 4, 5]
IN_DANGER = "risk: danger to life"
"""The reason for a handoff that comes before all others."""
REASON_SEPARATOR = "; "


def names_surface(by: str) -> bool:
    """Return whether ``by`` is somebody at the desk or the console (``slack:U0123``, ``console:mo``). Both report the
    outcome of a conversation right after it was closed there."""
    return ":" in by


class DeskUpdate(WireModel):
    """``parley.desk.touched.v1``: the desk may show an outdated state of the conversation; the state store has the
    current one. ``changed``: ids of transcript lines whose text or state changed; ``owner``: the owner changed, which
    the desk shows at once. ``erased``: the contact is being erased, so nothing is posted about the conversation any
    more, and ``posts``, by the vendor's ids, are removed. ``deleted_card``: the vendor's id of the card, which somebody
    deleted; if it is the current one, another replaces it."""

    purpose: Literal["desk"] = "desk"
    changed: list[str] = empty_list()
    owner: bool = False
    erased: bool = False
    posts: list[str] = empty_list()
    deleted_card: str = ""
    at: datetime


class DeskCommand(WireModel):
    """``parley.desk.acted.v1``: a person's command at the desk. Whoever appends it has checked that this person may
    give it. ``by`` is a permanent identifier (``slack:U0123``). ``place`` is the thread (``C0123:1700000000.000100``),
    ``external_id`` the message that they wrote or whose button they pressed (``C0123/1700000001.000200``). ``at`` is
    the vendor's time. ``value``: the object of the command (a draft, an approval, a reply, a channel); ``fields``: the
    input of a form."""

    id: str
    purpose: Literal["desk"] = "desk"
    kind: DeskCommandKind
    by: str
    name: Printable = ""
    account: str
    place: str
    external_id: str = ""
    text: Printable = ""
    files: list[RemoteFile] = empty_list()
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


class DraftGenerated(WireModel):
    """``parley.draft.made.v1``: the agent's draft, shown to people only. Empty ``text``: it has no answer, and
    ``reason`` says why."""

    id: str
    purpose: Literal["desk"] = "desk"
    text: Printable
    citations: list[Citation] = empty_list()
    model: str = ""
    reason: str = ""
    at: datetime


class DraftSettled(WireModel):
    """``parley.draft.settled.v1``: a draft and what was sent instead: training data for later. ``sent`` is empty when
    the draft was discarded. ``model``: that wrote the draft; empty in records of older releases."""

    id: str
    draft: Printable
    sent: Printable = ""
    outcome: Literal["sent", "edited", "discarded"]
    model: str = ""
    by: str
    at: datetime


class HandoffResolved(WireModel):
    """``parley.handoff.resolved.v1``: people are done with the conversation. ``ask``: ask the contact once for a
    rating."""

    id: str
    by: str
    name: Printable = ""
    outcome: Printable = ""
    tags: list[Printable] = empty_list()
    note: Printable = ""
    ask: bool = True
    at: datetime


class Resolution(HandoffResolved):
    """The end of handoff ``number``, as the conversation keeps it for colleagues. ``score``: the contact's rating."""

    number: int = 0
    score: Score | None = None

    @property
    def is_empty(self) -> bool:
        return not (self.outcome or self.tags or self.note)


class Rating(WireModel):
    """``parley.rating.given.v1``: the contact's rating of a handoff; 5 is best."""

    message_id: str
    score: Score
    by: str = ""
    at: datetime


class HandoffEnded(WireModel):
    """``parley.handoff.ended.v1``: the figures of one handoff. Times that never came are None. ``ended``: how it
    ended."""

    number: int
    reason: str = ""
    by: str = ""
    ended: Literal["resolved", "returned", "closed"]
    outcome: str = ""
    tags: list[str] = empty_list()
    replies: int = 0
    opened_at: datetime
    claimed_at: datetime | None = None
    first_reply_at: datetime | None = None
    at: datetime


class Handoff(WireModel):
    """The present handoff, or the last one: the period in which people have the conversation. ``number`` counts
    handoffs from 1; transcript lines above ``since_seq`` belong to it. ``summary``: what people should know, in at most
    three lines. ``promised``: promises that people made to the contact. ``ended_at`` is None while it lasts. ``epoch``:
    of the last change of owner to people; until it has passed, people are only requested. ``score``: the contact's
    rating."""

    number: int
    reason: str = ""
    summary: list[str] = empty_list()
    since_seq: int = 0
    opened_at: datetime
    claimed_at: datetime | None = None
    first_reply_at: datetime | None = None
    replies: int = 0
    by: str = ""
    name: str = ""
    promised: list[str] = empty_list()
    reach_at: list[str] = empty_list()
    """E-mail addresses and phone numbers that the contact left while waiting. Nobody has verified them."""
    ended_at: datetime | None = None
    asked: str = ""
    """The message that asks for the rating, until an answer or another message comes."""
    epoch: int = 0
    score: Score | None = None
    unsaid: bool = False
    """Closed at the desk, where the outcome is entered next; the figures are reported after that."""
    waiting: int = 0
    """Conversations that waited for a person when it was opened."""

    @property
    def in_danger(self) -> bool:
        """True if a life may be in danger."""
        return IN_DANGER in self.reason.split(REASON_SEPARATOR)

    @property
    def summary_lines(self) -> list[str]:
        """The summary without lines that only repeat the reason, as the line about open points often does, and where
        the contact wants to be reached."""
        lines = [line for line in self.summary if not is_blank(line) and line.partition(": ")[2] != self.reason]
        left = [f"Left for a reply (not verified): {', '.join(self.reach_at)}"] if self.reach_at else []
        return [*lines, *left]
