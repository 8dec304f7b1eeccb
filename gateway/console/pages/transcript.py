"""The rendering of a transcript with its sources, files, receipts and turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

from connectors.markup import render_html, render_plain_html
from gateway.console.pages.turn_reasons import TurnReasons, describe_turn
from gateway.console.rendering import render
from gateway.storage.attachments import INLINE_TYPES, AttachmentService
from schemas.content import describe_content, describe_message, map_url
from schemas.conversation import Turn
from schemas.messages import Attachment, TranscriptMessage
from schemas.transcript import find_written_text, is_audio

STATE_LABELS = {
    "pending": "Not sent yet",
    "accepted": "Accepted",
    "unknown": "May not have arrived",
    "sent": "Sent",
    "delivered": "Delivered",
    "read": "Read",
    "failed": "Failed: the contact did not get it",
    "dropped": "Dropped: the contact does not see it",
    "deleted": "Deleted",
    "answered": "Answered",
    "received": "",
}
AUTHOR_NAMES = {"contact": "Visitor", "agent": "Agent", "person": "Colleague", "system": "System"}


@dataclass(frozen=True, slots=True)
class ResendForm:
    """Sends a line again that may be lost."""

    action: str
    csrf: str


@dataclass(frozen=True, slots=True)
class File:
    """``shown``: how the page shows it beside its name. ``transcript``: what a voice note says."""

    name: str
    url: str
    remark: str
    shown: Literal["", "picture", "sound"] = ""
    transcript: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a transcript, with what its message means in words."""

    message: TranscriptMessage
    author: str
    text: Markup
    content: list[str]
    map_url: str
    """Our own, made of the coordinates alone."""
    files: list[File]
    state: str
    turns: list[TurnReasons]


class TranscriptView:
    """Renders transcripts. ``attachments`` must sign relative URLs."""

    def __init__(self, attachments: AttachmentService) -> None:
        self._attachments = attachments

    def render(
        self, tenant: str, lines: Sequence[TranscriptMessage], turns: Sequence[Turn], resend: ResendForm | None = None
    ) -> Markup:
        turns_by_line = _group_turns(lines, turns)
        last = lines[-1] if lines else None
        return render(
            "transcript.html",
            lines=[self._describe_line(tenant, line, turns_by_line.get(line.id, [])) for line in lines],
            announcement=f"{_name_author(last)} wrote: {describe_message(last)[:300]}" if last is not None else None,
            resend=resend,
        )

    def _describe_line(self, tenant: str, line: TranscriptMessage, turns: Sequence[Turn]) -> Line:
        render_text = render_plain_html if line.author.kind == "contact" else render_html
        at = line.location
        return Line(
            message=line,
            author=_name_author(line),
            text=Markup(render_text(find_written_text(line))),  # noqa: S704 - both return safe HTML
            content=describe_content(line),
            map_url=map_url(at.lat, at.lon) if at is not None else "",
            files=[self._describe_file(tenant, file) for file in line.attachments],
            state=STATE_LABELS.get(line.state, line.state),
            turns=[describe_turn(turn) for turn in turns],
        )

    def _describe_file(self, tenant: str, file: Attachment) -> File:
        note = (
            ". The message was too long: this file contains all of it, the text above only its beginning."
            if file.full_text
            else ""
        )
        if file.missing:
            return File(file.name, "", f": {file.missing}{note}")
        size = f" ({file.type}, {max(1, round(file.size / 1024))} KiB){note}"
        transcript = file.speech.text if file.speech is not None else ""
        return File(file.name, self._attachments.sign_url(tenant, file.id), size, _choose_element(file), transcript)


def _choose_element(file: Attachment) -> Literal["", "picture", "sound"]:
    if file.type in INLINE_TYPES:
        return "picture"
    return "sound" if is_audio(file) else ""


def _group_turns(lines: Sequence[TranscriptMessage], turns: Sequence[Turn]) -> dict[str, list[Turn]]:
    """Group the turns by line: under the first reply, or without a reply, under the last message handled."""
    first_replies: dict[str, str] = {}
    for line in lines:
        if line.turn_id:
            first_replies.setdefault(line.turn_id, line.id)
    known = {line.id for line in lines}
    out: dict[str, list[Turn]] = {}
    for turn in turns:
        handled = [id_ for id_ in turn.handled if id_ in known]
        place = first_replies.get(turn.id) or (handled[-1] if handled else "")
        out.setdefault(place, []).append(turn)
    return out


def _name_author(line: TranscriptMessage) -> str:
    return line.author.name or AUTHOR_NAMES[line.author.kind]
