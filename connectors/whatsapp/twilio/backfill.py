"""What Twilio called about in vain: it keeps every message, and mostly calls but once.

Its list tells less than a webhook: no name, no user id, no button that was pressed. The user id, by which the place is
named, comes from what we know of the number.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TypeVar

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from connectors.streams.patience import patiently
from connectors.tools import Tools
from connectors.whatsapp.settings import TwilioAccount
from connectors.whatsapp.twilio import inbound, people
from connectors.whatsapp.twilio.connection import API, TwilioConnection
from connectors.whatsapp.twilio.errors import number, shown
from schemas.errors import InvalidRequest, SendUnknown
from schemas.ports import Account, Acquaintance, Event, Reply

log = structlog.get_logger("parley.whatsapp")

PAGE, PAGES = 100, 50
Model = TypeVar("Model", bound=BaseModel)


class Listed(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    sid: str
    sender: str = Field(default="", alias="from")
    recipient: str = Field(default="", alias="to")
    body: str | None = None
    direction: str = ""
    num_media: str | None = "0"
    date_created: str = ""

    def made_at(self) -> datetime:
        """Raises ValueError."""
        made = parsedate_to_datetime(self.date_created)
        return made if made.tzinfo else made.replace(tzinfo=UTC)


class Page(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    messages: list[Listed]
    next_page_uri: str | None = None


class Media(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    sid: str
    content_type: str = ""


class MediaList(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    media_list: list[Media]


async def messages(account: Account, since: datetime, known: Acquaintance, tools: Tools) -> AsyncIterator[list[Event]]:
    """See schemas.ports.Backfilling."""
    connection = TwilioConnection(account, tools)
    try:
        listed = await _listed(connection, account.settings, since)
        for start in range(0, len(listed), PAGE):
            yield [
                event
                for each in listed[start : start + PAGE]
                for event in await _events(connection, each, account, known, tools.clock())
            ]
    finally:
        await connection.close()


async def _listed(connection: TwilioConnection, settings: TwilioAccount, since: datetime) -> list[Listed]:
    """Oldest first."""
    asked = {"To": settings.from_, "DateSent>": f"{since:%Y-%m-%dT%H:%M:%SZ}", "PageSize": str(PAGE)}
    page = _read(await patiently(partial(connection.page, "", asked)), Page)
    found = list(page.messages)
    for _ in range(PAGES):
        if not page.next_page_uri:
            break
        page = _read(await patiently(partial(connection.page, page.next_page_uri, None)), Page)
        found += page.messages
    return [each for each in reversed(found) if each.direction == "inbound"]


async def _events(
    connection: TwilioConnection, listed: Listed, account: Account, known: Acquaintance, now: datetime
) -> Sequence[Event]:
    ids = people.identified(listed.sender)
    if not ids:
        return []
    addresses = await known.addresses(ids[0], people.addresses(ids))
    users = people.identified(*(each.value for each in addresses if each.channel == "whatsapp"))
    pairs = [
        ("MessageSid", listed.sid),
        ("From", listed.sender),
        ("To", listed.recipient),
        ("Body", listed.body or ""),
        ("ExternalUserId", f"{people.PREFIX}{users[0]}"),
    ]
    if number(listed.num_media or "0"):
        pairs += await _media(connection, listed)
    try:
        found = inbound.events(pairs, account, "", now)
        return [replace(event, payload={**event.payload, "sent_at": listed.made_at()}) for event in found]
    except (InvalidRequest, ValueError):
        log.info("update_left_out", tenant=account.tenant, account=account.name, reason="listed_malformed")
        return []


async def _media(connection: TwilioConnection, listed: Listed) -> list[tuple[str, str]]:
    uri = f"/2010-04-01/Accounts/{connection.account_sid}/Messages/{listed.sid}/Media"
    found = _read(await patiently(partial(connection.page, f"{uri}.json", None)), MediaList).media_list
    pairs = [("NumMedia", str(len(found)))]
    for place, each in enumerate(found):
        pairs += [(f"MediaUrl{place}", f"{API}{uri}/{each.sid}"), (f"MediaContentType{place}", each.content_type)]
    return pairs


def _read(reply: Reply, model: type[Model]) -> Model:
    if reply.status != 200:
        shown(reply)  # it raises
    try:
        return model.model_validate(reply.body)
    except ValidationError as error:
        raise SendUnknown("the list cannot be read") from error
