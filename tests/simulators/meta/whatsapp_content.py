"""Content other than text that customers send on WhatsApp, in the vendor's shapes: each is the part of a message that
is its own.

``Customer``, number, id and time come from who sends it (``WhatsApp.sends``)."""

from __future__ import annotations

import json
from typing import Any

from tests.simulators.meta.media import StoredMedia


def text(body: str) -> dict[str, Any]:
    return {"type": "text", "text": {"body": body}}


def media(medium: StoredMedia, *, caption: str = "", voice: bool = False, url: str = "") -> dict[str, Any]:
    """The kind follows from the file's type. ``url``: newer webhooks carry the address itself."""
    type_ = medium.file.type
    kind = "sticker" if type_ == "image/webp" else type_.partition("/")[0]
    kind = kind if kind in ("image", "video", "audio", "sticker") else "document"
    told: dict[str, Any] = {"id": medium.id, "mime_type": type_, "sha256": medium.base64_hash}
    if kind == "audio":
        told |= {"voice": voice, "mime_type": f"{type_}; codecs=opus" if voice else type_}
    if kind == "sticker":
        told["animated"] = False
    if kind == "document":
        told["filename"] = medium.file.name
    told |= {"caption": caption} if caption else {}
    return {"type": kind, kind: told | ({"url": url} if url else {})}


def location(latitude: float, longitude: float, **more: str) -> dict[str, Any]:
    return {"type": "location", "location": {"latitude": latitude, "longitude": longitude, **more}}


def contacts(*names: str) -> dict[str, Any]:
    cards = [{"name": {"formatted_name": name, "first_name": name}, "phones": [], "org": {}} for name in names]
    return {"type": "contacts", "contacts": cards}


def reaction(message: str, emoji: str | None) -> dict[str, Any]:
    """``None`` leaves the emoji out, which takes a reaction back as "" does."""
    told = {"message_id": message} | ({} if emoji is None else {"emoji": emoji})
    return {"type": "reaction", "reaction": told}


def button_reply(id: str, title: str) -> dict[str, Any]:
    return {"type": "interactive", "interactive": {"type": "button_reply", "button_reply": {"id": id, "title": title}}}


def list_reply(id: str, title: str, description: str = "") -> dict[str, Any]:
    row = {"id": id, "title": title} | ({"description": description} if description else {})
    return {"type": "interactive", "interactive": {"type": "list_reply", "list_reply": row}}


def flow_reply(answers: Any) -> dict[str, Any]:
    """A flow's answers are JSON inside a string; give a string to say something else in it."""
    written = answers if isinstance(answers, str) else json.dumps(answers)
    reply = {"name": "flow", "body": "Sent", "response_json": written}
    return {"type": "interactive", "interactive": {"type": "nfm_reply", "nfm_reply": reply}}


def template_button(text: str, payload: str) -> dict[str, Any]:
    """A quick reply of a template."""
    return {"type": "button", "button": {"text": text, "payload": payload}}


def build_order(*items: tuple[str, int, float], text: str = "") -> dict[str, Any]:
    """Items: product, quantity, price."""
    listed = [
        {"product_retailer_id": product, "quantity": quantity, "item_price": price, "currency": "EUR"}
        for product, quantity, price in items
    ]
    return {"type": "order", "order": {"catalog_id": "400", "product_items": listed, "text": text}}


def unsupported(type_: str = "unsupported") -> dict[str, Any]:
    error = {
        "code": 131051,
        "title": "Message type unknown",
        "message": "Message type unknown",
        "error_data": {"details": "Message type is currently not supported."},
    }
    return {"type": type_, "errors": [error]}


def referral(source: str = "ad", **more: str) -> dict[str, Any]:
    """Beside the content of a message: it was begun from an advertisement."""
    told = {
        "source_url": "https://fb.me/3cr4Wqqkv",
        "source_id": "120226305854810726",
        "source_type": source,
        "headline": "Chat with us",
        "body": "Pitchers of every size",
        "media_type": "image",
        "image_url": "https://scontent.xx.fbcdn.net/v/t45.1",
        "ctwa_clid": "Aff-n8ZTODiE79d22KtAwQKj9e",
    }
    return {"referral": told | more}


def forwarded(often: bool = False) -> dict[str, Any]:
    return {"context": {"frequently_forwarded": True} if often else {"forwarded": True}}


def in_group(group: str) -> dict[str, Any]:
    return {"group_id": group}


def edit(original: str, content: dict[str, Any]) -> dict[str, Any]:
    return {"type": "edit", "edit": {"original_message_id": original, "message": content}}


def revoke(original: str) -> dict[str, Any]:
    return {"type": "revoke", "revoke": {"original_message_id": original}}


def changed_number(name: str, old: str, new: str, user_id: str) -> dict[str, Any]:
    told = {"body": f"User {name} changed from {old} to {new}", "wa_id": new, "type": "user_changed_number"}
    return {"type": "system", "system": told | ({"user_id": user_id} if user_id else {})}


def changed_user_id(name: str, old: str, new: str, wa_id: str) -> dict[str, Any]:
    told = {"body": f"User {name} changed from {old} to {new}", "user_id": new, "type": "user_changed_user_id"}
    return {"type": "system", "system": told | ({"wa_id": wa_id} if wa_id else {})}
