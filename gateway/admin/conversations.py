"""Endpoints for conversations: list, read, change the owner, reply, upload files."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from connectors.registry import CHANNELS
from gateway.admin.guard import get_principal, read_page_size
from gateway.contacts.contact_names import load_contacts, name_authors
from gateway.http.responses import error_response, json_response, read_json
from gateway.operators.conversations import OperatorMessage, OperatorService
from gateway.storage.attachments import AttachmentService
from gateway.webchat.serialization import format_instant, serialize_messages
from gateway.wiring.process_services import ProcessServices
from schemas.conversation import Contact, Conversation, Owner
from schemas.errors import InvalidRequest, StaleEpoch
from schemas.transcript import order_lines

OWNERS: tuple[str, ...] = get_args(Owner)


class OwnerRequest(BaseModel):
    """The body of ``POST …/owner``. ``epoch`` is the one that the caller saw."""

    model_config = ConfigDict(extra="forbid", strict=True)

    to: Literal["agent", "queue", "person", "closed"]
    epoch: Annotated[int, Field(ge=0)]


class ConversationApi:
    def __init__(self, services: ProcessServices) -> None:
        self._state = services.state
        self._attachments = AttachmentService(
            services.blobs, secret_key=services.secret_key, public_url=services.config.public_url, clock=services.clock
        )
        self._operators = OperatorService(services)

    async def list_conversations(self, request: web.Request) -> web.Response:
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
            limit=read_page_size(request),
        )
        known = await load_contacts(self._state.contacts, page.items)
        items = [serialize_conversation(item, known.get(item.origin.contact_id)) for item in page.items]
        return json_response({"items": items, "next": page.next})

    async def get(self, request: web.Request) -> web.Response:
        """Return the newest 200 lines, or with ``?after=SEQ`` the next 200, including lines that were not sent to the
        contact. A late line is placed by the time when it was written, but keeps its number."""
        conversation = await self._find(request)
        after = request.query.get("after")
        if after is None:
            lines = await self._state.transcript.read_recent(conversation.id, limit=200)
        elif after.isascii() and after.isdigit() and len(after) < 16:
            lines = await self._state.transcript.read(conversation.id, after=int(after), limit=200)
        else:
            raise InvalidRequest("after: must be a whole number")
        contact = (await load_contacts(self._state.contacts, [conversation])).get(conversation.origin.contact_id)
        named = name_authors(order_lines(lines), conversation, contact)
        transcript = await serialize_messages(named, conversation.origin.tenant, self._attachments)
        turns = [turn.model_dump(mode="json") for turn in await self._state.turns.list_newest(conversation.id)]
        resolutions = [each.model_dump(mode="json") for each in conversation.facts.resolutions]
        body = {"resolutions": resolutions, "transcript": transcript, "turns": turns}
        return json_response(serialize_conversation(conversation, contact) | body)

    async def change_owner(self, request: web.Request) -> web.Response:
        body = await read_json(request, OwnerRequest)
        conversation = await self._find(request)
        reason = "requested through the admin API"
        actor = get_principal(request).actor
        decision = await self._operators.change_owner(conversation, body.to, body.epoch, actor, reason=reason)
        current = {"owner": decision.owner, "epoch": decision.epoch}
        if decision.won:
            return json_response(current)
        error = StaleEpoch("the owner has changed in the meantime", owner=decision.owner, epoch=decision.epoch)
        return json_response({"error": error.body() | current, **current}, error_response(error).status)

    async def send_message(self, request: web.Request) -> web.Response:
        message = await read_json(request, OperatorMessage)
        conversation = await self._find(request)
        message_id = await self._operators.send_message(
            conversation, message, get_principal(request).actor, reason="replied through the admin API"
        )
        return json_response({"message_id": message_id}, 202)

    async def upload(self, request: web.Request) -> web.Response:
        """Store a file for a reply in this conversation."""
        conversation = await self._find(request)
        stored = await self._attachments.store_upload(conversation.origin.tenant, request, conversation=conversation.id)
        body = {"attachment_id": stored.id, "name": stored.name, "type": stored.type, "size": stored.size}
        return json_response(body, 201)

    async def _find(self, request: web.Request) -> Conversation:
        return await self._operators.find(request.match_info["tenant"], request.match_info["id"])


def serialize_conversation(item: Conversation, contact: Contact | None) -> dict[str, Any]:
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
        "created_at": format_instant(item.created_at),
        "updated_at": format_instant(item.updated_at),
    }
