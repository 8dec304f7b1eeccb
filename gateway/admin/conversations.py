"""Conversations for people: listed, read, taken over, answered."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal, get_args
from uuid import uuid4

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from connectors.registry import CHANNELS
from gateway.admin.guard import page_size
from gateway.admin.names import contacts_of, signed
from gateway.attachments import AttachmentDesk
from gateway.lines import chat_message, instant
from gateway.parts import Parts
from gateway.responses import error_reply, read_json, reply
from schemas import ids, topics
from schemas.conversation import Contact, Conversation, Owner, OwnerRequested
from schemas.envelope import Envelope, envelope
from schemas.errors import Conflict, IdReused, InvalidRequest, NotFound, StaleEpoch, Unavailable
from schemas.messages import Attachment, Author, InboundMessage, Printable, Text
from schemas.ports import Owned
from schemas.protection.cards import masked
from schemas.transcript import in_place

SOURCE = "parley/admin"
BY = "admin"
OWNERS: tuple[str, ...] = get_args(Owner)
REMEMBERED = 86_400.0
"""Seconds for which a client_msg_id is tied to its body before the message is in the transcript."""
_TRIES = 5


class Claim(BaseModel):
    """Body of ``POST …/owner``: the epoch is the one the caller saw."""

    model_config = ConfigDict(extra="forbid", strict=True)

    to: Literal["agent", "queue", "person", "closed"]
    epoch: Annotated[int, Field(ge=0)]


class Said(BaseModel):
    """Body of ``POST …/messages``."""

    model_config = ConfigDict(extra="forbid", strict=True)

    client_msg_id: Annotated[Printable, Field(min_length=1, max_length=64)]
    text: Text
    attachments: Annotated[list[Annotated[Printable, Field(max_length=200)]], Field(max_length=10)] = []


class ConversationDesk:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._state = parts.state
        self._attachments = AttachmentDesk(
            parts.blobs, secret_key=parts.secret_key, public_url=parts.config.public_url, clock=parts.clock
        )

    async def listing(self, request: web.Request) -> web.Response:
        owner = request.query.get("state") or None
        channel = request.query.get("channel", "")
        if owner is not None and owner not in OWNERS:
            raise InvalidRequest(f"state: must be one of {', '.join(OWNERS)}")
        if channel and channel not in CHANNELS:
            raise InvalidRequest(f"channel: must be one of {', '.join(CHANNELS)}")
        page = await self._state.conversations.listing(
            request.match_info["tenant"],
            owner=owner,  # type: ignore[arg-type]  # one of OWNERS, checked above
            channel=channel,
            after=request.query.get("after", ""),
            limit=page_size(request),
        )
        known = await contacts_of(self._state.contacts, page.items)
        items = [summary(item, known.get(item.origin.contact_id)) for item in page.items]
        return reply({"items": items, "next": page.next})

    async def get(self, request: web.Request) -> web.Response:
        """The newest 200 lines; with ``?after=SEQ`` the 200 that follow it. Also lines the contact was not sent. What
        came late stands where it was written, with the number that it got when it came."""
        found = await self._found(request)
        after = request.query.get("after")
        if after is None:
            lines = await self._state.transcript.recent(found.id, limit=200)
        elif after.isascii() and after.isdigit() and len(after) < 16:
            lines = await self._state.transcript.read(found.id, after=int(after), limit=200)
        else:
            raise InvalidRequest("after: must be a whole number")
        contact = (await contacts_of(self._state.contacts, [found])).get(found.origin.contact_id)
        named = signed(in_place(lines), found, contact)
        transcript = [chat_message(line, found.origin.tenant, self._attachments) for line in named]
        turns = [turn.model_dump(mode="json") for turn in await self._state.turns.listing(found.id)]
        return reply(summary(found, contact) | {"transcript": transcript, "turns": turns})

    async def own(self, request: web.Request) -> web.Response:
        claim = await read_json(request, Claim)
        found = await self._found(request)
        owned = await self._ask(found, claim.to, claim.epoch, reason="asked for in the admin API")
        now = {"owner": owned.owner, "epoch": owned.epoch}
        if owned.won:
            return reply(now)
        error = StaleEpoch("the owner changed meanwhile", owner=owned.owner, epoch=owned.epoch)
        return reply({"error": error.body() | now, **now}, error_reply(error).status)

    async def say(self, request: web.Request) -> web.Response:
        """A person answers. The conversation is theirs before the message is accepted, so the agent falls silent."""
        given = await read_json(request, Said)
        found = await self._found(request)
        own = self._parts.config.tenants[found.origin.tenant].protection.finder
        said = given.model_copy(update={"text": masked(given.text, own)})
        files = [await self._attachments.known(found.origin.tenant, item) for item in said.attachments]
        event_id = _said_id(found, said)
        shown = ids.derived_id(event_id, "outbound")
        if not await self._known(found, said, event_id, shown):
            epoch = await self._take(found)
            await self._parts.bus.append([self._event(found, said, files, event_id, epoch)])
        return reply({"message_id": shown}, 202)

    async def _found(self, request: web.Request) -> Conversation:
        found = await self._state.conversations.get(request.match_info["id"])
        if found is None or found.origin.tenant != request.match_info["tenant"]:
            raise NotFound("no such conversation")
        return found

    async def _ask(self, found: Conversation, to: Owner, epoch: int, *, reason: str) -> Owned:
        """The request is durable in the log before the compare-and-set; a rebuild decides it again in the same way."""
        if self._parts.lost():
            raise Unavailable("state is being rebuilt", retry_after_ms=2000)
        now = self._parts.clock()
        asked = OwnerRequested(id=str(uuid4()), to=to, expected_epoch=epoch, by=BY, reason=reason, at=now)
        await self._parts.bus.append([self._wrap(found, topics.OWNER_REQUESTED, asked, asked.id)])
        return await self._state.conversations.own(
            found.id, to, expected_epoch=epoch, request_id=asked.id, by=BY, reason=reason, now=now
        )

    async def _take(self, found: Conversation) -> int:
        """The epoch under which the conversation belongs to people."""
        owner, epoch = found.owner, found.epoch
        for _ in range(_TRIES):
            if owner == "person":
                return epoch
            owned = await self._ask(found, "person", epoch, reason="answered in the admin API")
            owner, epoch = owned.owner, owned.epoch
        raise Conflict("the owner of the conversation keeps changing")

    async def _known(self, found: Conversation, said: Said, event_id: str, shown: str) -> bool:
        """Whether the transcript has it already. One body for one client_msg_id: a lease whose holder is the body
        keeps that until the transcript can tell. Raises IdReused."""
        body = hashlib.sha256(said.model_dump_json().encode()).hexdigest()
        name, now = f"said:{found.origin.tenant}:{event_id}", self._parts.clock()
        held = await self._state.leases.acquire(name, body, ttl=REMEMBERED, now=now)
        line = await self._state.transcript.find(found.id, shown)
        if held is None or (line is not None and line.state != "deleted" and line.text != said.text):
            raise IdReused("this client_msg_id was used before with another body")
        return line is not None

    def _event(self, found: Conversation, said: Said, files: list[Attachment], event_id: str, epoch: int) -> Envelope:
        origin, now = found.origin, self._parts.clock()
        message = InboundMessage(
            id=event_id,
            external_id=said.client_msg_id,
            place=origin.place,
            contact_id=origin.contact_id,
            author=Author(kind="person"),
            text=said.text,
            attachments=files,
            epoch=epoch,
            sent_at=now,
        )
        return self._wrap(found, topics.MESSAGE_RECEIVED, message, event_id)

    def _wrap(self, found: Conversation, kind: str, payload: BaseModel, event_id: str) -> Envelope:
        origin = found.origin
        return envelope(
            kind,
            payload,
            id=event_id,
            time=self._parts.clock(),
            source=SOURCE,
            tenant=origin.tenant,
            channel=origin.channel,
            account=origin.account,
            conversation=found.id,
            correlation_id=event_id,
        )


def summary(item: Conversation, contact: Contact | None) -> dict[str, Any]:
    return {
        "id": item.id,
        "channel": item.origin.channel,
        "account": item.origin.account,
        "contact_id": item.origin.contact_id,
        "contact_name": contact.name if contact is not None else "",
        "owner": item.owner,
        "epoch": item.epoch,
        "seq": item.head_seq,
        "locale": item.facts.locale,
        "created_at": instant(item.created_at),
        "updated_at": instant(item.updated_at),
    }


def _said_id(found: Conversation, said: Said) -> str:
    """A kind of its own: a visitor's client_msg_id can never name the same event."""
    origin = found.origin
    place = (origin.tenant, origin.channel, origin.account, origin.place)
    return ids.event_id(*place, said.client_msg_id, "message.received.admin")
