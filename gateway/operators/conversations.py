"""Acts of operators in conversations, over the admin API or in the console: take over, give back, answer, approve."""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field

from gateway.webchat.attachments import AttachmentDesk
from gateway.wiring.parts import Parts
from schemas import ids, topics
from schemas.conversation import Conversation, Owner
from schemas.envelope import Envelope
from schemas.errors import Conflict, IdReused, NotFound, StaleEpoch
from schemas.handoff.events import conversation_event
from schemas.handoff.rules import COMMAND_TOWARDS, Actor, OwnershipCommand, holder_name
from schemas.handoff.service import HandoffResolution, OwnershipDecision, OwnershipService
from schemas.messages import Attachment, Author, InboundMessage, Printable, Text
from schemas.privacy.cards import mask_cards

REMEMBERED = 86_400.0
"""Seconds for which a client_msg_id is tied to its body before the message is in the transcript."""


class Said(BaseModel):
    """What a person answers: the body of ``POST …/messages``."""

    model_config = ConfigDict(extra="forbid", strict=True)

    client_msg_id: Annotated[Printable, Field(min_length=1, max_length=64)]
    text: Text
    attachments: Annotated[list[Annotated[Printable, Field(max_length=200)]], Field(max_length=10)] = []


class OperatorService:
    """Finds conversations, changes their owner, answers in them and decides their approvals, for the admin API and the
    console."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._state = parts.state
        self._attachments = AttachmentDesk(
            parts.blobs, secret_key=parts.secret_key, public_url=parts.config.public_url, clock=parts.clock
        )
        self._ownership = OwnershipService(
            bus=parts.bus, conversations=parts.state.conversations, clock=parts.clock, state_lost=parts.is_state_lost
        )

    async def find(self, tenant: str, conversation: str) -> Conversation:
        """Raises NotFound, also for another tenant's."""
        found = await self._state.conversations.get(conversation)
        if found is None or found.origin.tenant != tenant:
            raise _not_found()
        return found

    async def change_owner(
        self,
        found: Conversation,
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
            str(uuid4()), COMMAND_TOWARDS[to], actor, reason, self._parts.clock(), seen_epoch=epoch
        )
        decision = await self._ownership.perform(found, command, resolution)
        if decision.outcome == "gone":
            raise _not_found()
        if decision.outcome == "held":
            raise Conflict(f"{holder_name(found)} has the conversation; put it back in the queue first")
        return decision

    async def decide_approval(
        self, found: Conversation, approval: str, decision: Literal["approve", "deny"], actor: Actor, reason: str = ""
    ) -> None:
        """Raises NotFound, Conflict (expired), Unavailable."""
        decide = self._ownership.decide_approval
        outcome = await decide(found, approval, decision, actor, id=str(uuid4()), reason=reason)
        if outcome == "not_pending":
            raise NotFound("no such approval waits: it was decided before, or never asked for")
        if outcome == "expired":
            raise Conflict("the approval has expired")

    async def say(self, found: Conversation, given: Said, actor: Actor, *, reason: str) -> str:
        """Answer the contact, and return the id of the message. The conversation is the actor's before the message is
        accepted, so the agent falls silent. Raises StaleEpoch when somebody else has the conversation, IdReused,
        InvalidRequest (attachments), Conflict, Unavailable."""
        own = self._parts.config.tenants[found.origin.tenant].protection.own_number_finder
        said = given.model_copy(update={"text": mask_cards(given.text, own)})
        files = await self._attachments.uploaded(found.origin.tenant, found.id, said.attachments)
        event_id = _said_id(found, said)
        shown = ids.derived_id(event_id, "outbound")
        if not await self._is_repetition(found, said, event_id, shown):
            epoch = await self._claim(found, actor, reason)
            await self._attachments.claim(found.origin.tenant, files)
            await self._parts.bus.append([self._event(found, said, files, event_id, epoch, actor)])
        return shown

    async def _claim(self, found: Conversation, actor: Actor, reason: str) -> int:
        """Return the epoch under which the actor may speak."""
        command = OwnershipCommand(str(uuid4()), "claim", actor, reason, self._parts.clock())
        decision = await self._ownership.perform(found, command)
        if decision.outcome == "gone":
            raise _not_found()
        if decision.outcome == "held":
            raise StaleEpoch("somebody else has the conversation", owner=decision.owner, epoch=decision.epoch)
        if decision.outcome == "lost":
            raise Conflict("the owner of the conversation keeps changing")
        return decision.epoch

    async def _is_repetition(self, found: Conversation, said: Said, event_id: str, shown: str) -> bool:
        """Tell whether the transcript has the message already. One body for one client_msg_id: a lease whose holder is
        the body keeps that until the transcript can tell. Raises IdReused."""
        body = hashlib.sha256(said.model_dump_json().encode()).hexdigest()
        name, now = f"said:{found.origin.tenant}:{event_id}", self._parts.clock()
        held = await self._state.leases.acquire(name, body, ttl=REMEMBERED, now=now)
        line = await self._state.transcript.find(found.id, shown)
        if held is None or (line is not None and line.state != "deleted" and line.text != said.text):
            raise IdReused("this client_msg_id was used before with another body")
        return line is not None

    def _event(
        self, found: Conversation, said: Said, files: list[Attachment], event_id: str, epoch: int, actor: Actor
    ) -> Envelope:
        message = InboundMessage(
            id=event_id,
            external_id=said.client_msg_id,
            place=found.origin.place,
            contact_id=found.origin.contact_id,
            author=Author(kind="person", name=actor.name),
            text=said.text,
            attachments=files,
            epoch=epoch,
            sent_at=self._parts.clock(),
        )
        now = self._parts.clock()
        return conversation_event(found, topics.MESSAGE_RECEIVED, message, id=event_id, time=now, source=actor.source)


def _not_found() -> NotFound:
    return NotFound("no such conversation")


def _said_id(found: Conversation, said: Said) -> str:
    """A kind of its own: a visitor's client_msg_id can never name the same event."""
    origin = found.origin
    place = (origin.tenant, origin.channel, origin.account, origin.place)
    return ids.event_id(*place, said.client_msg_id, "message.received.admin")
