"""Operations of operators on conversations, for the admin API and the console: take over, return, reply, approve."""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field

from gateway.storage.attachments import AttachmentService
from gateway.wiring.process_services import ProcessServices
from schemas import ids, topics
from schemas.conversation import Conversation, Owner
from schemas.envelope import Envelope
from schemas.errors import Conflict, Forbidden, IdReused, NotFound, StaleEpoch
from schemas.handoff.events import conversation_event
from schemas.handoff.rules import COMMAND_TOWARDS, Actor, OwnershipCommand, holder_name
from schemas.handoff.service import HandoffResolution, OwnershipDecision, OwnershipService
from schemas.messages import Attachment, Author, InboundMessage, Printable, Text
from schemas.privacy.cards import mask_cards

ID_LEASE_SECONDS = 86_400.0
"""Seconds for which a client_msg_id is bound to its body until the message is in the transcript."""


class OperatorMessage(BaseModel):
    """A person's reply: the body of ``POST …/messages``."""

    model_config = ConfigDict(extra="forbid", strict=True)

    client_msg_id: Annotated[Printable, Field(min_length=1, max_length=64)]
    text: Text
    attachments: Annotated[list[Annotated[Printable, Field(max_length=200)]], Field(max_length=10)] = []


class OperatorService:
    """Finds conversations, changes their owner, answers in them and decides their approvals, for the admin API and the
    console."""

    def __init__(self, services: ProcessServices) -> None:
        self._services = services
        self._state = services.state
        self._attachments = AttachmentService(
            services.blobs, secret_key=services.secret_key, public_url=services.config.public_url, clock=services.clock
        )
        self._ownership = OwnershipService(
            bus=services.bus,
            conversations=services.state.conversations,
            clock=services.clock,
            state_lost=services.is_state_lost,
        )

    async def find(self, tenant: str, conversation_id: str) -> Conversation:
        """Find a conversation of the tenant. Raises NotFound."""
        conversation = await self._state.conversations.get(conversation_id)
        if conversation is None or conversation.origin.tenant != tenant:
            raise _not_found()
        return conversation

    async def change_owner(
        self,
        conversation: Conversation,
        to: Owner,
        epoch: int,
        actor: Actor,
        *,
        reason: str,
        resolution: HandoffResolution | None = None,
    ) -> OwnershipDecision:
        """Change the owner at the epoch that the actor saw. Raises NotFound, Conflict (a colleague has the
        conversation), Unavailable."""
        command = OwnershipCommand(
            str(uuid4()), COMMAND_TOWARDS[to], actor, reason, self._services.clock(), seen_epoch=epoch
        )
        decision = await self._ownership.perform(conversation, command, resolution)
        if decision.outcome == "gone":
            raise _not_found()
        if decision.outcome == "held":
            raise Conflict(f"{holder_name(conversation)} has the conversation; put it back in the queue first")
        return decision

    async def decide_approval(
        self,
        conversation: Conversation,
        approval: str,
        decision: Literal["approve", "deny"],
        actor: Actor,
        reason: str = "",
    ) -> None:
        """Decide a pending approval. Raises NotFound, Forbidden (the role is too low), Conflict (expired, or another
        person has to approve it), Unavailable."""
        decide = self._ownership.decide_approval
        outcome = await decide(conversation, approval, decision, actor, id=str(uuid4()), reason=reason)
        if outcome == "not_pending":
            raise NotFound("no such approval is pending: it was decided before, or never requested")
        if outcome == "expired":
            raise Conflict("the approval has expired")
        if outcome == "role_too_low":
            raise Forbidden(f"the role {actor.role} may not decide this")
        if outcome == "same_person":
            raise Conflict("you have approved this already; another person has to approve it, too")

    async def send_message(
        self, conversation: Conversation, message: OperatorMessage, actor: Actor, *, reason: str
    ) -> str:
        """Reply to the contact, and return the id of the message. The actor becomes the owner before the message is
        accepted, so the agent stops answering. Raises StaleEpoch (somebody else has the conversation), IdReused,
        InvalidRequest (attachments), Conflict, Unavailable."""
        own = self._services.config.tenants[conversation.origin.tenant].protection.own_number_finder
        message = message.model_copy(update={"text": mask_cards(message.text, own)})
        files = await self._attachments.find_uploads(conversation.origin.tenant, conversation.id, message.attachments)
        event_id = _derive_event_id(conversation, message)
        message_id = ids.derived_id(event_id, "outbound")
        if not await self._was_sent_before(conversation, message, event_id, message_id):
            epoch = await self._claim(conversation, actor, reason)
            await self._attachments.claim(conversation.origin.tenant, files)
            await self._services.bus.append([self._build_event(conversation, message, files, event_id, epoch, actor)])
        return message_id

    async def _claim(self, conversation: Conversation, actor: Actor, reason: str) -> int:
        """Take over the conversation, and return the epoch under which the actor may reply."""
        command = OwnershipCommand(str(uuid4()), "claim", actor, reason, self._services.clock())
        decision = await self._ownership.perform(conversation, command)
        if decision.outcome == "gone":
            raise _not_found()
        if decision.outcome == "held":
            raise StaleEpoch("somebody else has the conversation", owner=decision.owner, epoch=decision.epoch)
        if decision.outcome == "lost":
            raise Conflict("the owner of the conversation keeps changing")
        return decision.epoch

    async def _was_sent_before(
        self, conversation: Conversation, message: OperatorMessage, event_id: str, message_id: str
    ) -> bool:
        """Whether the transcript has the message already. Raises IdReused if its client_msg_id was used with another
        body. Until the message is in the transcript, a lease held by the digest of the body detects this."""
        digest = hashlib.sha256(message.model_dump_json().encode()).hexdigest()
        name, now = f"said:{conversation.origin.tenant}:{event_id}", self._services.clock()
        held = await self._state.leases.acquire(name, digest, ttl=ID_LEASE_SECONDS, now=now)
        line = await self._state.transcript.find(conversation.id, message_id)
        if held is None or (line is not None and line.state != "deleted" and line.text != message.text):
            raise IdReused("this client_msg_id was used before with another body")
        return line is not None

    def _build_event(
        self,
        conversation: Conversation,
        message: OperatorMessage,
        files: list[Attachment],
        event_id: str,
        epoch: int,
        actor: Actor,
    ) -> Envelope:
        payload = InboundMessage(
            id=event_id,
            external_id=message.client_msg_id,
            place=conversation.origin.place,
            contact_id=conversation.origin.contact_id,
            author=Author(kind="person", name=actor.name),
            text=message.text,
            attachments=files,
            epoch=epoch,
            sent_at=self._services.clock(),
        )
        now = self._services.clock()
        return conversation_event(
            conversation, topics.MESSAGE_RECEIVED, payload, id=event_id, time=now, source=actor.source
        )


def _not_found() -> NotFound:
    return NotFound("no such conversation")


def _derive_event_id(conversation: Conversation, message: OperatorMessage) -> str:
    """Derive the id with a kind of its own, so that no client_msg_id of a visitor yields the same id."""
    origin = conversation.origin
    place = (origin.tenant, origin.channel, origin.account, origin.place)
    return ids.event_id(*place, message.client_msg_id, "message.received.admin")
