"""Transcript lines as JSON that clients read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from connectors.markup import render_html, render_plain_html
from connectors.outbound.rendering import render_within_deadline
from gateway.storage.attachments import AttachmentService
from schemas.messages import Attachment, TranscriptMessage
from schemas.validation.times import convert_to_utc

HIDDEN_STATES = frozenset({"pending", "dropped"})
"""States of lines that were not sent to the contact, and perhaps never will be."""


def filter_visible(lines: Sequence[TranscriptMessage]) -> list[TranscriptMessage]:
    """Return the lines without those that were not sent."""
    return [line for line in lines if line.author.kind == "contact" or line.state not in HIDDEN_STATES]


async def serialize_messages(
    lines: Sequence[TranscriptMessage], tenant: str, attachments: AttachmentService
) -> list[dict[str, Any]]:
    return await render_within_deadline(
        lambda: [serialize_message(line, tenant, attachments) for line in lines],
        (line.text for line in lines if line.author.kind != "contact"),
        surface="web",
    )


def serialize_message(line: TranscriptMessage, tenant: str, attachments: AttachmentService) -> dict[str, Any]:
    """Convert a line to JSON values. Text of contacts is shown as typed; all other text is Markdown."""
    is_plain = line.author.kind == "contact"
    return {
        "seq": line.seq,
        "id": line.id,
        "author": {"kind": line.author.kind, "name": line.author.name},
        "text": line.text,
        "html": render_plain_html(line.text) if is_plain else render_html(line.text),
        "citations": [
            {"n": cited.n, "document": cited.document, "title": cited.title, "url": cited.url, "quote": cited.quote}
            for cited in line.citations
        ],
        "choices": [{"id": choice.id, "label": choice.label} for choice in line.choices],
        "attachments": [_serialize_attachment(stored, tenant, attachments) for stored in line.attachments],
        "created_at": format_instant(line.created_at),
        "in_reply_to": line.in_reply_to or None,
        "state": line.state,
        **_serialize_content(line),
    }


def _serialize_content(line: TranscriptMessage) -> dict[str, Any]:
    """Return the content other than text and files. A field is present only if the message has it."""
    fields: dict[str, Any] = {}
    for name in ("location", "referral", "quote", "unsupported"):
        if (part := getattr(line, name)) is not None:
            fields[name] = part.model_dump()
    if line.contacts:
        fields["contacts"] = [each.model_dump() for each in line.contacts]
    return fields


def _serialize_attachment(stored: Attachment, tenant: str, attachments: AttachmentService) -> dict[str, Any]:
    """``missing`` is present only if the file is not available, and tells why."""
    fields: dict[str, Any] = {"id": stored.id, "name": stored.name, "type": stored.type, "size": stored.size}
    if stored.speech is not None:
        fields["speech"] = stored.speech.model_dump()
    if stored.missing:
        return fields | {"url": "", "missing": stored.missing}
    return fields | {"url": attachments.sign_url(tenant, stored.id)}


def format_instant(at: datetime) -> str:
    """Format a time by RFC 3339, in UTC with milliseconds."""
    return convert_to_utc(at).isoformat(timespec="milliseconds").replace("+00:00", "Z")
