"""What Twilio called about in vain: it keeps every message, and mostly calls but once.

Its list tells less than a webhook: no name, no user id, no button that was pressed. The user id, by which the place is
named, comes from what we know of the number.

What was sent from our number and not by us was written in Twilio's console, or by another program. Where it follows
something that the contact wrote meanwhile, it is taken for a person's answer to that.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TypeVar

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from connectors.streams.history_retries import patiently
from connectors.tools import Tools
from connectors.whatsapp.settings import TwilioAccount
from connectors.whatsapp.twilio import addresses as twilio_addresses
from connectors.whatsapp.twilio import inbound
from connectors.whatsapp.twilio.connection import API, TwilioConnection
from connectors.whatsapp.twilio.errors import number, shown
from schemas.errors import InvalidRequest, SendUnknown
from schemas.messages import Author
from schemas.ports import Account, Acquaintance, Event, Reply
from schemas.topics import MESSAGE_RECEIVED

log = structlog.get_logger("parley.whatsapp")

PAGE, PAGES = 100, 50
PERSON = Author(kind="person")
UNSEEN = frozenset({"canceled", "failed", "undelivered"})
"""Statuses of what the contact never got."""
Model = TypeVar("Model", bound=BaseModel)


class Listed(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    sid: str
    sender: str = Field(default="", alias="from")
    recipient: str = Field(default="", alias="to")
    body: str | None = None
    direction: str = ""
    status: str = ""
    num_media: str | None = "0"
    date_created: str = ""

    @property
    def is_inbound(self) -> bool:
        return self.direction == "inbound"

    @property
    def contact(self) -> str:
        return self.sender if self.is_inbound else self.recipient

    @property
    def made_at(self) -> datetime | None:
        """None where it cannot be read."""
        try:
            made = parsedate_to_datetime(self.date_created)
        except ValueError:
            return None
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
        for part in _parts(await _listed(connection, account.settings, since)):
            yield [event for each in part for event in await _events(connection, each, account, known, tools.clock())]
    finally:
        await connection.close()


async def _listed(connection: TwilioConnection, settings: TwilioAccount, since: datetime) -> list[Listed]:
    """What contacts wrote and what then was answered, oldest first."""
    written = await _pages(connection, {"To": settings.from_}, since, "inbound")
    if not written:
        return []
    first = {each.contact: each.made_at for each in reversed(written)}
    sent = await _pages(connection, {"From": settings.from_}, since, "outbound-api")
    answers = [each for each in sent if _follows(each, first)]
    return sorted([*written, *answers], key=lambda each: each.made_at or since)


def _parts(listed: Sequence[Listed]) -> Iterator[list[Listed]]:
    """A hundred or so at a time, those of one contact together: an answer that came later than its question would find
    that answered once more."""
    by_contact: dict[str, list[Listed]] = {}
    for each in listed:
        by_contact.setdefault(each.contact, []).append(each)
    part: list[Listed] = []
    for theirs in by_contact.values():
        part += theirs
        if len(part) >= PAGE:
            yield part
            part = []
    if part:
        yield part


def _follows(sent: Listed, first: Mapping[str, datetime | None]) -> bool:
    """``first``: when each contact wrote first."""
    written, answered = first.get(sent.contact), sent.made_at
    if written is None or answered is None or sent.status in UNSEEN:
        return False
    return answered > written  # nobody answers in the same second, which is all that Twilio tells


async def _pages(
    connection: TwilioConnection, whose: Mapping[str, str], since: datetime, direction: str
) -> list[Listed]:
    """Oldest first."""
    asked = {**whose, "DateSent>": f"{since:%Y-%m-%dT%H:%M:%SZ}", "PageSize": str(PAGE)}
    page = _read(await patiently(partial(connection.page, "", asked)), Page)
    found = list(page.messages)
    for _ in range(PAGES):
        if not page.next_page_uri:
            break
        page = _read(await patiently(partial(connection.page, page.next_page_uri, None)), Page)
        found += page.messages
    return [each for each in reversed(found) if each.direction == direction]


async def _events(
    connection: TwilioConnection, listed: Listed, account: Account, known: Acquaintance, now: datetime
) -> Sequence[Event]:
    ids, made_at = twilio_addresses.identified(listed.contact), listed.made_at
    if not ids or made_at is None:
        return []
    addresses = await known.addresses(ids[0], twilio_addresses.addresses(ids))
    users = twilio_addresses.identified(*(each.value for each in addresses if each.channel == "whatsapp"))
    pairs = [
        ("MessageSid", listed.sid),
        ("From", listed.contact),
        ("To", account.settings.from_),
        ("Body", listed.body or ""),
        ("ExternalUserId", f"{twilio_addresses.PREFIX}{users[0]}"),
    ]
    if listed.is_inbound and number(listed.num_media or "0"):
        pairs += await _media(connection, listed)
    try:
        found = inbound.events(pairs, account, "", now)
    except (InvalidRequest, ValueError):
        log.info("update_left_out", tenant=account.tenant, account=account.name, reason="listed_malformed")
        return []
    if listed.is_inbound:
        return [replace(event, payload={**event.payload, "sent_at": made_at}) for event in found]
    theirs = {"text": listed.body or "", "author": PERSON, "shown": True, "sent_at": made_at}
    return [replace(event, payload=theirs, echo=True) for event in found if event.type == MESSAGE_RECEIVED]


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
