"""A message as the calls that show it on Instagram: texts, quick replies below the last, and files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from connectors.graph.sealed_choices import fit, sealed
from connectors.markup import PLAIN, blank, labels, render, utf8
from schemas.errors import SendRefused
from schemas.messages import Attachment, OutboundMessage
from schemas.ports import Call, Sending

OPERATION = "messages"
MAX_BYTES = 1000
QUICK_REPLIES, TITLE, PAYLOAD = 13, 20, 1000
MEGABYTE = 1024 * 1024
TAKEN: dict[str, tuple[str, int]] = {
    **dict.fromkeys(("image/png", "image/jpeg", "image/gif"), ("image", 8 * MEGABYTE)),
    **dict.fromkeys(("audio/aac", "audio/mp4", "audio/mpeg", "audio/wav", "audio/x-wav"), ("audio", 25 * MEGABYTE)),
    **dict.fromkeys(
        ("video/mp4", "video/ogg", "video/x-msvideo", "video/quicktime", "video/webm"), ("video", 25 * MEGABYTE)
    ),
    "application/pdf": ("file", 25 * MEGABYTE),
}
"""Type → as what, and the largest size in bytes."""

ANYBODY = {"messaging_type": "RESPONSE"}
PERSON = {"messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"}
"""What opens the longer window. A bot must not use it."""


def calls(message: OutboundMessage, sending: Sending) -> list[Call]:
    """``after`` is not sent: it says after which message of the contact a look-up searches. Raises SendRefused."""
    if blank(message.text) and not message.attachments and not message.choices:
        raise SendRefused("empty")
    if not sending.window_open:
        raise SendRefused("window_closed")
    frame = {"recipient": {"id": message.place}, **(PERSON if sending.as_person else ANYBODY)}
    texts = [Call(OPERATION, {**frame, "message": text, "after": sending.answers}) for text in _texts(message, sending)]
    files = [_file(each, {**frame, "after": sending.answers}) for each in message.attachments]
    if not texts and not files:
        raise SendRefused("empty")
    return texts + files


def _texts(message: OutboundMessage, sending: Sending) -> Iterator[Mapping[str, Any]]:
    payloads = sealed(message, sending.account)
    is_quick = fit(message.choices, payloads, most=QUICK_REPLIES, title=TITLE, payload=PAYLOAD)
    is_quick = is_quick and not blank(message.text)
    choices = () if is_quick else message.choices
    parts = render(message.text, PLAIN, MAX_BYTES, utf8, citations=message.citations, choices=choices).parts
    for number, part in enumerate(parts, 1):
        is_last = number == len(parts)
        yield {"text": part} | ({"quick_replies": _replies(message, payloads)} if is_quick and is_last else {})


def _replies(message: OutboundMessage, payloads: list[str]) -> list[dict[str, str]]:
    titles = labels(message.choices, TITLE)
    return [
        {"content_type": "text", "title": title, "payload": payload}
        for title, payload in zip(titles, payloads, strict=True)
    ]


def _file(file: Attachment, frame: Mapping[str, Any]) -> Call:
    """Its address, from which the vendor fetches it, is added when it is sent: it expires."""
    kind, most = TAKEN.get(file.type.partition(";")[0].strip().lower(), ("", 0))
    if not kind:
        raise SendRefused("unsupported_file")
    if file.size > most:
        raise SendRefused("file_too_large")
    return Call(OPERATION, {**frame, "message": {"attachment": {"type": kind}}}, (file,))
