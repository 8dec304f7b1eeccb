"""Content of contacts' messages, by kind. Raises ValidationError or TypeError for content of the wrong kind."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from pydantic import TypeAdapter

from connectors.markup import clean_text
from connectors.meta_graph.sealed_choices import open_choice
from connectors.whatsapp.meta.models import (
    Card,
    ChoiceReply,
    Context,
    FlowReply,
    InteractiveReply,
    MediaContent,
    Order,
    Origin,
    TemplateButton,
    TextContent,
)
from schemas.messages import FileKind, Location, Referral, RemoteFile, SharedContact
from schemas.ports import Account

Payload = dict[str, Any]
MAX_FORM = 4_000
"""Characters of a flow's answers."""
_CARDS = TypeAdapter(list[Card])


def read_content(kind: str, content: Any, account: Account) -> Payload | None:
    """Return fields of an InboundMessage; None for an unknown kind."""
    read = READERS.get(kind)
    return None if read is None else read(content, account)


def build_referral(raw: Any) -> Referral:
    """Return the advertisement or post from which the conversation began."""
    origin = Origin.model_validate(raw)
    return Referral(
        source=origin.source_type or "ad",
        ref=origin.ctwa_clid or origin.source_id,
        url=origin.source_url,
        headline=origin.headline,
        body=origin.body,
    )


def build_product_referral(raw: Any) -> Referral | None:
    """Return the catalogue product that a question is about, which the message's ``context`` names."""
    product = Context.model_validate(raw).referred_product
    if product is None or not product.product_retailer_id:
        return None
    return Referral(source="product", ref=product.product_retailer_id, headline=product.product_retailer_id)


def _read_text(content: Any, account: Account) -> Payload:
    return {"text": TextContent.model_validate(content).body}


def _build_media_reader(kind: FileKind) -> Callable[[Any, Account], Payload]:
    def read(content: Any, account: Account) -> Payload:
        medium = MediaContent.model_validate(content)
        file_kind: FileKind = "voice" if medium.voice else kind
        type_ = medium.mime_type.partition(";")[0].strip()
        file = RemoteFile(ref=medium.id, name=medium.filename, kind=file_kind, type=type_)
        return {"text": medium.caption, "files": [file]}

    return read


def _read_location(content: Any, account: Account) -> Payload:
    fields = {name: value for name, value in dict(content).items() if value is not None}
    return {"location": Location.model_validate(fields)}


def _read_contacts(content: Any, account: Account) -> Payload:
    return {
        "shared_contacts": [
            SharedContact(
                name=card.name.formatted_name,
                phones=[each.phone for each in card.phones if each.phone],
                emails=[each.email for each in card.emails if each.email],
            )
            for card in _CARDS.validate_python(content)
        ]
    }


def _read_interactive(content: Any, account: Account) -> Payload | None:
    reply = InteractiveReply.model_validate(content)
    choice = reply.button_reply or reply.list_reply
    if choice is not None:
        return _read_choice(choice, account)
    if (permission := reply.call_permission_reply) is not None:
        return {"unsupported": "call_allowed" if permission.response == "accept" else "call_declined"}
    return None if reply.nfm_reply is None else {"text": _read_form(reply.nfm_reply)}


def _read_choice(reply: ChoiceReply, account: Account) -> Payload:
    choice = open_choice(reply.id, account)
    return {"text": reply.title, **({"choice": choice} if choice else {})}


def _read_button(content: Any, account: Account) -> Payload:
    """A quick reply of a template, whose author chose the payload."""
    button = TemplateButton.model_validate(content)
    return _read_choice(ChoiceReply(id=button.payload, title=button.text or button.payload), account)


def _read_form(reply: FlowReply) -> str:
    """Return one line per answer; invalid JSON is returned as it is."""
    try:
        answers = json.loads(reply.response_json)
    except (ValueError, RecursionError):
        answers = None
    if not isinstance(answers, dict):
        return (reply.response_json or reply.body)[:MAX_FORM]
    lines = [f"{name}: {_format_value(value)}" for name, value in answers.items() if name != "flow_token"]
    return clean_text("\n".join(lines))[:MAX_FORM]


def _format_value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _read_order(content: Any, account: Account) -> Payload:
    order = Order.model_validate(content)
    lines = [f"{item.quantity} × {item.product_retailer_id}" for item in order.product_items]
    return {"text": "\n".join(filter(None, [order.text, *lines])), "unsupported": "order"}


READERS: dict[str, Callable[[Any, Account], Payload | None]] = {
    "text": _read_text,
    "image": _build_media_reader("image"),
    "video": _build_media_reader("video"),
    "audio": _build_media_reader("audio"),
    "voice": _build_media_reader("voice"),
    "document": _build_media_reader("file"),
    "sticker": _build_media_reader("sticker"),
    "location": _read_location,
    "contacts": _read_contacts,
    "interactive": _read_interactive,
    "button": _read_button,
    "order": _read_order,
}
