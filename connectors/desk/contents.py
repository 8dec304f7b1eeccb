"""The contents of the desk's posts, before any vendor renders them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import orjson

from connectors.desk.rules import DeskRules
from connectors.desk.view import View
from schemas.actions import PendingApproval
from schemas.desk import DeskCommand, DraftGenerated
from schemas.messages import Attachment, Citation, TranscriptMessage

NoticeKind = Literal["remind", "late", "help", "closing", "closed"]
LONG_LINE = 600
"""Characters of a message that the card shows; the whole of a longer one is in the thread."""


@dataclass(frozen=True, slots=True)
class Button:
    """``act`` is what a press of it tells (see ``schemas.desk``), ``value`` what that is about."""

    act: str
    label: str
    value: str
    style: Literal["", "primary", "danger"] = ""


@dataclass(frozen=True, slots=True)
class Card:
    """The message that begins a thread, and is kept up to date: who waits, for what, since when, and who has it."""

    view: View
    rules: DeskRules

    @property
    def buttons(self) -> Sequence[Button]:
        """For what can be done with it now; whether somebody may do it is decided when it is done."""
        owner, this = self.view.conversation.owner, self.view.id
        if owner == "queue":
            acts = [Button("claim", "Claim", this, "primary")]
        elif owner == "person":
            acts = [Button("release", "Release", this), Button("draft", "Draft", this)]
        else:
            return [Button("claim", "Take over", this)] if owner == "agent" else []
        return [
            *acts,
            Button("return", "Return to agent", this),
            Button("transfer", "Transfer", this),
            Button("resolve", "Resolve", this),
        ]


@dataclass(frozen=True, slots=True)
class CardTransfer:
    """The rest of a card whose conversation has another one now, in the channel ``to``."""

    view: View
    to: str


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines of the transcript. ``contact``: the name of the contact."""

    lines: tuple[TranscriptMessage, ...]
    contact: str


@dataclass(frozen=True, slots=True)
class HandoffNotice:
    """Says that a conversation with a card is handed over once more: a card that changes calls nobody."""

    view: View

    @property
    def is_repeated(self) -> bool:
        return self.view.handoff is not None and self.view.handoff.number > 1

    @property
    def reason(self) -> str:
        return self.view.handoff.reason if self.view.handoff is not None else ""


@dataclass(frozen=True, slots=True)
class TimeNotice:
    """Says that time has passed: ``remind`` before an answer is due at ``due``, ``late`` after it, ``help`` where a
    colleague asks for it; ``closing`` and ``closed`` are of the channel's window for answers, which ends at ``due``.
    ``link`` leads to the thread from where others are told, ``mention`` calls whoever is there."""

    kind: NoticeKind
    since: datetime
    due: datetime
    is_elsewhere: bool = False
    mention: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """An action that waits for a colleague's yes, with every argument as it is going to be used."""

    approval: PendingApproval
    contact: str

    @property
    def buttons(self) -> Sequence[Button]:
        return (
            Button("approve", "Approve", self.approval.id, "primary"),
            Button("deny", "Deny", self.approval.id, "danger"),
        )


@dataclass(frozen=True, slots=True)
class ApprovalOutcome:
    """The outcome of an approval. ``decided`` is None where it was decided elsewhere, or by nobody."""

    summary: str
    decided: DeskCommand | None
    is_expired: bool


@dataclass(frozen=True, slots=True)
class Draft:
    """An answer that the agent proposes, to be sent as it is, changed first, or discarded."""

    made: DraftGenerated

    @property
    def buttons(self) -> Sequence[Button]:
        return (
            Button("send_draft", "Send", self.made.id, "primary"),
            Button("edit_draft", "Edit", self.made.id),
            Button("discard_draft", "Discard", self.made.id),
        )

    @property
    def text(self) -> str:
        """As the customer gets it: a person's words come without a list of sources."""
        return strip_citations(self.made.text, self.made.citations)


@dataclass(frozen=True, slots=True)
class DraftOutcome:
    """The end of a draft, and who brought it about."""

    acted: DeskCommand
    at: datetime


@dataclass(frozen=True, slots=True)
class NotDelivered:
    """A person's reply that has not arrived."""

    line: TranscriptMessage
    reason: str


@dataclass(frozen=True, slots=True)
class InDoubt:
    """A line that may not have arrived: only people can decide to send it a second time."""

    line: TranscriptMessage

    @property
    def buttons(self) -> Sequence[Button]:
        return (Button("resend", "Send again", self.line.id),)


Content = (
    Card
    | CardTransfer
    | Lines
    | HandoffNotice
    | TimeNotice
    | ApprovalRequest
    | ApprovalOutcome
    | Draft
    | DraftOutcome
    | NotDelivered
    | InDoubt
)


def is_shown(line: TranscriptMessage) -> bool:
    """Tell whether people see a line: a reply that is not out yet may never be."""
    return not (line.state in ("pending", "dropped") and line.author.kind != "contact")


def is_long(line: TranscriptMessage) -> bool:
    """Tell whether the card shows only the beginning of a line."""
    return len(line.text) > LONG_LINE


def list_stored_files(line: TranscriptMessage) -> tuple[Attachment, ...]:
    """Return the files of a line that we have."""
    return () if line.state == "deleted" else tuple(file for file in line.attachments if not file.missing)


def summarize_approval(approval: PendingApproval) -> str:
    """Put the exact action into one line."""
    exact = ", ".join(f"{name}: {format_argument(value)}" for name, value in approval.arguments.items())
    return f"{approval.display_name} ({exact})"


def format_argument(value: object) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def strip_citations(text: str, citations: Iterable[Citation]) -> str:
    """Leave out the numbers of its sources, for where no list of them follows."""
    for each in citations:
        text = text.replace(f" [{each.n}]", "")
    return text
