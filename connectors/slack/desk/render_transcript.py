"""Lines of the transcript as posts in the thread. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from connectors.markup import render
from connectors.slack.blocks import section
from connectors.slack.desk import block_kit as kit
from connectors.slack.desk.block_kit import Json
from schemas.content import all_words, content_words, map_url
from schemas.messages import Attachment, TranscriptMessage

ROOM = 2
"""Blocks that are left free: a line that is edited may need more."""
ICONS = {"contact": "💬", "agent": "🤖", "person": "🧑‍💼", "system": "ℹ️"}
WHO = {"agent": "agent", "person": "to the customer", "system": "notice"}
MAY_BE_LOST = "⚠️ may not have arrived"
NOT_SENT = {"failed": "not delivered", "dropped": "never sent", "unknown": MAY_BE_LOST}


@dataclass(frozen=True, slots=True)
class Said:
    """Some lines in one post."""

    lines: tuple[TranscriptMessage, ...]
    blocks: tuple[Json, ...]
    text: str


def is_shown(line: TranscriptMessage) -> bool:
    """A reply that is not out yet may never be."""
    return not (line.state in ("pending", "dropped") and line.author.kind != "contact")


def blocks_of(line: TranscriptMessage, contact: str) -> list[Json]:
    """Whoever said it, when, and all of what they said."""
    if line.state == "deleted":
        return [_heading(line, contact), kit.marked("_Deleted by the customer_")]
    if line.author.kind == "contact":
        return [_heading(line, contact), *content(line), *kit.exact(line.text), *_files(line.attachments)]
    rendered = render(line.text, kit.DESK, kit.MOST_TEXT, citations=line.citations, choices=line.choices)
    blocks = [_heading(line, contact), *content(line), *(section(part) for part in rendered.parts)]
    if rendered.context:
        blocks.append(kit.small(*rendered.context[:9]))
    return [*blocks, *_files(line.attachments)]


def content(line: TranscriptMessage) -> list[Json]:
    """What is neither text nor file, in words. The map's address is ours, made of the numbers alone."""
    words = content_words(line)
    if not words:
        return []
    elements: list[Json | str] = [kit.plain(each) for each in words]
    if (at := line.location) is not None:
        elements.append(f"<{map_url(at.lat, at.lon)}|Show on a map>")
    return [kit.small(*elements)]


def _heading(line: TranscriptMessage, contact: str) -> Json:
    about = [kit.moment(line.created_at, "{time}")]
    if (said := WHO.get(line.author.kind)) is not None:
        about.append(said)
    if line.revision and line.state != "deleted":
        about.append("(edited)")
    if line.author.kind != "contact" and (lost := NOT_SENT.get(line.state)):
        about.append(lost)
    return kit.small(kit.plain(f"{ICONS[line.author.kind]} {_who(line, contact)}"), " · ".join(about))


def _who(line: TranscriptMessage, contact: str) -> str:
    return line.author.name or (contact if line.author.kind == "contact" else line.author.kind.title())


def _files(files: Sequence[Attachment]) -> list[Json]:
    if not files:
        return []
    return [kit.small(kit.plain("\n".join(f"📎 {file.name}{_about(file)}" for file in files)))]


def _about(file: Attachment) -> str:
    notes = [
        *(["the whole message; what you see above is its beginning"] if file.full_text else []),
        *([f"not to be had: {file.missing}"] if file.missing else []),
    ]
    return f" ({', '.join(notes)})" if notes else ""


def posts(lines: Sequence[TranscriptMessage], contact: str) -> Iterator[Said]:
    """As few posts as Slack's limits allow. A line with files ends its post, so that they stand below it; one that
    needs more than a whole post stands alone."""
    gathered: list[TranscriptMessage] = []
    blocks: list[Json] = []
    for line in lines:
        own = blocks_of(line, contact)
        if gathered and not _has_room([*blocks, *own]):
            yield _said(gathered, blocks, contact)
            gathered, blocks = [], []
        gathered.append(line)
        blocks += own
        if stored(line) or not _has_room(blocks):
            yield _said(gathered, blocks, contact)
            gathered, blocks = [], []
    if gathered:
        yield _said(gathered, blocks, contact)


def _has_room(blocks: Sequence[Json]) -> bool:
    return len(blocks) <= kit.MOST_BLOCKS - ROOM and kit.fits(blocks)


def again(lines: Sequence[TranscriptMessage], contact: str) -> Said:
    """The same lines as they are by now."""
    return _said(lines, [block for line in lines for block in blocks_of(line, contact)], contact)


def _said(lines: Sequence[TranscriptMessage], blocks: Sequence[Json], contact: str) -> Said:
    text = "\n".join(f"{_who(line, contact)}: {_words(line)}" for line in lines if line.state != "deleted")
    return Said(tuple(lines), tuple(blocks), kit.notice(text))


def _words(line: TranscriptMessage) -> str:
    return all_words(line) if line.author.kind == "contact" else kit.unmarked(all_words(line))


def stored(line: TranscriptMessage) -> tuple[Attachment, ...]:
    """The files of a line that we have."""
    return () if line.state == "deleted" else tuple(file for file in line.attachments if not file.missing)
