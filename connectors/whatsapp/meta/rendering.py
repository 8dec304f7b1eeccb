"""Rendering of messages as WhatsApp calls: texts, buttons or a list, files, or a template."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from connectors.markup import PLAIN, WHATSAPP, build_labels, find_labels, is_blank, render, shorten
from connectors.meta_graph.sealed_choices import fits_limits, seal_choices
from connectors.whatsapp.identity import build_recipient
from connectors.whatsapp.meta.files import build_content, can_carry_caption
from schemas.errors import SendRefused
from schemas.messages import Attachment, OutboundMessage
from schemas.ports import RenderContext, VendorCall

OPERATION = "meta.messages"
MAX_TEXT, MAX_BODY, MAX_CAPTION = 4096, 1024, 1024
BUTTONS, BUTTON_TITLE, BUTTON_ID = 3, 20, 256
ROWS, ROW_TITLE, ROW_DESCRIPTION, ROW_ID = 10, 24, 72, 200
MAX_PARAMETER = 900
"""A template's body may have 1,024 characters, including its own text."""

Content = dict[str, Any]


def build_calls(message: OutboundMessage, sending: RenderContext) -> list[VendorCall]:
    """Raises SendRefused."""
    if is_blank(message.text) and not message.attachments and not message.choices:
        raise SendRefused("empty")
    frame = {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        **build_recipient(message.place, sending.contact),
    }
    if not sending.window_open:
        return [VendorCall(OPERATION, {**frame, **_build_template(message, sending)})]
    contents = list(_build_contents(message, sending))
    if not contents:
        raise SendRefused("empty")
    return [VendorCall(OPERATION, {**frame, **content}, files) for content, files in contents]


def _build_contents(
    message: OutboundMessage, sending: RenderContext
) -> Iterator[tuple[Content, tuple[Attachment, ...]]]:
    files = message.attachments
    if (
        can_carry_caption(message)
        and len(parts := _render_parts(message, MAX_TEXT)) == 1
        and len(parts[0]) <= MAX_CAPTION
    ):
        yield build_content(files[0], parts[0]), (files[0],)
        files = files[1:]
    else:
        yield from ((content, ()) for content in _build_texts(message, sending))
    yield from ((build_content(file), (file,)) for file in files)


def _build_texts(message: OutboundMessage, sending: RenderContext) -> Iterator[Content]:
    payloads = seal_choices(message, sending.account)
    has_buttons = fits_limits(message.choices, payloads, most=BUTTONS, title=BUTTON_TITLE, payload=BUTTON_ID)
    has_rows = fits_limits(message.choices, payloads, most=ROWS, title=ROW_DESCRIPTION, payload=ROW_ID)
    parts = _render_parts(message, MAX_BODY, numbered=False) if has_buttons or has_rows else ()
    if not parts:
        yield from (_build_text(part) for part in _render_parts(message, MAX_TEXT))
        return
    yield from (_build_text(part) for part in parts[:-1])
    action = _build_buttons(message, payloads) if has_buttons else _build_list(message, payloads, sending)
    kind = "button" if has_buttons else "list"
    yield {"type": "interactive", "interactive": {"type": kind, "body": {"text": parts[-1]}, "action": action}}


def _build_text(part: str) -> Content:
    return {"type": "text", "text": {"body": part, "preview_url": False}}


def _render_parts(message: OutboundMessage, limit: int, *, numbered: bool = True) -> tuple[str, ...]:
    choices = message.choices if numbered else ()
    return render(
        message.text,
        WHATSAPP,
        limit,
        citations=message.citations,
        choices=choices,
        heading=find_labels(message.locale).sources,
    ).parts


def _build_buttons(message: OutboundMessage, payloads: list[str]) -> Content:
    titles = build_labels(message.choices, BUTTON_TITLE)
    replies = [{"id": id_, "title": title} for id_, title in zip(payloads, titles, strict=True)]
    return {"buttons": [{"type": "reply", "reply": reply} for reply in replies]}


def _build_list(message: OutboundMessage, payloads: list[str], sending: RenderContext) -> Content:
    """A label that is too long for a row's title is repeated in full as its description."""
    rows = []
    for id_, title, choice in zip(payloads, build_labels(message.choices, ROW_TITLE), message.choices, strict=True):
        full_label = shorten(choice.label, ROW_DESCRIPTION)
        rows.append({"id": id_, "title": title} | ({} if full_label == title else {"description": full_label}))
    label = sending.account.settings.list_label or find_labels(message.locale).options
    return {"button": label, "sections": [{"rows": rows}]}


def _build_template(message: OutboundMessage, sending: RenderContext) -> Content:
    """The text goes on one line, because a parameter may hold no line break. Raises SendRefused when it does not
    fit."""
    template = sending.account.settings.template
    if template is None:
        raise SendRefused("window_closed")
    takes_text = any("{text}" in each for each in template.parameters)
    text = " ".join(" ".join(_render_plain(message)).split())
    if takes_text and (message.attachments or not text or len(text) > MAX_PARAMETER):
        raise SendRefused("window_closed")
    parameters = [{"type": "text", "text": each.replace("{text}", text)} for each in template.parameters]
    body = [{"type": "body", "parameters": parameters}] if parameters else []
    language = {"code": template.language}
    return {"type": "template", "template": {"name": template.name, "language": language, "components": body}}


def _render_plain(message: OutboundMessage) -> tuple[str, ...]:
    return render(
        message.text,
        PLAIN,
        MAX_TEXT,
        citations=message.citations,
        choices=message.choices,
        heading=find_labels(message.locale).sources,
    ).parts
