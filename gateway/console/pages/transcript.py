"""A transcript with what lies behind it: sources, files, receipts, and why the agent answered as it did."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from connectors.markup import render_html, render_plain_html
from gateway.console.html import Html, joined, moment, outside, tag
from gateway.console.pages.turn_reasons import turn_details
from gateway.webchat.attachments import AttachmentDesk
from schemas.content import describe_content, describe_message, map_url
from schemas.conversation import Turn
from schemas.messages import Attachment, Citation, TranscriptMessage

STATES = {
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
Resend = Callable[[TranscriptMessage], Html | None]
AUTHORS = {"contact": "Visitor", "agent": "Agent", "person": "Colleague", "system": "System"}


class TranscriptView:
    """``attachments`` signs addresses beneath this server's own."""

    def __init__(self, attachments: AttachmentDesk) -> None:
        self._attachments = attachments

    def shown(
        self, tenant: str, lines: Sequence[TranscriptMessage], turns: Sequence[Turn], resend: Resend = lambda _: None
    ) -> Html:
        """``resend``: the form with which a line that may be lost is sent again."""
        behind = _by_line(lines, turns)
        items = [self._line(tenant, line, behind.get(line.id, []), resend(line)) for line in lines]
        last = lines[-1] if lines else None
        told = f"{_author(last)} wrote: {describe_message(last)[:300]}" if last is not None else None
        return tag("ol", items, class_="transcript", aria_label="Transcript", data_told=told)

    def _line(self, tenant: str, line: TranscriptMessage, turns: Sequence[Turn], resend: Html | None) -> Html:
        typed = line.author.kind == "contact"
        state = STATES.get(line.state, line.state)
        return tag(
            "li",
            tag("p", tag("b", _author(line)), _kind(line), " ", moment(line.created_at), class_="by"),
            _content(line),
            tag("div", Html(render_plain_html(line.text) if typed else render_html(line.text)), class_="text")
            if line.text
            else None,
            self._files(tenant, line.attachments),
            tag("p", "Offered: ", " · ".join(each.label for each in line.choices), class_="offered")
            if line.choices
            else None,
            _sources(line),
            tag("p", state, class_=f"receipt {line.state}") if state else None,
            resend,
            [turn_details(turn) for turn in turns],
            class_=f"line {line.author.kind} {line.state}",
            id=f"line-{line.seq}",
        )

    def _files(self, tenant: str, files: Sequence[Attachment]) -> Html | None:
        if not files:
            return None
        return tag("ul", [tag("li", self._file(tenant, file)) for file in files], class_="files")

    def _file(self, tenant: str, file: Attachment) -> Html:
        note = ". The message was too long: this is all of it, above is its beginning." if file.full_text else ""
        if file.missing:
            return joined(f"{file.name}: {file.missing}{note}")
        size = f" ({file.type}, {max(1, round(file.size / 1024))} KiB){note}"
        return joined(tag("a", file.name, href=self._attachments.url(tenant, file.id), target="_blank"), size)


def _content(line: TranscriptMessage) -> Html | None:
    """What is neither text nor file, in words. The map's address is ours, made of the numbers alone."""
    words = [tag("li", each) for each in describe_content(line)]
    if not words:
        return None
    if (at := line.location) is not None:
        words.append(tag("li", outside(map_url(at.lat, at.lon), "Show on a map")))
    return tag("ul", words, class_="content")


def _by_line(lines: Sequence[TranscriptMessage], turns: Sequence[Turn]) -> dict[str, list[Turn]]:
    """Each turn under its first reply; one that left none under the last message that it handled."""
    first: dict[str, str] = {}
    for line in lines:
        if line.turn_id:
            first.setdefault(line.turn_id, line.id)
    there = {line.id for line in lines}
    out: dict[str, list[Turn]] = {}
    for turn in turns:
        handled = [id_ for id_ in turn.handled if id_ in there]
        place = first.get(turn.id) or (handled[-1] if handled else "")
        out.setdefault(place, []).append(turn)
    return out


def _author(line: TranscriptMessage) -> str:
    return line.author.name or AUTHORS[line.author.kind]


def _kind(line: TranscriptMessage) -> Html | None:
    """Names are anybody's to choose; what somebody is, is not."""
    return tag("span", line.author.kind, class_="kind") if line.author.name else None


def _sources(line: TranscriptMessage) -> Html | None:
    if not line.citations:
        return None
    items = [_source(cited) for cited in line.citations]
    return tag("details", tag("summary", f"Sources ({len(items)})"), tag("ol", items), id=f"sources-{line.seq}")


def _source(cited: Citation) -> Html:
    title = outside(cited.url, cited.title) if cited.url else joined(cited.title)
    where = f" · {cited.heading}" if cited.heading else None
    version = f" · version {cited.version}" if cited.version else None
    return tag("li", title, where, version, tag("blockquote", cited.quote), value=cited.n)
