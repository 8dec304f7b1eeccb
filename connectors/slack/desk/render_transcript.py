"""Rendering of transcript lines. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.desk.contents import TranscriptLines
from connectors.desk.port import RenderedPost
from connectors.markup import render
from connectors.slack.blocks import build_section
from connectors.slack.desk import block_kit as kit
from connectors.slack.desk.block_kit import Json
from schemas.content import describe_content, describe_message, map_url
from schemas.messages import Attachment, TranscriptMessage

SPARE_BLOCKS = 2
"""Blocks of a post that stay free, because an edited line may need more."""
AUTHOR_ICONS = {"contact": "💬", "agent": "🤖", "person": "🧑‍💼", "system": "ℹ️"}
AUTHOR_LABELS = {"agent": "agent", "person": "to the customer", "system": "notice"}
MAY_BE_LOST = "⚠️ may not have arrived"
STATE_LABELS = {"failed": "not delivered", "dropped": "never sent", "unknown": MAY_BE_LOST}


def render_lines(content: TranscriptLines) -> RenderedPost:
    contact = content.contact
    blocks = [block for line in content.lines for block in line_blocks(line, contact)]
    texts = (
        f"{_author_name(line, contact)}: {_describe_line(line)}" for line in content.lines if line.state != "deleted"
    )
    return RenderedPost(kit.notification_text("\n".join(texts)), tuple(blocks))


def count_fitting(lines: Sequence[TranscriptMessage], contact: str) -> int:
    """Count the lines that fit into one post; at least 1, even if it needs more than a post."""
    blocks: list[Json] = []
    for number, line in enumerate(lines):
        blocks += line_blocks(line, contact)
        if len(blocks) > kit.MAX_BLOCKS - SPARE_BLOCKS or not kit.fits(blocks):
            return max(number, 1)
    return len(lines)


def line_blocks(line: TranscriptMessage, contact: str) -> list[Json]:
    """Render a line: its author, its time and its whole content."""
    if line.state == "deleted":
        return [_build_heading(line, contact), kit.mrkdwn_section("_Deleted by the customer_")]
    if line.author.kind == "contact":
        blocks = [_build_heading(line, contact), *content_blocks(line), *kit.literal_sections(line.text)]
        return [*blocks, *_build_files(line.attachments)]
    rendered = render(line.text, kit.DESK_MARKUP, kit.MAX_SECTION_TEXT, citations=line.citations, choices=line.choices)
    blocks = [_build_heading(line, contact), *content_blocks(line), *(build_section(part) for part in rendered.parts)]
    if rendered.context:
        blocks.append(kit.context_block(*rendered.context[:9]))
    return [*blocks, *_build_files(line.attachments)]


def content_blocks(line: TranscriptMessage) -> list[Json]:
    """Describe content that is neither text nor file. The map's address is built from the coordinates alone."""
    words = describe_content(line)
    if not words:
        return []
    elements: list[Json | str] = [kit.plain_text(each) for each in words]
    if (at := line.location) is not None:
        elements.append(f"<{map_url(at.lat, at.lon)}|Show on a map>")
    return [kit.context_block(*elements)]


def _build_heading(line: TranscriptMessage, contact: str) -> Json:
    details = [kit.date_token(line.created_at, "{time}")]
    if (label := AUTHOR_LABELS.get(line.author.kind)) is not None:
        details.append(label)
    if line.revision and line.state != "deleted":
        details.append("(edited)")
    if line.author.kind != "contact" and (state := STATE_LABELS.get(line.state)):
        details.append(state)
    return kit.context_block(
        kit.plain_text(f"{AUTHOR_ICONS[line.author.kind]} {_author_name(line, contact)}"), " · ".join(details)
    )


def _author_name(line: TranscriptMessage, contact: str) -> str:
    return line.author.name or (contact if line.author.kind == "contact" else line.author.kind.title())


def _describe_line(line: TranscriptMessage) -> str:
    return describe_message(line) if line.author.kind == "contact" else kit.strip_markdown(describe_message(line))


def _build_files(files: Sequence[Attachment]) -> list[Json]:
    if not files:
        return []
    return [kit.context_block(kit.plain_text("\n".join(f"📎 {file.name}{_file_notes(file)}" for file in files)))]


def _file_notes(file: Attachment) -> str:
    notes = [
        *(["the whole message; only its beginning is shown above"] if file.full_text else []),
        *([f"not available: {file.missing}"] if file.missing else []),
    ]
    return f" ({', '.join(notes)})" if notes else ""
