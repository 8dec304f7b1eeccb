"""Payloads about the channels where people work, as events of the desk. Pure.

None of it is ever a contact's: whatever is not understood there is nobody's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import structlog
from pydantic import ValidationError

from connectors.desk.thread_ids import channel_of
from connectors.slack.desk.parse_interactions import from_interactive, place_of_form
from connectors.slack.desk.parse_messages import from_events_api
from connectors.slack.requests import Json, PayloadKind
from schemas.ports import Account, Event

log = structlog.get_logger("parley.slack")
Parser = Callable[[Json, Account], Iterator[Event]]

PARSERS: dict[PayloadKind, Parser] = {"events_api": from_events_api, "interactive": from_interactive}
"""A command is given beside any thread, so it can be about none."""


def parse_desk_event(what: PayloadKind, payload: Json, account: Account) -> list[Event] | None:
    """Read what people did at the desk; None where this happened elsewhere. Never raises: Slack would send it again,
    and stop sending any after a while."""
    if not account.desk or account.desk.isdisjoint(_channels(payload)):
        return None
    parser = PARSERS.get(what)
    try:
        return list(parser(payload, account)) if parser else []
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors(include_url=False, include_input=False)[0]["loc"])
        log.info("event_malformed", tenant=account.tenant, channel="slack", account=account.name, field=where)
        return []


def _channels(payload: Json) -> Iterator[str]:
    """Every channel that a payload of whatever kind names. One that tells of two is the desk's if either is."""
    event = _object(payload.get("event"))
    for told in (payload, event, *(_object(event.get(name)) for name in ("item", "message", "previous_message"))):
        yield from _channel_ids(told)
    yield from _channel_ids(_object(payload.get("container")))
    yield from _channel_ids(_object(event.get("assistant_thread")))
    yield channel_of(place_of_form(payload))


def _channel_ids(told: Json) -> Iterator[str]:
    for name in ("channel", "channel_id"):
        value = told.get(name)
        found = value.get("id") if isinstance(value, dict) else value
        if isinstance(found, str):
            yield found


def _object(value: Any) -> Json:
    return value if isinstance(value, dict) else {}
