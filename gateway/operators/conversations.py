"""What people do in conversations, whichever surface they do it on: take over, give back, answer (design §7)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Annotated
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field

from gateway.webchat.attachments import AttachmentDesk
from gateway.wiring.parts import Parts
from schemas import ids, topics
from schemas.conversation import Conversation, Owner, OwnerRequested
from schemas.desk import HandoffResolved
from schemas.envelope import Envelope, envelope
from schemas.errors import Conflict, IdReused, NotFound, StaleEpoch, Unavailable
from schemas.messages import Attachment, Author, InboundMessage, Printable, Text
from schemas.ports import Owned
from schemas.privacy.cards import masked

REMEMBERED = 86_400.0
"""Seconds for which a client_msg_id is tied to its body before the message is in the transcript."""
_TRIES = 5


class Said(BaseModel):
    """What a person answers: the body of ``POST …/messages``."""

    model_config = ConfigDict(extra="forbid", strict=True)

    client_msg_id: Annotated[Printable, Field(min_length=1, max_length=64)]
    text: Text
    attachments: Annotated[list[Annotated[Printable, Field(max_length=200)]], Field(max_length=10)] = []


@dataclass(frozen=True, slots=True)
class Resolution:
    """What came of a conversation that people had. ``ask``: the contact is asked how it went."""

    outcome: str = ""
    tags: list[str] = field(default_factory=list)
    note: str = ""
    ask: bool = True


@dataclass(frozen=True, slots=True)
class Colleague:
    """Who acts. ``by`` names them for good, ``name`` is what contacts read, ``source`` says where they act.
    ``is_one``: one person; what they write is the contact's only while nobody else holds the conversation. A program
    behind the admin API speaks for whoever uses it."""

    by: str
    source: str
    name: str = ""
    is_one: bool = False


class Colleagues:
    def __init__(self, parts: Parts, attachments: AttachmentDesk) -> None:
        self._parts = parts
        self._state = parts.state
        self._attachments = attachments

    async def found(self, tenant: str, conversation: str) -> Conversation:
        """Raises NotFound, also for another tenant's."""
        found = await self._state.conversations.get(conversation)
        if found is None or found.origin.tenant != tenant:
            raise NotFound("no such conversation")
        return found

    async def own(self, found: Conversation, to: Owner, epoch: int, who: Colleague, *, reason: str) -> Owned:
        """The request is durable in the log before the compare-and-set; a rebuild decides it again in the same way."""
        if self._parts.lost():
            raise Unavailable("state is being rebuilt", retry_after_ms=2000)
        now = self._parts.clock()
        asked = OwnerRequested(
            id=str(uuid4()), to=to, expected_epoch=epoch, by=who.by, name=who.name, reason=reason, at=now
        )
        await self._parts.bus.append([self._wrap(found, who, topics.OWNER_REQUESTED, asked, asked.id)])
        return await self._state.conversations.own(
            found.id, to, expected_epoch=epoch, request_id=asked.id, by=who.by, name=who.name, reason=reason, now=now
        )

    async def take_or_give(self, found: Conversation, to: Owner, epoch: int, who: Colleague, *, reason: str) -> Owned:
        """``own``, by the rules for people: what a colleague has is freed first, which anybody may do, for whoever has
        it may be away. Raises Conflict that names them. Either ``found`` is of this epoch, or the compare-and-set
        fails."""
        holder = found.holder if found.owner == "person" and epoch == found.epoch else None
        if holder is not None and holder.by != who.by and to != "queue":
            raise Conflict(f"{holder.name or holder.by} has the conversation; put it back in the queue first")
        return await self.own(found, to, epoch, who, reason=reason)

    async def tell_outcome(self, found: Conversation, word: Resolution, who: Colleague) -> None:
        """What came of it, after it was closed: for the figures, and for the question how it went."""
        told = HandoffResolved(
            id=str(uuid4()),
            by=who.by,
            name=who.name,
            outcome=word.outcome,
            tags=word.tags,
            note=masked(word.note),
            ask=word.ask,
            at=self._parts.clock(),
        )
        await self._parts.bus.append([self._wrap(found, who, topics.HANDOFF_RESOLVED, told, told.id)])

    async def say(self, found: Conversation, given: Said, who: Colleague, *, reason: str) -> str:
        """The id of the message. The conversation is theirs before it is accepted, so the agent falls silent. Raises
        StaleEpoch when somebody else has the conversation, IdReused, InvalidRequest (attachments), Conflict."""
        own = self._parts.config.tenants[found.origin.tenant].protection.finder
        said = given.model_copy(update={"text": masked(given.text, own)})
        files = await self._attachments.uploaded(found.origin.tenant, found.id, said.attachments)
        event_id = _said_id(found, said)
        shown = ids.derived_id(event_id, "outbound")
        if not await self._known(found, said, event_id, shown):
            epoch = await self._take(found, who, reason)
            await self._attachments.claim(found.origin.tenant, files)
            await self._parts.bus.append([self._event(found, said, files, event_id, epoch, who)])
        return shown

    async def _take(self, found: Conversation, who: Colleague, reason: str) -> int:
        """The epoch under which the conversation belongs to people, or to this one."""
        for _ in range(_TRIES):
            if found.owner == "person":
                if who.is_one and (found.holder is None or found.holder.by != who.by):
                    raise StaleEpoch("somebody else has the conversation", owner=found.owner, epoch=found.epoch)
                return found.epoch
            owned = await self.own(found, "person", found.epoch, who, reason=reason)
            if owned.won:
                return owned.epoch
            found = await self.found(found.origin.tenant, found.id)
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

    def _event(
        self, found: Conversation, said: Said, files: list[Attachment], event_id: str, epoch: int, who: Colleague
    ) -> Envelope:
        message = InboundMessage(
            id=event_id,
            external_id=said.client_msg_id,
            place=found.origin.place,
            contact_id=found.origin.contact_id,
            author=Author(kind="person", name=who.name),
            text=said.text,
            attachments=files,
            epoch=epoch,
            sent_at=self._parts.clock(),
        )
        return self._wrap(found, who, topics.MESSAGE_RECEIVED, message, event_id)

    def _wrap(self, found: Conversation, who: Colleague, kind: str, payload: BaseModel, event_id: str) -> Envelope:
        origin = found.origin
        return envelope(
            kind,
            payload,
            id=event_id,
            time=self._parts.clock(),
            source=who.source,
            tenant=origin.tenant,
            channel=origin.channel,
            account=origin.account,
            conversation=found.id,
            correlation_id=event_id,
        )


def _said_id(found: Conversation, said: Said) -> str:
    """A kind of its own: a visitor's client_msg_id can never name the same event."""
    origin = found.origin
    place = (origin.tenant, origin.channel, origin.account, origin.place)
    return ids.event_id(*place, said.client_msg_id, "message.received.admin")
