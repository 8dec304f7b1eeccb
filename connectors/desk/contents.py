"""The contents of the desk's posts, before any vendor renders them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import orjson

from connectors.desk.rules import TenantDeskRules
from connectors.desk.view import View
from schemas.actions import ApprovalDecided, PendingApproval
from schemas.desk import DeskCommand, DraftGenerated, Resolution
from schemas.messages import Attachment, Citation, TranscriptMessage

NoticeKind = Literal["danger", "remind", "late", "help", "closing", "closed"]
MAX_CARD_LINE = 600
"""Characters of a message that the card shows; the thread has the whole message."""


@dataclass(frozen=True, slots=True)
class Button:
    """A button. ``act``: the command that a press gives (see ``schemas.desk``); ``value``: the object of that
    command."""

    act: str
    label: str
    value: str
    style: Literal["", "primary", "danger"] = ""


@dataclass(frozen=True, slots=True)
class Card:
    """The message that begins a thread and is kept up to date: the contact, the reason, the waiting time and the
    owner."""

    view: View
    rules: TenantDeskRules

    @property
    def buttons(self) -> Sequence[Button]:
        """Buttons for the commands that are possible now. Permission is checked when a button is pressed."""
        owner, conversation = self.view.conversation.owner, self.view.id
        if owner == "queue":
            buttons = [Button("claim", "Claim", conversation, "primary")]
        elif owner == "person":
            buttons = [Button("release", "Release", conversation), Button("draft", "Draft", conversation)]
        else:
            return [Button("claim", "Take over", conversation)] if owner == "agent" else []
        return [
            *buttons,
            Button("return", "Return to agent", conversation),
            Button("transfer", "Transfer", conversation),
            Button("resolve", "Resolve", conversation),
        ]


@dataclass(frozen=True, slots=True)
class CardTransfer:
    """The remainder of a card that was replaced by another one in the channel ``to``."""

    view: View
    to: str


@dataclass(frozen=True, slots=True)
class TranscriptLines:
    """Lines of the transcript. ``contact``: the name of the contact."""

    lines: tuple[TranscriptMessage, ...]
    contact: str


@dataclass(frozen=True, slots=True)
class HandoffNotice:
    """Notice that a conversation with a card was handed over again: a change of the card alone notifies nobody."""

    view: View

    @property
    def is_repeated(self) -> bool:
        return self.view.handoff is not None and self.view.handoff.number > 1

    @property
    def reason(self) -> str:
        return self.view.handoff.reason if self.view.handoff is not None else ""


@dataclass(frozen=True, slots=True)
class TimeNotice:
    """Notice that somebody has to act: ``danger`` to a life, ``remind`` before an answer is due at ``due``, ``late``
    after it, ``help`` when a colleague escalates; ``closing`` and ``closed`` are about the channel's window for
    answers, which ends at ``due``. ``link`` leads to the thread if the notice is posted beside it; ``mention``
    notifies people there."""

    kind: NoticeKind
    since: datetime
    due: datetime
    is_elsewhere: bool = False
    mention: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """An action that waits for approval, with every argument as it is going to be used."""

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
    """The outcome of an approval. ``decisions``: those that count, empty if nobody decided in time."""

    summary: str
    decisions: Sequence[ApprovalDecided]

    @property
    def text(self) -> str:
        """Who decided what, and where."""
        if not self.decisions:
            return "⌛ Not decided in time"
        last = self.decisions[-1].decision
        people = " and ".join(_name_decider(each) for each in self.decisions if each.decision == last)
        return f"{'⛔ Denied' if last == 'deny' else '✅ Approved'} by {people}"


@dataclass(frozen=True, slots=True)
class Draft:
    """An answer that the agent proposes. People send, edit or discard it."""

    draft: DraftGenerated

    @property
    def buttons(self) -> Sequence[Button]:
        return (
            Button("send_draft", "Send", self.draft.id, "primary"),
            Button("edit_draft", "Edit", self.draft.id),
            Button("discard_draft", "Discard", self.draft.id),
        )

    @property
    def text(self) -> str:
        """The text as the customer gets it: without citation numbers, because a person's message has no list of
        sources."""
        return strip_citations(self.draft.text, self.draft.citations)


@dataclass(frozen=True, slots=True)
class DraftOutcome:
    """The end of a draft, with the command that sent or discarded it."""

    command: DeskCommand
    at: datetime


@dataclass(frozen=True, slots=True)
class ResolutionNotice:
    """What people said when they resolved the conversation, or with ``is_rating`` what the contact said about it."""

    resolution: Resolution
    is_rating: bool = False

    @property
    def text(self) -> str:
        resolution = self.resolution
        if self.is_rating:
            return f"⭐ The customer's rating: {resolution.score} of 5"
        said = [f"✅ Resolved by {resolution.name or resolution.by}", resolution.outcome, ", ".join(resolution.tags)]
        return " · ".join(filter(None, said))


@dataclass(frozen=True, slots=True)
class NotDelivered:
    """A reply of a person or the agent that was not delivered."""

    line: TranscriptMessage
    reason: str


@dataclass(frozen=True, slots=True)
class InDoubt:
    """A line that may not have arrived. Only people can decide to send it again."""

    line: TranscriptMessage

    @property
    def buttons(self) -> Sequence[Button]:
        return (Button("resend", "Send again", self.line.id),)


@dataclass(frozen=True, slots=True)
class ErasureNotice:
    """The remainder of a post about a contact who was erased."""

    text: str = "Erased: everything about this contact was deleted."


@dataclass(frozen=True, slots=True)
class WeeklyReport:
    """What became of the conversations of a week, and what to improve. ``figures`` and ``groups`` are lines of their
    own; the latter contain words of contacts. ``link`` leads to the whole report, empty if there is no address."""

    title: str
    figures: tuple[str, ...]
    groups: tuple[str, ...] = ()
    link: str = ""


Content = (
    Card
    | CardTransfer
    | TranscriptLines
    | HandoffNotice
    | TimeNotice
    | ApprovalRequest
    | ApprovalOutcome
    | Draft
    | DraftOutcome
    | ResolutionNotice
    | NotDelivered
    | InDoubt
    | ErasureNotice
    | WeeklyReport
)


def _name_decider(decided: ApprovalDecided) -> str:
    place = {"console": "in the console", "admin": "through the admin API"}.get(decided.surface, "")
    return f"{decided.by} {place}".rstrip()


def is_shown(line: TranscriptMessage) -> bool:
    """Return whether the desk shows a line. A reply that is not sent yet is not shown, because it may be dropped."""
    return not (line.state in ("pending", "dropped") and line.author.kind != "contact")


def is_long(line: TranscriptMessage) -> bool:
    """Return whether the card shows only the beginning of a line."""
    return len(line.text) > MAX_CARD_LINE


def list_stored_files(line: TranscriptMessage) -> tuple[Attachment, ...]:
    """Return the files of a line that are stored."""
    return () if line.state == "deleted" else tuple(file for file in line.attachments if not file.missing)


def summarize_approval(approval: PendingApproval) -> str:
    """Describe the exact action in one line."""
    exact = ", ".join(f"{name}: {format_argument(value)}" for name, value in approval.arguments.items())
    return f"{approval.display_name} ({exact})"


def format_argument(value: object) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def strip_citations(text: str, citations: Iterable[Citation]) -> str:
    """Remove citation numbers, for texts without a list of sources."""
    for each in citations:
        text = text.replace(f" [{each.n}]", "")
    return text
