"""Backfill from Twilio's message list: Twilio keeps every message but mostly calls a webhook only once.

The list has less than a webhook: no name, no user id, no button. The user id, which names the place, comes from the
known addresses of the number.

Messages from our number that we did not send were written in Twilio's console or by another program. After a new
message of the contact, such a message counts as a person's answer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

import structlog
from pydantic import BaseModel, ConfigDict

from connectors.channel_services import ChannelServices
from connectors.streams.history_retries import retry_when_limited
from connectors.whatsapp.settings import TwilioAccount
from connectors.whatsapp.twilio import addresses as twilio_addresses
from connectors.whatsapp.twilio import inbound
from connectors.whatsapp.twilio.connection import API_BASE, TwilioConnection
from connectors.whatsapp.twilio.errors import parse_number
from connectors.whatsapp.twilio.history import MessageRecord, Page, parse_reply
from schemas.errors import InvalidRequest
from schemas.messages import Author
from schemas.ports import Account, BackfillContext, ChannelEvent
from schemas.topics import MESSAGE_RECEIVED

log = structlog.get_logger("parley.whatsapp")

PAGE_SIZE, MAX_PAGES = 100, 50
PERSON = Author(kind="person")
UNDELIVERED = frozenset({"canceled", "failed", "undelivered"})
"""Statuses of messages that the contact never received."""


class Media(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    sid: str
    content_type: str = ""


class MediaList(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    media_list: list[Media]


async def read_history(
    account: Account, since: datetime, known: BackfillContext, tools: ChannelServices
) -> AsyncIterator[list[ChannelEvent]]:
    """See schemas.ports.BackfillChannel."""
    connection = TwilioConnection(account, tools)
    try:
        for part in _group_by_contact(await _list_messages(connection, account.settings, since)):
            yield [event for each in part for event in await _parse(connection, each, account, known, tools.clock())]
    finally:
        await connection.close()


async def _list_messages(connection: TwilioConnection, settings: TwilioAccount, since: datetime) -> list[MessageRecord]:
    """Return the contacts' messages and the answers to them, oldest first."""
    written = await _read_pages(connection, {"To": settings.from_}, since, "inbound")
    if not written:
        return []
    first = {each.contact: each.made_at for each in reversed(written)}
    sent = await _read_pages(connection, {"From": settings.from_}, since, "outbound-api")
    answers = [each for each in sent if _is_answer(each, first)]
    return sorted([*written, *answers], key=lambda each: each.made_at or since)


def _group_by_contact(listed: Sequence[MessageRecord]) -> Iterator[list[MessageRecord]]:
    """Yield groups of about a hundred, with each contact's messages together: an answer that came in a later group than
    its question would find it answered again."""
    by_contact: dict[str, list[MessageRecord]] = {}
    for each in listed:
        by_contact.setdefault(each.contact, []).append(each)
    part: list[MessageRecord] = []
    for messages in by_contact.values():
        part += messages
        if len(part) >= PAGE_SIZE:
            yield part
            part = []
    if part:
        yield part


def _is_answer(sent: MessageRecord, first: Mapping[str, datetime | None]) -> bool:
    """Return whether the message answers one of the contact's. ``first``: each contact's first new message."""
    first_at, sent_at = first.get(sent.contact), sent.made_at
    if first_at is None or sent_at is None or sent.status in UNDELIVERED:
        return False
    return sent_at > first_at  # nobody answers within the same second, which is Twilio's precision


async def _read_pages(
    connection: TwilioConnection, filters: Mapping[str, str], since: datetime, direction: str
) -> list[MessageRecord]:
    """Return the messages, oldest first."""
    query = {**filters, "DateSent>": f"{since:%Y-%m-%dT%H:%M:%SZ}", "PageSize": str(PAGE_SIZE)}
    page = parse_reply(await retry_when_limited(partial(connection.read_page, "", query)), Page)
    records = list(page.messages)
    for _ in range(MAX_PAGES):
        if not page.next_page_uri:
            break
        page = parse_reply(await retry_when_limited(partial(connection.read_page, page.next_page_uri, None)), Page)
        records += page.messages
    return [each for each in reversed(records) if each.direction == direction]


async def _parse(
    connection: TwilioConnection, listed: MessageRecord, account: Account, known: BackfillContext, now: datetime
) -> Sequence[ChannelEvent]:
    ids, made_at = twilio_addresses.parse_ids(listed.contact), listed.made_at
    if not ids or made_at is None:
        return []
    addresses = await known.addresses(ids[0], twilio_addresses.build_addresses(ids))
    users = twilio_addresses.parse_ids(*(each.value for each in addresses if each.channel == "whatsapp"))
    pairs = [
        ("MessageSid", listed.sid),
        ("From", listed.contact),
        ("To", account.settings.from_),
        ("Body", listed.body or ""),
        ("ExternalUserId", f"{twilio_addresses.PREFIX}{users[0]}"),
    ]
    if listed.is_inbound and parse_number(listed.num_media or "0"):
        pairs += await _read_media(connection, listed)
    try:
        found = inbound.parse_form(pairs, account, "", now)
    except (InvalidRequest, ValueError):
        log.info("update_left_out", tenant=account.tenant, account=account.name, reason="listed_malformed")
        return []
    if listed.is_inbound:
        return [replace(event, payload={**event.payload, "sent_at": made_at}) for event in found]
    theirs = {"text": listed.body or "", "author": PERSON, "shown": True, "sent_at": made_at}
    return [replace(event, payload=theirs, echo=True) for event in found if event.type == MESSAGE_RECEIVED]


async def _read_media(connection: TwilioConnection, listed: MessageRecord) -> list[tuple[str, str]]:
    uri = f"/2010-04-01/Accounts/{connection.account_sid}/Messages/{listed.sid}/Media"
    found = parse_reply(
        await retry_when_limited(partial(connection.read_page, f"{uri}.json", None)), MediaList
    ).media_list
    pairs = [("NumMedia", str(len(found)))]
    for place, each in enumerate(found):
        pairs += [(f"MediaUrl{place}", f"{API_BASE}{uri}/{each.sid}"), (f"MediaContentType{place}", each.content_type)]
    return pairs
