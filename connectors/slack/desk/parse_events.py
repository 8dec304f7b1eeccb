"""Parsing of payloads from the desk's channels as events of the desk. Pure.

Nothing in these channels comes from a contact, so payloads that are not understood are dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import structlog
from pydantic import ValidationError

from connectors.desk.thread_ids import channel_of
from connectors.slack.desk.parse_interactions import parse_interaction, place_of_form
from connectors.slack.desk.parse_messages import parse_events_api
from connectors.slack.inbound.requests import Json, PayloadKind
from schemas.ports import Account, ChannelEvent

log = structlog.get_logger("parley.slack")
Parser = Callable[[Json, Account], Iterator[ChannelEvent]]

PARSERS: dict[PayloadKind, Parser] = {"events_api": parse_events_api, "interactive": parse_interaction}
"""Slash commands are missing, because Slack does not say in which thread they were given."""


def parse_desk_event(kind: PayloadKind, payload: Json, account: Account) -> list[ChannelEvent] | None:
    """Parse a payload; None if it is not about a channel of the desk. Never raises: Slack would repeat the request, and
    after many failures stop sending events."""
    if not account.desk or account.desk.isdisjoint(_channels(payload)):
        return None
    parser = PARSERS.get(kind)
    try:
        return list(parser(payload, account)) if parser else []
    except ValidationError as error:
        field = ".".join(str(part) for part in error.errors(include_url=False, include_input=False)[0]["loc"])
        log.info("event_malformed", tenant=account.tenant, channel="slack", account=account.name, field=field)
        return []


def _channels(payload: Json) -> Iterator[str]:
    """Iterate over every channel that a payload names. It belongs to the desk if any of them does."""
    event = _object(payload.get("event"))
    for part in (payload, event, *(_object(event.get(name)) for name in ("item", "message", "previous_message"))):
        yield from _channel_ids(part)
    yield from _channel_ids(_object(payload.get("container")))
    yield from _channel_ids(_object(event.get("assistant_thread")))
    yield channel_of(place_of_form(payload))


def _channel_ids(payload: Json) -> Iterator[str]:
    for name in ("channel", "channel_id"):
        value = payload.get(name)
        channel = value.get("id") if isinstance(value, dict) else value
        if isinstance(channel, str):
            yield channel


def _object(value: Any) -> Json:
    return value if isinstance(value, dict) else {}
