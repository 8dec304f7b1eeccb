"""Parses and renders a channel's fixtures."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from connectors.channel_services import ChannelServices
from connectors.registry import load_settings_model, open_channel
from schemas.conversation import Contact
from schemas.errors import DeliveryError, ParleyError
from schemas.messages import OutboundMessage
from schemas.ports import (
    Account,
    Channel,
    ChannelEvent,
    RawRequest,
    RenderContext,
    VendorCall,
    VendorResponse,
    WebhookAnswer,
)
from tests.channels.fixture_cases import fixtures, read
from tests.channels.webhook_intake import take_webhook
from tests.harness.channel_tools import NOW, no_files

TENANT = "shop"


class Moment:
    """A clock that a fixture sets."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@cache
def open_channel_at(name: str) -> tuple[Channel, Moment]:
    """Translation needs no store, so there is none."""
    clock = Moment()
    nothing: Any = None
    return open_channel(
        name, ChannelServices(transcript=nothing, signals=nothing, clock=clock, read_file=no_files)
    ), clock


def account(channel: str, name: str = "") -> Account:
    """Named in ``account.json``, or the first there."""
    known = read(fixtures(channel) / "account.json")
    chosen = name or next(iter(known))
    model: TypeAdapter[Any] = TypeAdapter(load_settings_model(channel))

    def siblings() -> list[Account]:
        return [Account(TENANT, channel, each, model.validate_python(settings)) for each, settings in known.items()]

    return Account(TENANT, channel, chosen, model.validate_python(known[chosen]), siblings)


def request(case: Path) -> tuple[RawRequest, dict[str, Any]]:
    told = read(case / "request.json")
    body = base64.b64decode(told["body_base64"]) if "body_base64" in told else told.get("body", "").encode()
    raw = RawRequest(
        method=told.get("method", "POST"),
        url=told.get("url", ""),
        headers={name.lower(): value for name, value in told.get("headers", {}).items()},
        query=told.get("query", {}),
        body=body,
    )
    return raw, told


def moment(told: dict[str, Any]) -> datetime:
    """When a fixture's request comes."""
    return datetime.fromisoformat(told["now"]) if "now" in told else NOW


def events(channel: str, case: Path) -> Any:
    """As JSON: what is found, what is answered at once, or the error."""
    raw, told = request(case)
    opened_channel, clock = open_channel_at(channel)
    clock.now = moment(told)
    called = replace(account(channel, told.get("account", "")), desk=frozenset(told.get("desk", ())))
    try:
        taken = take_webhook(opened_channel, raw, called)
        if taken.answer is not None:
            return {"answer": _answer(taken.answer)}
        return [_event(event) for event in taken.events]
    except ParleyError as error:
        return {"error": error.code}


def _answer(answer: WebhookAnswer) -> str:
    """A challenge may come back as text or in JSON."""
    if answer.content_type == "text/plain":
        return answer.text
    (text,) = json.loads(answer.text).values()
    return str(text)


def _event(event: ChannelEvent) -> dict[str, Any]:
    told = {
        "type": event.type,
        "place": event.place,
        "external_id": event.external_id,
        "revision": event.revision,
        "account": f"{event.account.tenant}/{event.account.name}" if event.account else "",
        "addresses": [address.model_dump() for address in event.addresses],
        "payload": _plain(dict(event.payload)),
        **({"echo": True} if event.echo else {}),
        "room": event.room,
        **({} if event.addressed else {"addressed": False}),
    }
    return {name: value for name, value in told.items() if value not in ("", [])}


def _plain(value: Any) -> Any:
    """As it would stand in JSON."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def message(case: Path) -> OutboundMessage:
    whole = {
        "id": "0d1f2e3a-0000-5000-8000-000000000001",
        "author": {"kind": "agent", "name": "Fern"},
        "text": "",
        "place": "place-1",
        "contact_id": "contact-1",
        "created_at": NOW,
        "expires_at": NOW + timedelta(days=1),
    }
    return OutboundMessage.model_validate(whole | read(case / "message.json")["message"])


def calls(channel: str, case: Path) -> list[VendorCall]:
    """Raises SendRefused."""
    told = read(case / "message.json")
    about = {"conversation": "conversation-1", **told.get("sending", {})}
    if "contact" in about:
        about["contact"] = Contact.model_validate(about["contact"])
    sending = RenderContext(account=account(channel, told.get("account", "")), **about)
    return open_channel_at(channel)[0].render(message(case), sending)


def requests(channel: str, case: Path) -> Any:
    try:
        return [
            {
                "operation": call.operation,
                "arguments": _plain(dict(call.arguments)),
                **({"files": [file.name for file in call.files]} if call.files else {}),
            }
            for call in calls(channel, case)
        ]
    except DeliveryError as error:
        return {"error": error.code, "reason": error.message}


def receipt(channel: str, case: Path) -> Any:
    told = read(case / "reply.json")
    reply = VendorResponse(told["status"], told["body"], told.get("headers", {}))
    try:
        return {"external_id": open_channel_at(channel)[0].parse_response(calls(channel, case)[-1], reply)}
    except DeliveryError as error:
        found = {"error": error.code, "retry_after_ms": error.retry_after_ms}
        return found | {"of_account": True} if getattr(error, "of_account", False) else found
