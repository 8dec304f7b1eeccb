"""Lines of the transcript as Slack's blocks. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.desk.contents import Lines
from connectors.desk.port import RenderedPost
from connectors.markup import render
from connectors.slack.blocks import build_section
from connectors.slack.desk import block_kit as kit
from connectors.slack.desk.block_kit import Json
from schemas.content import describe_content, describe_message, map_url
from schemas.messages import Attachment, TranscriptMessage

ROOM = 2
"""Blocks that are left free: a line that is edited may need more."""
ICONS = {"contact": "💬", "agent": "🤖", "person": "🧑‍💼", "system": "ℹ️"}
WHO = {"agent": "agent", "person": "to the customer", "system": "notice"}
MAY_BE_LOST = "⚠️ may not have arrived"
NOT_SENT = {"failed": "not delivered", "dropped": "never sent", "unknown": MAY_BE_LOST}


def render_lines(content: Lines) -> RenderedPost:
    contact = content.contact
    blocks = [block for line in content.lines for block in line_blocks(line, contact)]
    said = (f"{_author(line, contact)}: {_words(line)}" for line in content.lines if line.state != "deleted")
    return RenderedPost(kit.notification_text("\n".join(said)), tuple(blocks))


def count_fitting(shown: Sequence[TranscriptMessage], contact: str) -> int:
    """One that needs more than a whole post stands alone."""
    blocks: list[Json] = []
    for number, line in enumerate(shown):
        blocks += line_blocks(line, contact)
        if len(blocks) > kit.MAX_BLOCKS - ROOM or not kit.fits(blocks):
            return max(number, 1)
    return len(shown)


def line_blocks(line: TranscriptMessage, contact: str) -> list[Json]:
    """Show who said it, when, and all of what they said."""
    if line.state == "deleted":
        return [_heading(line, contact), kit.mrkdwn_section("_Deleted by the customer_")]
    if line.author.kind == "contact":
        blocks = [_heading(line, contact), *content_blocks(line), *kit.literal_sections(line.text)]
        return [*blocks, *_files(line.attachments)]
    rendered = render(line.text, kit.DESK, kit.MOST_TEXT, citations=line.citations, choices=line.choices)
    blocks = [_heading(line, contact), *content_blocks(line), *(build_section(part) for part in rendered.parts)]
    if rendered.context:
        blocks.append(kit.context_block(*rendered.context[:9]))
    return [*blocks, *_files(line.attachments)]


def content_blocks(line: TranscriptMessage) -> list[Json]:
    """Show in words what is neither text nor file. The map's address is ours, made of the numbers alone."""
    words = describe_content(line)
    if not words:
        return []
    elements: list[Json | str] = [kit.plain_text(each) for each in words]
    if (at := line.location) is not None:
        elements.append(f"<{map_url(at.lat, at.lon)}|Show on a map>")
    return [kit.context_block(*elements)]


def _heading(line: TranscriptMessage, contact: str) -> Json:
    about = [kit.date_token(line.created_at, "{time}")]
    if (said := WHO.get(line.author.kind)) is not None:
        about.append(said)
    if line.revision and line.state != "deleted":
        about.append("(edited)")
    if line.author.kind != "contact" and (lost := NOT_SENT.get(line.state)):
        about.append(lost)
    return kit.context_block(kit.plain_text(f"{ICONS[line.author.kind]} {_author(line, contact)}"), " · ".join(about))


def _author(line: TranscriptMessage, contact: str) -> str:
    return line.author.name or (contact if line.author.kind == "contact" else line.author.kind.title())


def _words(line: TranscriptMessage) -> str:
    return describe_message(line) if line.author.kind == "contact" else kit.strip_markdown(describe_message(line))


def _files(files: Sequence[Attachment]) -> list[Json]:
    if not files:
        return []
    return [kit.context_block(kit.plain_text("\n".join(f"📎 {file.name}{_file_notes(file)}" for file in files)))]


def _file_notes(file: Attachment) -> str:
    notes = [
        *(["the whole message; what you see above is its beginning"] if file.full_text else []),
        *([f"not to be had: {file.missing}"] if file.missing else []),
    ]
    return f" ({', '.join(notes)})" if notes else ""
