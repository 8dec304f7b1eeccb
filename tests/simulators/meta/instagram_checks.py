"""Checks what Instagram refuses to send, and renders what a person sees."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.simulators.meta.errors import GraphError, make_missing_error
from tests.simulators.meta.media import MEGABYTE

TEXT_BYTES = 1000
REACTIONS = {"love": "❤", "wow": "😮", "sad": "😢", "laugh": "😆", "angry": "😠", "like": "👍"}
ACTIONS = ("typing_on", "typing_off", "mark_seen", "react", "unreact")
MEDIA_TYPES: dict[str, dict[str, int]] = {
    "image": dict.fromkeys(("image/png", "image/jpeg", "image/gif"), 8 * MEGABYTE),
    "audio": dict.fromkeys(("audio/aac", "audio/mp4", "audio/mpeg", "audio/wav", "audio/x-wav"), 25 * MEGABYTE),
    "video": dict.fromkeys(
        ("video/mp4", "video/ogg", "video/x-msvideo", "video/quicktime", "video/webm"), 25 * MEGABYTE
    ),
    "file": {"application/pdf": 25 * MEGABYTE},
}


@dataclass(slots=True)
class Choice:
    """Something to tap: a quick reply, or a button (``is_postback``)."""

    title: str
    payload: str
    is_postback: bool


@dataclass(slots=True)
class ShownContent:
    text: str = ""
    choices: list[Choice] = field(default_factory=list)
    media: list[tuple[str, str]] = field(default_factory=list)
    """Kind and address."""


def make_content_error(message: str, *, subcode: int | None = None) -> GraphError:
    return GraphError(100, f"(#100) {message}", subcode=subcode)


def check_content(message: Any) -> ShownContent:
    """Raises GraphError."""
    if not isinstance(message, dict):
        raise make_missing_error("message")
    for name in message.keys() - {"text", "attachment", "attachments", "quick_replies", "metadata"}:
        raise make_content_error(f"Unexpected key {name!r} on param message")
    parts = [name for name in ("text", "attachment", "attachments") if name in message]
    if len(parts) != 1:
        raise make_content_error("Message must have exactly one of text, attachment and attachments", subcode=2018001)
    if parts == ["text"]:
        return ShownContent(_text(message["text"]), _quick_replies(message.get("quick_replies", [])))
    if parts == ["attachment"]:
        return _attachment(message["attachment"])
    many = message["attachments"]
    if not isinstance(many, list) or not 1 <= len(many) <= 10:
        raise make_content_error("attachments must be a list of 1 to 10")
    media = [each for one in many for each in _attachment(one).media]
    if any(kind != "image" for kind, _ in media) or len(media) != len(many):
        raise make_content_error("attachments takes images only")
    return ShownContent(media=media)


def _text(text: Any) -> str:
    if not isinstance(text, str) or not text.strip():
        raise make_content_error("Empty text", subcode=2018001)
    if len(text.encode()) > TEXT_BYTES:
        raise make_content_error(f"Length of param message[text] must be less than or equal to {TEXT_BYTES}")
    return text


def _quick_replies(replies: Any) -> list[Choice]:
    if not isinstance(replies, list) or len(replies) > 13:
        raise make_content_error("quick_replies takes at most 13")
    choices = []
    for reply in replies:
        if reply.get("content_type") not in ("text", "user_phone_number", "user_email"):
            raise make_content_error("quick_replies[content_type] must be text, user_phone_number or user_email")
        if reply["content_type"] != "text":
            continue
        # A longer title is cut, not refused.
        title, payload = str(reply.get("title", ""))[:20], str(reply.get("payload", ""))
        if not title or not payload or len(payload) > 1000:
            raise make_content_error("quick_replies needs a title, and a payload of at most 1000 characters")
        choices.append(Choice(title, payload, is_postback=False))
    return choices


def _attachment(attachment: Any) -> ShownContent:
    if not isinstance(attachment, dict) or not isinstance(attachment.get("payload"), dict):
        raise make_missing_error("message[attachment][payload]")
    kind, payload = attachment.get("type"), attachment["payload"]
    if kind == "template":
        return _template(payload)
    if kind not in MEDIA_TYPES and kind not in ("MEDIA_SHARE", "like_heart"):
        raise make_content_error(f"Invalid attachment type {kind!r}")
    if kind not in MEDIA_TYPES:
        return ShownContent(text=f"[{kind}]")
    if not isinstance(payload.get("url"), str) or not payload["url"].startswith("http"):
        raise make_missing_error("message[attachment][payload][url]")
    return ShownContent(media=[(str(kind), payload["url"])])


def _template(payload: dict[str, Any]) -> ShownContent:
    if payload.get("template_type") == "button":
        text = payload.get("text")
        if not isinstance(text, str) or not 1 <= len(text) <= 640:
            raise make_content_error("A button template needs a text of 1 to 640 characters")
        return ShownContent(text, _buttons(payload.get("buttons"), least=1))
    if payload.get("template_type") != "generic":
        raise make_content_error("template_type must be generic or button")
    elements = payload.get("elements")
    if not isinstance(elements, list) or not 1 <= len(elements) <= 10:
        raise make_content_error("A generic template needs 1 to 10 elements")
    sight = ShownContent()
    lines = []
    for element in elements:
        lines.append(_element(element))
        sight.choices += _buttons(element.get("buttons", []), least=0)
    sight.text = "\n".join(lines)
    return sight


def _element(element: dict[str, Any]) -> str:
    if not isinstance(element.get("title"), str) or not 1 <= len(element["title"]) <= 80:
        raise make_content_error("An element needs a title of 1 to 80 characters")
    if len(element.get("subtitle", "")) > 80:
        raise make_content_error("A subtitle has at most 80 characters")
    if not element.keys() & {"subtitle", "image_url", "default_action", "buttons"}:
        raise make_content_error("An element needs something besides its title")
    return "\n".join(filter(None, (element["title"], element.get("subtitle", ""))))


def _buttons(buttons: Any, *, least: int) -> list[Choice]:
    if not isinstance(buttons, list) or not least <= len(buttons) <= 3:
        raise make_content_error(f"buttons takes {least} to 3")
    choices = []
    for button in buttons:
        needs = {"web_url": "url", "postback": "payload"}.get(str(button.get("type")))
        if needs is None or not button.get(needs) or not 1 <= len(button.get("title", "")) <= 20:
            raise make_content_error(
                "A button is a web_url with url or a postback with payload, and has a title of 1 to 20 characters"
            )
        if needs == "payload":
            choices.append(Choice(button["title"], button["payload"], is_postback=True))
    return choices
