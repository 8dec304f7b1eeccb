"""Conversations for people: listed, read, taken over, answered."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from connectors.registry import CHANNELS
from gateway.admin.contact_names import contacts_of, signed
from gateway.admin.guard import page_size
from gateway.http.responses import error_reply, read_json, reply
from gateway.operators.conversations import OperatorService, Said
from gateway.webchat.attachments import AttachmentDesk
from gateway.webchat.serialize import chat_messages, instant
from gateway.wiring.parts import Parts
from schemas.conversation import Contact, Conversation, Owner
from schemas.errors import InvalidRequest, StaleEpoch
from schemas.handoff.rules import Actor
from schemas.transcript import order_lines

ADMIN = Actor(by="admin", source="parley/admin", is_shared=True)
"""A program behind the admin API speaks for whoever uses it."""
OWNERS: tuple[str, ...] = get_args(Owner)


class Claim(BaseModel):
    """Body of ``POST …/owner``: the epoch is the one the caller saw."""

    model_config = ConfigDict(extra="forbid", strict=True)

    to: Literal["agent", "queue", "person", "closed"]
    epoch: Annotated[int, Field(ge=0)]


class ConversationDesk:
    def __init__(self, parts: Parts) -> None:
        self._state = parts.state
        self._attachments = AttachmentDesk(
            parts.blobs, secret_key=parts.secret_key, public_url=parts.config.public_url, clock=parts.clock
        )
        self._operators = OperatorService(parts)

    async def listing(self, request: web.Request) -> web.Response:
        owner = request.query.get("state") or None
        channel = request.query.get("channel", "")
        if owner is not None and owner not in OWNERS:
            raise InvalidRequest(f"state: must be one of {', '.join(OWNERS)}")
        if channel and channel not in CHANNELS:
            raise InvalidRequest(f"channel: must be one of {', '.join(CHANNELS)}")
        page = await self._state.conversations.list_page(
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
            lines = await self._state.transcript.read_recent(found.id, limit=200)
        elif after.isascii() and after.isdigit() and len(after) < 16:
            lines = await self._state.transcript.read(found.id, after=int(after), limit=200)
        else:
            raise InvalidRequest("after: must be a whole number")
        contact = (await contacts_of(self._state.contacts, [found])).get(found.origin.contact_id)
        named = signed(order_lines(lines), found, contact)
        transcript = await chat_messages(named, found.origin.tenant, self._attachments)
        turns = [turn.model_dump(mode="json") for turn in await self._state.turns.list_newest(found.id)]
        return reply(summary(found, contact) | {"transcript": transcript, "turns": turns})

    async def own(self, request: web.Request) -> web.Response:
        claim = await read_json(request, Claim)
        found = await self._found(request)
        reason = "asked for in the admin API"
        decision = await self._operators.change_owner(found, claim.to, claim.epoch, ADMIN, reason=reason)
        now = {"owner": decision.owner, "epoch": decision.epoch}
        if decision.won:
            return reply(now)
        error = StaleEpoch("the owner changed meanwhile", owner=decision.owner, epoch=decision.epoch)
        return reply({"error": error.body() | now, **now}, error_reply(error).status)

    async def say(self, request: web.Request) -> web.Response:
        """A person answers."""
        given = await read_json(request, Said)
        found = await self._found(request)
        shown = await self._operators.say(found, given, ADMIN, reason="answered in the admin API")
        return reply({"message_id": shown}, 202)

    async def upload(self, request: web.Request) -> web.Response:
        """A file that a person's answer in this conversation may name."""
        found = await self._found(request)
        stored = await self._attachments.store(found.origin.tenant, request, conversation=found.id)
        body = {"attachment_id": stored.id, "name": stored.name, "type": stored.type, "size": stored.size}
        return reply(body, 201)

    async def _found(self, request: web.Request) -> Conversation:
        return await self._operators.find(request.match_info["tenant"], request.match_info["id"])


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
