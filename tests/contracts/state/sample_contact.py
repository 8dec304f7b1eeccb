"""A contact with a secret word in every place where an installation may hold something about a person."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from gateway.wiring.process_services import ProcessServices
from schemas import ids, topics
from schemas.actions import ApprovalRequested, PendingApproval
from schemas.conversation import DeadLetter, DeliveryOutcome, Facts, Origin, Turn
from schemas.conversation_activity import ContactChanged, Feedback, FilesStored, MessageEdited, ReactionChanged
from schemas.desk import DeskCommand, DraftGenerated, DraftSettled, Handoff, HandoffResolved, Rating
from schemas.envelope import Envelope, envelope
from schemas.messages import (
    Address,
    Author,
    InboundMessage,
    Location,
    OutboundMessage,
    Quote,
    Receipt,
    SharedContact,
    TranscriptMessage,
)
from schemas.ports import ContactUpdate, Record
from schemas.turn_recording import RecordedRequest, TurnRecording
from tests.contracts.state.samples import make_intended, make_settled

TENANT = "shop"


@dataclass
class SampleContact:
    """Writes records and state about one contact as the parts of Parley do. ``words`` are the secret ones by place."""

    services: ProcessServices
    name: str
    channel: str = "web"
    place: str = ""
    contact: str = ""
    conversation: str = ""
    words: dict[str, str] = field(default_factory=dict)

    @property
    def now(self) -> datetime:
        return self.services.clock()

    def word(self, where: str) -> str:
        return self.words.setdefault(where, f"{self.name}-{where}-{len(self.words):02}")

    async def plant(self) -> None:
        """All of it."""
        await self.arrive()
        message = await self.write(self.word("message"), quote=self.word("quote"))
        await self.plant_files(message)
        await self.plant_changes(message)
        reply = await self.plant_turn(message)
        await self.plant_actions()
        await self.plant_desk(reply)
        await self.plant_failures()
        await self.plant_state()
        await self.services.audit.record(
            TENANT, "contact.read", actor=f"console:{self.word('audit')}", surface="console", subject=self.subject
        )

    @property
    def subject(self) -> str:
        return f"contact:{self.contact}"

    async def arrive(self, *, place: str = "", addresses: Sequence[Address] = ()) -> None:
        """The first message makes the contact and its conversation."""
        self.place = place or f"id:{self.word('address')}"
        known = list(addresses) or [Address(channel=self.channel, value=self.place, assurance="verified")]
        change = ContactUpdate(at=self.now, name=self.word("name"))
        contact, self.conversation = await self.services.state.contacts.resolve(
            TENANT, self.channel, "main", self.place, known, now=self.now, change=change
        )
        self.contact = contact.id
        key = f"contact:{contact.id}"
        await self.services.bus.append([self.event(topics.CONTACT_SNAPSHOT, contact, f"{key}-1", subject=key)])
        await self.begin([])

    async def begin(self, events: list[str]) -> Any:
        origin = Origin(tenant=TENANT, channel=self.channel, account="main", place=self.place, contact_id=self.contact)
        return await self.services.state.conversations.begin(self.conversation, origin, events, now=self.now)

    async def write(self, text: str, *, conversation: str = "", quote: str = "") -> str:
        """A message of the contact: on the log, then in the transcript."""
        id_ = ids.derived_id(self.contact, text)
        said = InboundMessage(
            id=id_,
            external_id=text,
            place=self.place,
            contact_id=self.contact,
            author=Author(kind="contact", name=self.words.get("name", "")),
            text=text,
            quote=Quote(text=quote) if quote else None,
            location=Location(latitude=1, longitude=2, name=self.word("location")) if quote else None,
            shared_contacts=[SharedContact(name=self.word("shared"))] if quote else [],
            sent_at=self.now,
        )
        conversation = conversation or self.conversation
        await self.log(topics.MESSAGE_RECEIVED, said, id_, conversation=conversation)
        await self.services.state.transcript.add(conversation, TranscriptMessage.of_inbound(said))
        return id_

    async def answer(self, handled: list[str], text: str, *, conversation: str = "") -> OutboundMessage:
        """A turn and its reply, on the log and in the state."""
        turn = ids.turn_id(conversation or self.conversation, handled)
        reply = self.outbound(ids.reply_id(turn, 0), text, turn_id=turn)
        record = Turn(
            id=turn, handled=handled, route="local", reasons=[f"because {text}"], replies=[reply], at=self.now
        )
        where = conversation or self.conversation
        await self.log(topics.TURN_COMPLETED, record, f"{turn}-record", conversation=where)
        exchange = RecordedRequest(model="m", request="digest", answer=f"recorded {text}")
        recording = TurnRecording(turn_id=turn, clock=self.now, exchanges=[exchange])
        await self.log(topics.TURN_RECORDED, recording, f"{turn}-recording", conversation=where)
        await self.log(topics.MESSAGE_SEND, reply, reply.id, conversation=where)
        await self.services.state.turns.add(where, record)
        await self.services.state.transcript.add(where, TranscriptMessage.of_outbound(reply, "sent"))
        return reply

    async def plant_files(self, message: str) -> None:
        blobs = self.services.blobs
        content = f"a file with {self.word('file')} in it".encode()
        stored = await blobs.put(
            TENANT, f"{self.word('filename')}.txt", "text/plain", content, conversation=self.conversation
        )
        await self.services.state.transcript.attach(self.conversation, message, [stored])
        files = FilesStored(message_id=message, attachments=[stored], text=self.word("speech"), at=self.now)
        await self.log(topics.FILES_STORED, files)
        waiting = f"uploaded {self.word('upload')}".encode()
        where: dict[str, Any] = {"conversation": self.conversation, "uploader": self.contact}
        await blobs.put(TENANT, "waiting.txt", "text/plain", waiting, claimed=False, **where)

    async def plant_changes(self, message: str) -> None:
        about: dict[str, Any] = {"place": self.place, "contact_id": self.contact}
        edited = MessageEdited(message_id=message, text=self.word("edit"), edited_at=self.now, **about)
        await self.log(topics.MESSAGE_EDITED, edited)
        reaction = ReactionChanged(external_id=message, emoji=self.word("reaction"), at=self.now, **about)
        await self.log(topics.REACTION_CHANGED, reaction)
        await self.log(topics.CONTACT_CHANGED, ContactChanged(name=self.word("vendor"), at=self.now, **about))

    async def plant_turn(self, message: str) -> OutboundMessage:
        reply = await self.answer([message], self.word("reply"))
        feedback = Feedback(message_id=reply.id, value="down", comment=self.word("comment"), at=self.now)
        await self.log(topics.FEEDBACK_GIVEN, feedback)
        outcome = DeliveryOutcome(message_id=reply.id, state="failed", reason=self.word("delivery"), at=self.now)
        await self.log(topics.DELIVERY_RECORDED, outcome)
        receipt = Receipt(state="failed", message_id=reply.id, reason=self.word("receipt"), at=self.now)
        await self.log(topics.RECEIPT_RECORDED, receipt)
        return reply

    async def plant_actions(self) -> None:
        key = f"key-{self.name}"
        arguments = {"order": self.word("argument")}
        await self.log(topics.ACTION_INTENDED, make_intended(key, arguments=arguments, contact_id=self.contact))
        await self.log(topics.ACTION_SETTLED, make_settled(key, result={"iban": self.word("result")}))
        approval = PendingApproval(
            id=f"approval-{self.name}",
            action="refund",
            arguments={"order": self.word("approval")},
            digest="d",
            contact_id=self.contact,
            reason="amount",
            requested_at=self.now,
            expires_at=self.now + timedelta(hours=1),
        )
        await self.log(topics.APPROVAL_REQUESTED, ApprovalRequested(approval=approval, summary="?", at=self.now))

    async def plant_desk(self, reply: OutboundMessage) -> None:
        draft = DraftGenerated(id=f"draft-{self.name}", text=self.word("draft"), at=self.now)
        await self.log(topics.DRAFT_GENERATED, draft)
        settled = DraftSettled(
            id=draft.id, draft=draft.text, sent=self.word("sent"), outcome="edited", by="slack:U1", at=self.now
        )
        await self.log(topics.DRAFT_SETTLED, settled)
        note = DeskCommand(
            id=f"note-{self.name}",
            kind="note",
            by="slack:U1",
            account="main",
            place="C1:1.0",
            text=self.word("note"),
            at=self.now,
        )
        await self.log(topics.DESK_COMMAND, note)
        resolved = HandoffResolved(id=f"end-{self.name}", by="slack:U1", note=self.word("resolution"), at=self.now)
        await self.log(topics.HANDOFF_RESOLVED, resolved)
        await self.log(topics.RATING_GIVEN, Rating(message_id=reply.id, score=2, by=self.word("rating"), at=self.now))

    async def plant_failures(self) -> None:
        lost = InboundMessage(
            id=f"lost-{self.name}",
            external_id="x",
            place=self.place,
            contact_id=self.contact,
            text=self.word("deadletter"),
            sent_at=self.now,
        )
        letter = DeadLetter(
            id=f"letter-{self.name}",
            code="handler_failed",
            reason=self.word("failure"),
            attempts=5,
            topic=topics.inbound(self.channel),
            partition=0,
            offset=7,
            tenant=TENANT,
            channel=self.channel,
            conversation_id=self.conversation,
            value=base64.b64encode(lost.model_dump_json().encode()).decode(),
            first_at=self.now,
            last_at=self.now,
        )
        await self.services.state.dead_letters.add(letter)
        await self.log(topics.DEADLETTER_RECORDED, letter, letter.id)
        late = lost.model_copy(update={"id": f"parked-{self.name}", "text": self.word("parked")})
        event = self.event(topics.MESSAGE_RECEIVED, late, late.id, conversation=self.conversation)
        where = (topics.inbound(self.channel), 0, len(self.name))  # another offset for another name
        record = Record(*where, self.conversation, 0, event.headers(), event.data)
        for group in (topics.worker_group(self.channel), topics.desk_group("slack")):
            await self.services.state.parking.park(group, self.conversation, [record], until=self.now)

    async def plant_state(self) -> None:
        """The memory of the conversation, a reply that was not published yet, and the snapshot."""
        begun = await self.begin(["event"])
        handoff = Handoff(number=1, summary=[self.word("summary")], opened_at=self.now)
        waiting = self.outbound(f"waiting-{self.name}", self.word("outbox"))
        event = self.event(topics.MESSAGE_SEND, waiting, waiting.id, conversation=self.conversation)
        await self.services.state.conversations.commit(
            self.conversation,
            token=begun.token,
            version=begun.conversation.version,
            epoch=begun.conversation.epoch,
            facts=Facts(handoff=handoff),
            handled=["event"],
            outbox=[event],
            now=self.now,
        )
        snapshot = await self.services.state.conversations.snapshot(self.conversation)
        assert snapshot is not None
        await self.log(topics.CONVERSATION_SNAPSHOT, snapshot, f"snapshot-{self.name}")

    def outbound(self, id_: str, text: str, *, turn_id: str = "") -> OutboundMessage:
        return OutboundMessage(
            id=id_,
            author=Author(kind="agent"),
            text=text,
            place=self.place,
            contact_id=self.contact,
            turn_id=turn_id,
            created_at=self.now,
            expires_at=self.now + timedelta(days=1),
        )

    async def log(self, kind: str, payload: Any, id_: str = "", *, conversation: str = "") -> None:
        """Append an event of the conversation."""
        id_ = id_ or f"{kind}-{self.name}"
        await self.services.bus.append([self.event(kind, payload, id_, conversation=conversation or self.conversation)])

    def event(self, kind: str, payload: Any, id_: str, **more: str) -> Envelope:
        attributes: dict[str, Any] = {
            "source": "test",
            "tenant": TENANT,
            "channel": self.channel,
            "account": "main",
        } | more
        return envelope(kind, payload, id=id_, time=self.now, **attributes)
