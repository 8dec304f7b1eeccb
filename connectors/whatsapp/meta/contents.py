"""What a customer said, by the kind of the message. Raises ValidationError or TypeError for what is not of its kind."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from pydantic import TypeAdapter

from connectors.graph.sealed_choices import opened
from connectors.markup import printable
from connectors.whatsapp.meta.models import (
    Card,
    Context,
    FlowReply,
    Interactive,
    Medium,
    Order,
    Origin,
    Picked,
    TemplateButton,
    TextContent,
)
from schemas.messages import FileKind, Location, Referral, RemoteFile, SharedContact
from schemas.ports import Account

Payload = dict[str, Any]
LONGEST_FORM = 4_000
"""Characters of a flow's answers."""
_CARDS = TypeAdapter(list[Card])


def said(kind: str, content: Any, account: Account) -> Payload | None:
    """Fields of an InboundMessage; None for a kind that is not known."""
    read = READERS.get(kind)
    return None if read is None else read(content, account)


def referral(found: Any) -> Referral:
    """An advertisement or a post that the conversation was begun from."""
    origin = Origin.model_validate(found)
    return Referral(
        source=origin.source_type or "ad",
        ref=origin.ctwa_clid or origin.source_id,
        url=origin.source_url,
        headline=origin.headline,
        body=origin.body,
    )


def product(found: Any) -> Referral | None:
    """The product of a catalogue that a question is about; a message's ``context`` names it."""
    named = Context.model_validate(found).referred_product
    if named is None or not named.product_retailer_id:
        return None
    return Referral(source="product", ref=named.product_retailer_id, headline=named.product_retailer_id)


def _text(content: Any, account: Account) -> Payload:
    return {"text": TextContent.model_validate(content).body}


def _medium(kind: FileKind) -> Callable[[Any, Account], Payload]:
    def read(content: Any, account: Account) -> Payload:
        medium = Medium.model_validate(content)
        told: FileKind = "voice" if medium.voice else kind
        type_ = medium.mime_type.partition(";")[0].strip()
        file = RemoteFile(ref=medium.id, name=medium.filename, kind=told, type=type_)
        return {"text": medium.caption, "files": [file]}

    return read


def _location(content: Any, account: Account) -> Payload:
    known = {name: value for name, value in dict(content).items() if value is not None}
    return {"location": Location.model_validate(known)}


def _contacts(content: Any, account: Account) -> Payload:
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


def _interactive(content: Any, account: Account) -> Payload | None:
    reply = Interactive.model_validate(content)
    picked = reply.button_reply or reply.list_reply
    if picked is not None:
        return _picked(picked, account)
    if (permission := reply.call_permission_reply) is not None:
        return {"unsupported": "call_allowed" if permission.response == "accept" else "call_declined"}
    return None if reply.nfm_reply is None else {"text": _form(reply.nfm_reply)}


def _picked(picked: Picked, account: Account) -> Payload:
    choice = opened(picked.id, account)
    return {"text": picked.title, **({"choice": choice} if choice else {})}


def _button(content: Any, account: Account) -> Payload:
    """A quick reply of a template: whoever made the template chose the payload."""
    button = TemplateButton.model_validate(content)
    return _picked(Picked(id=button.payload, title=button.text or button.payload), account)


def _form(reply: FlowReply) -> str:
    """A line for each answer; what is no such thing stays as it came."""
    try:
        answers = json.loads(reply.response_json)
    except (ValueError, RecursionError):
        answers = None
    if not isinstance(answers, dict):
        return (reply.response_json or reply.body)[:LONGEST_FORM]
    lines = [f"{name}: {_plain(value)}" for name, value in answers.items() if name != "flow_token"]
    return printable("\n".join(lines))[:LONGEST_FORM]


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _order(content: Any, account: Account) -> Payload:
    order = Order.model_validate(content)
    lines = [f"{item.quantity} × {item.product_retailer_id}" for item in order.product_items]
    return {"text": "\n".join(filter(None, [order.text, *lines])), "unsupported": "order"}


READERS: dict[str, Callable[[Any, Account], Payload | None]] = {
    "text": _text,
    "image": _medium("image"),
    "video": _medium("video"),
    "audio": _medium("audio"),
    "voice": _medium("voice"),
    "document": _medium("file"),
    "sticker": _medium("sticker"),
    "location": _location,
    "contacts": _contacts,
    "interactive": _interactive,
    "button": _button,
    "order": _order,
}
