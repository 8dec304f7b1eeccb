"""Conversations of many kinds on all channels, held with a real worker on either engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent_worker.handoff.desk_service_level import DeskServiceLevel
from agent_worker.knowledge.ingest.publishing import publish
from agent_worker.knowledge.library import Library
from agent_worker.knowledge.vectors.encoder import light_encoder
from agent_worker.models.local.model import LocalModel
from agent_worker.models.registry import Models
from agent_worker.router.rules import RiskTopic, RouteRules
from agent_worker.settings import FoldRules, TenantRules, WorkerSettings
from agent_worker.worker import Worker
from connectors.registry import CHANNELS
from infra.metrics import PrometheusMetrics
from schemas import topics
from schemas.conversation import Origin, OwnerRequested
from schemas.conversation_activity import MessageDeleted, MessageEdited, ReactionChanged
from schemas.desk import HandoffResolved
from schemas.envelope import Envelope, envelope
from schemas.ids import derived_id, event_id
from schemas.messages import (
    Address,
    Attachment,
    Author,
    ChoiceSelection,
    InboundMessage,
    OutboundMessage,
    RemoteFile,
    Speech,
    TranscriptMessage,
)
from schemas.ports import DocumentDraft, Record, State
from tests.simulators.payments import open_payments
from tests.unit.agent_worker.actions.shop import rules
from tests.unit.agent_worker.learning.recorded_engines import ObservedBus, open_engine
from tests.unit.agent_worker.worker_environment import RETURNS, SHIPPING, TENANT, VOICE, Clock, LaneStub

HEAT = "Do you add a heat pack in winter?"
RETURN = "Within how many days can I return pots?"
WATERING = """# Watering

## Water quality

Use rain water or distilled water. Tap water kills carnivorous plants within a few weeks.
"""
DOCUMENTS = {"shipping": SHIPPING, "returns": RETURNS, "watering": WATERING}
PICTURE = RemoteFile(ref="v-1", name="leaf.jpg", kind="image", type="image/jpeg", size=9)
VOICE_NOTE = RemoteFile(ref="v-2", kind="voice", type="audio/ogg")
MUMBLED_NOTE = RemoteFile(ref="v-03", kind="voice", type="audio/ogg")
GERMAN_NOTE = RemoteFile(ref="v-004", kind="voice", type="audio/ogg")


@dataclass
class RecordedShop:
    """A worker with a shop's documents and actions, and the time that its conversations take."""

    bus: Any
    state: State
    library: Library
    worker: Worker
    settings: WorkerSettings
    clock: Clock
    conversations: list[RecordedConversation] = field(default_factory=list)

    async def put(self, document: str, body: str) -> None:
        title = body.splitlines()[0].lstrip("# ")
        draft = DocumentDraft(id=document, title=title, body=body)
        await publish(self.bus, self.state.heads, TENANT, draft, self.clock())
        assert await self.library.wait_until_indexed(TENANT, 30)

    async def hold(self, count: int) -> None:
        """Hold as many conversations, of each kind on each channel in turn."""
        for number in range(count):
            conversation = await RecordedConversation.begin(self, number)
            self.conversations.append(conversation)
            await KINDS[number % len(KINDS)](conversation)


