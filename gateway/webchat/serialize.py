"""A line of the transcript as the contact sees it: the chat message of contract §2."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from connectors.markup import render_html, render_plain_html
from connectors.outbound.rendering import render_within_deadline
from gateway.webchat.attachments import AttachmentDesk
from schemas.messages import Attachment, TranscriptMessage

HIDDEN = frozenset({"pending", "dropped"})
"""States of lines that the contact has not been sent, and may never be."""


def visible(lines: Sequence[TranscriptMessage]) -> list[TranscriptMessage]:
    """Without what was written but not sent."""
    return [line for line in lines if line.author.kind == "contact" or line.state not in HIDDEN]


async def chat_messages(
    lines: Sequence[TranscriptMessage], tenant: str, attachments: AttachmentDesk
) -> list[dict[str, Any]]:
    return await render_within_deadline(
        lambda: [chat_message(line, tenant, attachments) for line in lines],
        (line.text for line in lines if line.author.kind != "contact"),
        surface="web",
    )


def chat_message(line: TranscriptMessage, tenant: str, attachments: AttachmentDesk) -> dict[str, Any]:
    """JSON-ready. What a contact wrote is shown as it was typed; all else is markdown."""
    typed = line.author.kind == "contact"
    return {
        "seq": line.seq,
        "id": line.id,
        "author": {"kind": line.author.kind, "name": line.author.name},
        "text": line.text,
        "html": render_plain_html(line.text) if typed else render_html(line.text),
        "citations": [
            {"n": cited.n, "document": cited.document, "title": cited.title, "url": cited.url, "quote": cited.quote}
            for cited in line.citations
        ],
        "choices": [{"id": choice.id, "label": choice.label} for choice in line.choices],
        "attachments": [_attachment(stored, tenant, attachments) for stored in line.attachments],
        "created_at": instant(line.created_at),
        "in_reply_to": line.in_reply_to or None,
        "state": line.state,
        **_content(line),
    }


def _content(line: TranscriptMessage) -> dict[str, Any]:
    """What is neither text nor file; each field is there only where a message has it."""
    shown: dict[str, Any] = {}
    for name in ("location", "referral", "quote", "unsupported"):
        if (part := getattr(line, name)) is not None:
            shown[name] = part.model_dump()
    if line.contacts:
        shown["contacts"] = [each.model_dump() for each in line.contacts]
    return shown


def _attachment(stored: Attachment, tenant: str, attachments: AttachmentDesk) -> dict[str, Any]:
    """``missing`` stands only where a file could not be had, and says why."""
    shown = {"id": stored.id, "name": stored.name, "type": stored.type, "size": stored.size}
    if stored.missing:
        return shown | {"url": "", "missing": stored.missing}
    return shown | {"url": attachments.url(tenant, stored.id)}


def instant(at: datetime) -> str:
    """RFC 3339, UTC, milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
