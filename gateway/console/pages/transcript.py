"""The rendering of a transcript with its sources, files, receipts and turns."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from connectors.markup import render_html, render_plain_html
from gateway.console.html import Html, external_link, join, tag, time_tag
from gateway.console.pages.turn_reasons import render_turn
from gateway.storage.attachments import AttachmentService
from schemas.content import describe_content, describe_message, map_url
from schemas.conversation import Turn
from schemas.messages import Attachment, Citation, TranscriptMessage

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
RenderResendForm = Callable[[TranscriptMessage], Html | None]
AUTHOR_NAMES = {"contact": "Visitor", "agent": "Agent", "person": "Colleague", "system": "System"}


class TranscriptView:
    """Renders transcripts. ``attachments`` must sign relative URLs."""

    def __init__(self, attachments: AttachmentService) -> None:
        self._attachments = attachments

    def render(
        self,
        tenant: str,
        lines: Sequence[TranscriptMessage],
        turns: Sequence[Turn],
        resend: RenderResendForm = lambda _: None,
    ) -> Html:
        """Render the lines. ``resend`` renders the form to send a line again that may be lost."""
        turns_by_line = _group_turns(lines, turns)
        items = [self._render_line(tenant, line, turns_by_line.get(line.id, []), resend(line)) for line in lines]
        last = lines[-1] if lines else None
        announcement = f"{_name_author(last)} wrote: {describe_message(last)[:300]}" if last is not None else None
        return tag("ol", items, class_="transcript", aria_label="Transcript", data_announce=announcement)

    def _render_line(self, tenant: str, line: TranscriptMessage, turns: Sequence[Turn], resend: Html | None) -> Html:
        is_plain = line.author.kind == "contact"
        state = STATE_LABELS.get(line.state, line.state)
        return tag(
            "li",
            tag("p", tag("b", _name_author(line)), _render_kind(line), " ", time_tag(line.created_at), class_="by"),
            _render_content(line),
            tag("div", Html(render_plain_html(line.text) if is_plain else render_html(line.text)), class_="text")
            if line.text
            else None,
            self._render_files(tenant, line.attachments),
            tag("p", "Offered: ", " · ".join(each.label for each in line.choices), class_="offered")
            if line.choices
            else None,
            _render_sources(line),
            tag("p", state, class_=f"receipt {line.state}") if state else None,
            resend,
            [render_turn(turn) for turn in turns],
            class_=f"line {line.author.kind} {line.state}",
            id=f"line-{line.seq}",
        )

    def _render_files(self, tenant: str, files: Sequence[Attachment]) -> Html | None:
        if not files:
            return None
        return tag("ul", [tag("li", self._render_file(tenant, file)) for file in files], class_="files")

    def _render_file(self, tenant: str, file: Attachment) -> Html:
        note = (
            ". The message was too long: this file contains all of it, the text above only its beginning."
            if file.full_text
            else ""
        )
        if file.missing:
            return join(f"{file.name}: {file.missing}{note}")
        size = f" ({file.type}, {max(1, round(file.size / 1024))} KiB){note}"
        return join(tag("a", file.name, href=self._attachments.sign_url(tenant, file.id), target="_blank"), size)


def _render_content(line: TranscriptMessage) -> Html | None:
    """Render content other than text and files. The map's URL is our own, made of the coordinates alone."""
    items = [tag("li", each) for each in describe_content(line)]
    if not items:
        return None
    if (at := line.location) is not None:
        items.append(tag("li", external_link(map_url(at.lat, at.lon), "Show on a map")))
    return tag("ul", items, class_="content")


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


def _render_kind(line: TranscriptMessage) -> Html | None:
    """Render the kind of author beside a name, since anybody can choose any name."""
    return tag("span", line.author.kind, class_="kind") if line.author.name else None


def _render_sources(line: TranscriptMessage) -> Html | None:
    if not line.citations:
        return None
    items = [_render_source(cited) for cited in line.citations]
    return tag("details", tag("summary", f"Sources ({len(items)})"), tag("ol", items), id=f"sources-{line.seq}")


def _render_source(cited: Citation) -> Html:
    title = external_link(cited.url, cited.title) if cited.url else join(cited.title)
    heading = f" · {cited.heading}" if cited.heading else None
    version = f" · version {cited.version}" if cited.version else None
    return tag("li", title, heading, version, tag("blockquote", cited.quote), value=cited.n)
