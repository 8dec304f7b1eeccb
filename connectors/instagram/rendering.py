"""Rendering of messages as Instagram calls: texts, quick replies below the last, and files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from connectors.markup import PLAIN, build_labels, count_utf8, find_labels, is_blank, render
from connectors.meta_graph.sealed_choices import fits_limits, seal_choices
from schemas.errors import SendRefused
from schemas.messages import Attachment, OutboundMessage
from schemas.ports import RenderContext, VendorCall

OPERATION = "messages"
MAX_BYTES = 1000
MAX_QUICK_REPLIES, MAX_TITLE, MAX_PAYLOAD = 13, 20, 1000
MEGABYTE = 1024 * 1024
FILE_TYPES: dict[str, tuple[str, int]] = {
    **dict.fromkeys(("image/png", "image/jpeg", "image/gif"), ("image", 8 * MEGABYTE)),
    **dict.fromkeys(("audio/aac", "audio/mp4", "audio/mpeg", "audio/wav", "audio/x-wav"), ("audio", 25 * MEGABYTE)),
    **dict.fromkeys(
        ("video/mp4", "video/ogg", "video/x-msvideo", "video/quicktime", "video/webm"), ("video", 25 * MEGABYTE)
    ),
    "application/pdf": ("file", 25 * MEGABYTE),
}
"""Media type → how it is sent, and the largest size in bytes."""

RESPONSE = {"messaging_type": "RESPONSE"}
HUMAN_AGENT = {"messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"}
"""Opens the longer window. Bots must not use it."""


def build_calls(message: OutboundMessage, sending: RenderContext) -> list[VendorCall]:
    """``after`` is not sent: it is the contact's message after which a lookup searches. Raises SendRefused."""
    if is_blank(message.text) and not message.attachments and not message.choices:
        raise SendRefused("empty")
    if not sending.window_open:
        raise SendRefused("window_closed")
    frame = {"recipient": {"id": message.place}, **(HUMAN_AGENT if sending.as_person else RESPONSE)}
    texts = [
        VendorCall(OPERATION, {**frame, "message": text, "after": sending.answers})
        for text in _build_texts(message, sending)
    ]
    files = [_build_file_call(each, {**frame, "after": sending.answers}) for each in message.attachments]
    if not texts and not files:
        raise SendRefused("empty")
    return texts + files


def _build_texts(message: OutboundMessage, sending: RenderContext) -> Iterator[Mapping[str, Any]]:
    payloads = seal_choices(message, sending.account)
    has_quick_replies = fits_limits(
        message.choices, payloads, most=MAX_QUICK_REPLIES, title=MAX_TITLE, payload=MAX_PAYLOAD
    )
    has_quick_replies = has_quick_replies and not is_blank(message.text)
    choices = () if has_quick_replies else message.choices
    parts = render(
        message.text,
        PLAIN,
        MAX_BYTES,
        count_utf8,
        citations=message.citations,
        choices=choices,
        heading=find_labels(message.locale).sources,
    ).parts
    for number, part in enumerate(parts, 1):
        is_last = number == len(parts)
        yield {"text": part} | (
            {"quick_replies": _build_quick_replies(message, payloads)} if has_quick_replies and is_last else {}
        )


def _build_quick_replies(message: OutboundMessage, payloads: list[str]) -> list[dict[str, str]]:
    titles = build_labels(message.choices, MAX_TITLE)
    return [
        {"content_type": "text", "title": title, "payload": payload}
        for title, payload in zip(titles, payloads, strict=True)
    ]


def _build_file_call(file: Attachment, frame: Mapping[str, Any]) -> VendorCall:
    """The address from which the vendor fetches the file expires, so it is added when sending."""
    kind, most = FILE_TYPES.get(file.type.partition(";")[0].strip().lower(), ("", 0))
    if not kind:
        raise SendRefused("unsupported_file")
    if file.size > most:
        raise SendRefused("file_too_large")
    return VendorCall(OPERATION, {**frame, "message": {"attachment": {"type": kind}}}, (file,))