@dataclass
class RecordedConversation:
    """One conversation."""

    shop: RecordedShop
    origin: Origin
    id: str
    lines: int = 0

    @classmethod
    async def begin(cls, shop: RecordedShop, number: int) -> RecordedConversation:
        channel, place = [*CHANNELS][number % len(CHANNELS)], f"place-{number}"
        # The customer to whom the shop's orders belong writes from one place after the other.
        addresses = [
            Address(channel=channel, value=place, assurance="verified"),
            Address(channel="email", value="rosa@example.com", assurance="verified"),
        ]
        contacts = shop.state.contacts
        contact, conversation = await contacts.resolve(TENANT, channel, "main", place, addresses, now=shop.clock())
        origin = Origin(tenant=TENANT, channel=channel, account="main", place=place, contact_id=contact.id)
        return cls(shop, origin, conversation)

    # ── what comes in ────────────────────────────────────────────────────────────────────────────────────────────────

    def message(self, text: str, **more: Any) -> Envelope:
        self.lines += 1
        name = f"m{self.lines}"
        id = event_id(TENANT, self.origin.channel, "main", self.origin.place, name, "message")
        person = more.pop("person", False)
        message = InboundMessage(
            id=id,
            external_id=name,
            place=self.origin.place,
            contact_id=self.origin.contact_id,
            author=Author(kind="person", name="Rosa") if person else Author(kind="contact"),
            text=text,
            sent_at=self.shop.clock(),
            **more,
        )
        return self.wrap(topics.MESSAGE_RECEIVED, message, id)

    def wrap(self, kind: str, payload: Any, id: str) -> Envelope:
        origin, at = self.origin, self.shop.clock()
        about = {"tenant": TENANT, "channel": origin.channel, "account": "main", "conversation": self.id}
        return envelope(kind, payload, id=id, time=at, source="test", **about)

    async def hear(self, *events: Envelope) -> OutboundMessage | None:
        """Append and handle them in one batch; what came last, which the contact has seen then."""
        positions = await self.shop.bus.append(events)
        records = [
            Record(
                topic=position.topic,
                partition=position.partition,
                offset=position.offset,
                key=self.id,
                timestamp_ms=int(event.time.timestamp() * 1000),
                headers=dict(event.headers()),
                value=event.data,
            )
            for event, position in zip(events, positions, strict=True)
        ]
        await self.shop.worker.handle(LaneStub(records))
        for message in self.shop.bus.sent[self.id]:
            await self.shop.state.transcript.add(self.id, TranscriptMessage.of_outbound(message, "sent"))
        self.shop.clock.advance(seconds=20)
        return self.last

    @property
    def last(self) -> OutboundMessage | None:
        return next(reversed(self.shop.bus.sent[self.id]), None)

    async def say(self, text: str, **more: Any) -> OutboundMessage:
        said = await self.hear(self.message(text, **more))
        assert said is not None
        return said

    async def pick(self, choice: str) -> OutboundMessage:
        """Press a button of the newest message."""
        last = self.last
        assert last is not None
        (found,) = [each for each in last.choices if each.id.startswith(choice)]
        return await self.say(found.label, choice=ChoiceSelection(in_reply_to=last.id, id=found.id))

    async def edit(self, event: Envelope, text: str) -> None:
        change = MessageEdited(
            message_id=event.id, place=self.origin.place, contact_id=self.origin.contact_id, text=text,
            edited_at=self.shop.clock(), revision=1,
        )  # fmt: skip
        await self.hear(self.wrap(topics.MESSAGE_EDITED, change, derived_id(event.id, "edit")))

    async def delete(self, event: Envelope) -> None:
        change = MessageDeleted(
            message_id=event.id, place=self.origin.place, contact_id=self.origin.contact_id,
            deleted_at=self.shop.clock(),
        )  # fmt: skip
        await self.hear(self.wrap(topics.MESSAGE_DELETED, change, derived_id(event.id, "delete")))

    async def thumb_up(self) -> None:
        """👍 on the newest message."""
        last = self.last
        assert last is not None
        place = (TENANT, self.origin.channel, "main", f"v-{last.id}")
        await self.shop.state.deliveries.bind(*place, self.id, last.id)
        reaction = ReactionChanged(
            external_id=f"v-{last.id}", place=self.origin.place, contact_id=self.origin.contact_id, emoji="👍",
            at=self.shop.clock(),
        )  # fmt: skip
        await self.hear(self.wrap(topics.REACTION_CHANGED, reaction, derived_id(last.id, "thumb")))

    async def change_owner(self, to: Any, reason: str = "") -> None:
        known = await self.shop.state.conversations.get(self.id)
        assert known is not None
        request = OwnerRequested(
            id=derived_id(self.id, f"{to}-{self.lines}"), to=to, expected_epoch=known.epoch, by="slack:U1",
            name="Rosa", reason=reason, at=self.shop.clock(),
        )  # fmt: skip
        await self.hear(self.wrap(topics.OWNER_REQUESTED, request, request.id))

    async def resolve(self) -> None:
        resolved = HandoffResolved(id=derived_id(self.id, "resolved"), by="slack:U1", at=self.shop.clock())
        await self.hear(self.wrap(topics.HANDOFF_RESOLVED, resolved, resolved.id))


# ── the kinds ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def ask_and_follow_up(conversation: RecordedConversation) -> None:
    await conversation.say("Hello!")
    await conversation.say(HEAT)
    await conversation.say("And how long does it keep warm?")
    await conversation.say("Thank you, bye")


async def ask_twice_at_once(conversation: RecordedConversation) -> None:
    await conversation.hear(conversation.message(HEAT), conversation.message(RETURN))
    await conversation.say("Do you sell spaceships?")


async def be_declined_and_ask_for_people(conversation: RecordedConversation) -> None:
    await conversation.say("Who is the king of France?")
    await conversation.pick("person")
    await conversation.say("Is anybody there?")


async def be_refunded(conversation: RecordedConversation) -> None:
    await conversation.say("I want my money back")
    await conversation.say("A-1001")
    await conversation.say("12.50 euro")
    await conversation.pick("yes:")
    await conversation.say("where is my order A-1002?")


async def change_ones_mind_about_a_refund(conversation: RecordedConversation) -> None:
    await conversation.say("I want my money back for A-1001, 20 euro")
    await conversation.say("No, leave it")
    await conversation.say(HEAT)


async def confirm_by_thumb(conversation: RecordedConversation) -> None:
    await conversation.say("I want my money back for A-1003, 30 euro please")
    await conversation.thumb_up()
    await conversation.say("I want my money back for A-2001, 5 euro please")
    await conversation.say("yes")


async def need_an_approval(conversation: RecordedConversation) -> None:
    await conversation.say("I want my money back for A-1004, 80 euro please")
    await conversation.say("yes")
    await conversation.say(RETURN)


