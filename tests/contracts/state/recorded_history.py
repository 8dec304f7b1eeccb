"""A log and a state store after some life: what the rebuild tests lose and want back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.bus.sqlite import SqliteBus
from infra.database import Database
from schemas import ids, topics
from schemas.conversation import Contact, DeliveryOutcome, Facts, Origin, Snapshot, Turn
from schemas.envelope import Envelope, envelope
from schemas.messages import Address, Author, InboundMessage, OutboundMessage, TranscriptMessage
from schemas.ports import Bus, Clock, State
from tests.contracts.state.samples import NOW, later

TENANT = "plantstore"
CHANNELS = ("web",)


@asynccontextmanager
async def open_log(path: Path, clock: Clock = lambda: NOW) -> AsyncIterator[Bus]:
    database = Database.open(path)
    bus = SqliteBus(database, clock=clock)
    try:
        await bus.start()
        await bus.create_topics(topics.topic_specs(CHANNELS, partitions=3, small=3))
        yield bus
    finally:
        await bus.close()
        await database.close()


def build_envelope(kind: str, payload: Any, conversation: str, id_: str) -> Envelope:
    return envelope(
        kind,
        payload,
        id=id_,
        time=NOW,
        source="test",
        tenant=TENANT,
        channel="web",
        account="main",
        conversation=conversation,
    )


def contact_event(contact: Contact) -> Envelope:
    key = f"contact:{contact.id}"
    return envelope(
        topics.CONTACT_SNAPSHOT, contact, id=contact.id, time=NOW, source="test", tenant=TENANT, subject=key
    )


@dataclass
class RecordedConversation:
    """One contact at one place, talking to the agent through a log and a store."""

    state: State
    bus: Bus
    visitor: str
    conversation: str = ""
    contact: str = ""
    turns: int = 0

    async def arrive(self) -> None:
        addresses = [Address(channel="web", value=self.visitor, assurance="channel")]
        contact, self.conversation = await self.state.contacts.resolve(
            TENANT, "web", "main", self.visitor, addresses, now=NOW
        )
        self.contact = contact.id
        await self.bus.append([contact_event(contact)])

    def origin(self) -> Origin:
        return Origin(tenant=TENANT, channel="web", account="main", place=self.visitor, contact_id=self.contact)

    async def hear(self, text: str) -> str:
        """The contact writes: on the log, then in the transcript."""
        return await self.show(await self.write(text))

    async def write(self, text: str) -> InboundMessage:
        """The contact writes: on the log only."""
        id_ = ids.derived_id(self.conversation, f"in-{text}")
        said = InboundMessage(
            id=id_, external_id=text, place=self.visitor, contact_id=self.contact, text=text, sent_at=NOW
        )
        await self.bus.append([build_envelope(topics.MESSAGE_RECEIVED, said, self.conversation, id_)])
        return said

    async def show(self, said: InboundMessage) -> str:
        """Add what the contact wrote to the transcript. Returns its id."""
        line = TranscriptMessage(id=said.id, author=said.author, text=said.text, created_at=NOW)
        await self.state.transcript.add(self.conversation, line)
        return said.id

    async def answer(self, handled: list[str], text: str, *, publish: bool = True, snapshot: bool = True) -> str:
        """One turn: commit, publish, put the snapshot on the log. Returns the reply's id."""
        start = await self.state.conversations.begin(self.conversation, self.origin(), handled, now=NOW)
        turn = ids.turn_id(self.conversation, handled)
        reply = OutboundMessage(
            id=ids.reply_id(turn, 0),
            author=Author(kind="agent"),
            text=text,
            place=self.visitor,
            contact_id=self.contact,
            turn_id=turn,
            epoch=start.conversation.epoch,
            created_at=NOW,
            expires_at=later(days=1),
        )
        self.turns += 1
        sent = build_envelope(topics.MESSAGE_SEND, reply, self.conversation, reply.id)
        made = await self.state.conversations.commit(
            self.conversation,
            token=start.token,
            version=start.conversation.version,
            epoch=start.conversation.epoch,
            facts=Facts(turns=self.turns),
            handled=handled,
            outbox=[sent],
            now=NOW,
        )
        assert made.verdict == "committed"
        line = TranscriptMessage(
            id=reply.id, author=reply.author, text=text, created_at=NOW, turn_id=turn, state="pending"
        )
        await self.state.transcript.add(self.conversation, line)
        await self.state.transcript.mark(self.conversation, handled, "answered")
        done = Turn(id=turn, handled=handled, route="strong", at=NOW)
        await self.bus.append(
            [build_envelope(topics.TURN_COMPLETED, done, self.conversation, ids.derived_id(turn, "turn"))]
        )
        if publish:
            await self.bus.append([sent])
            await self.state.conversations.published(self.conversation, [sent.id])
        if snapshot:
            await self.save()
        return reply.id

    async def save(self) -> None:
        snapshot = await self.state.conversations.snapshot(self.conversation)
        assert snapshot is not None
        version = snapshot.conversation.version
        id_ = ids.derived_id(self.conversation, "snapshot", version)
        await self.bus.append([build_envelope(topics.CONVERSATION_SNAPSHOT, snapshot, self.conversation, id_)])

    async def deliver(self, reply: str) -> None:
        outcome = DeliveryOutcome(message_id=reply, state="sent", external_id=f"vendor-{reply}", at=NOW)
        await self.state.deliveries.record(self.conversation, outcome)
        await self.state.deliveries.bind(TENANT, "web", "main", outcome.external_id, self.conversation, reply)
        await self.state.transcript.mark(self.conversation, [reply], "sent")
        id_ = ids.derived_id(reply, "delivery")
        await self.bus.append([build_envelope(topics.DELIVERY_RECORDED, outcome, self.conversation, id_)])

    async def picture(self) -> dict[str, Any]:
        """Everything of this conversation that a rebuild must bring back."""
        state, conversation = self.state, self.conversation
        lines = await state.transcript.read(conversation)
        snapshot = await state.conversations.snapshot(conversation)
        addresses = [Address(channel="web", value=self.visitor)]
        external = [await state.deliveries.by_external_id(TENANT, "web", "main", f"vendor-{one.id}") for one in lines]
        return {
            "snapshot": snapshot or Snapshot,
            "pending": await state.conversations.read_outbox(conversation),
            "lines": lines,
            "outcomes": [await state.deliveries.outcome(conversation, one.id) for one in lines],
            "external": external,
            "who": await state.contacts.resolve(TENANT, "web", "main", self.visitor, addresses, now=later(9)),
            "unpublished": await state.conversations.list_unpublished(before=later(days=1), limit=100),
            "counts": await state.conversations.counts(),
        }


async def record_conversation(state: State, bus: Bus, visitor: str, *, turns: int = 2) -> RecordedConversation:
    """A conversation of some turns, all of them delivered."""
    life = RecordedConversation(state, bus, visitor)
    await life.arrive()
    for n in range(turns):
        reply = await life.answer([await life.hear(f"question {n}")], f"answer {n}")
        await life.deliver(reply)
    return life