async def be_handed_over_and_back(conversation: RecordedConversation) -> None:
    await conversation.say(HEAT)
    await conversation.say("I want to speak to a human")
    await conversation.change_owner("person")
    await conversation.hear(conversation.message("We will send it on Monday.", person=True))
    await conversation.hear(conversation.message("Fine. And can I use tap water?"))
    await conversation.change_owner("agent")
    await conversation.say("When will you send it?")
    await conversation.say(RETURN)


async def be_handed_over_and_resolved(conversation: RecordedConversation) -> None:
    await conversation.say("I will sue you")
    await conversation.change_owner("person")
    await conversation.hear(conversation.message("Please do not.", person=True))
    await conversation.change_owner("closed")
    await conversation.resolve()
    await conversation.say(HEAT)


async def send_files(conversation: RecordedConversation) -> None:
    await conversation.say("", files=[PICTURE])
    await conversation.say("Can I use tap water for this one?", files=[PICTURE])
    await conversation.say(RETURN)


async def send_voice_notes(conversation: RecordedConversation) -> None:
    await conversation.say("", files=[VOICE_NOTE])
    await conversation.say("", files=[MUMBLED_NOTE])
    await conversation.say(RETURN, files=[MUMBLED_NOTE])
    written = conversation.message("And distilled water?", files=[VOICE_NOTE])
    await conversation.hear(written)
    await conversation.edit(written, "Can I use tap water?")
    upload = Attachment(id=_file_id(VOICE_NOTE), name="note.ogg", type="audio/ogg", size=9)
    await conversation.say("", attachments=[upload])
    await conversation.say("", files=[GERMAN_NOTE])


async def edit_and_delete(conversation: RecordedConversation) -> None:
    first = conversation.message(HEAT)
    await conversation.hear(first)
    await conversation.edit(first, RETURN)
    second = conversation.message("Can I use tap water?")
    await conversation.hear(second)
    await conversation.delete(second)
    await conversation.say("And distilled water?")


async def write_in_german(conversation: RecordedConversation) -> None:
    await conversation.say("Guten Tag!", locale="de")
    await conversation.say("Kann ich Töpfe zurückgeben?", locale="de")
    await conversation.say("Ich möchte mit einem Menschen sprechen", locale="de")
    await conversation.say("Ich brauche doch keinen Menschen mehr", locale="de")


KINDS: tuple[Callable[[RecordedConversation], Awaitable[None]], ...] = (
    ask_and_follow_up,
    ask_twice_at_once,
    be_declined_and_ask_for_people,
    be_refunded,
    change_ones_mind_about_a_refund,
    confirm_by_thumb,
    need_an_approval,
    be_handed_over_and_back,
    be_handed_over_and_resolved,
    send_files,
    send_voice_notes,
    edit_and_delete,
    write_in_german,
)


# ── the engines ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def fetch_file(_conversation: str, _origin: Origin, file: RemoteFile) -> Attachment:
    return Attachment(id=_file_id(file), name=file.name or file.kind, type=file.type, size=9)


def _file_id(file: RemoteFile) -> str:
    return f"{len(file.ref):064x}"


async def transcribe(_tenant: str, file: Attachment) -> Speech:
    notes = {
        _file_id(VOICE_NOTE): Speech(text=HEAT, language="en"),
        _file_id(GERMAN_NOTE): Speech(text="Kann ich Töpfe zurückgeben?", language="de"),
    }
    return notes.get(file.id, Speech(problem="unclear"))


@asynccontextmanager
async def open_recorded_shop(folder: Path, kafka: str = "", redis: str = "") -> AsyncIterator[RecordedShop]:
    """On SQLite, or on these servers."""
    clock = Clock()
    async with open_engine(folder, clock, kafka, redis) as (bus, state), open_payments() as payments:
        observed: Any = ObservedBus(bus)
        risks = (RiskTopic("legal", ("sue you",)),)
        tenant = TenantRules(
            voice=VOICE,
            fold=FoldRules(quiet=dict.fromkeys(CHANNELS, 0.0)),
            actions=rules(payments),
            routes=RouteRules(risks=risks),
            desk=DeskServiceLevel(),
        )
        settings = WorkerSettings(tenants={TENANT: tenant})
        library = Library(
            observed, state.heads, folder / "knowledge", clock=clock, answerable_above=lambda _: 0.5,
            encoder=light_encoder,
        )  # fmt: skip
        await library.start()
        worker = Worker(
            bus=observed,
            state=state,
            knowledge=library,
            models=Models({"local": LocalModel(settings)}, settings=settings),
            settings=settings,
            metrics=PrometheusMetrics(),
            clock=clock,
            fetch=fetch_file,
            transcribe=transcribe,
        )
        shop = RecordedShop(observed, state, library, worker, settings, clock)
        try:
            for document, body in DOCUMENTS.items():
                await shop.put(document, body)
            yield shop
        finally:
            await worker.close()
            await library.close()
