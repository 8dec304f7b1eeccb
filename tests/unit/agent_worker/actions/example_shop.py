"""A counter at which tests talk with ``local``: the whole worker over SQLite, and the example shop over HTTP.

Each customer stands at a desk of their own: a tenant with a shop of its own."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp.test_utils import TestServer

from agent_worker.actions import Action
from agent_worker.actions.registry import load_actions
from agent_worker.knowledge.ingest.publishing import publish
from agent_worker.knowledge.library import Library
from agent_worker.models.local.model import LocalModel
from agent_worker.models.registry import Models
from agent_worker.settings import ActionRules, FoldRules, TenantRules, WorkerSettings
from agent_worker.worker import Worker
from examples.plantstore.shop.api import OUTBOX, build_app
from infra.bus.sqlite import SqliteBus
from infra.database import Database
from infra.metrics import PrometheusMetrics
from infra.state.sqlite.engine import open_sqlite_state
from schemas import topics
from schemas.conversation import Turn
from schemas.envelope import Envelope, envelope
from schemas.ids import event_id
from schemas.messages import Address, Author, ChoiceSelection, InboundMessage, OutboundMessage, TranscriptMessage
from schemas.ports import DocumentDraft, Record, State
from tests.unit.agent_worker.worker_environment import CHANNEL, VOICE, LaneStub

MONDAY = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
REFUNDS = "# Refunds\n\n## How long\n\nRefunds by card take 3 to 5 working days to arrive.\n"


@dataclass
class Counter:
    """One worker for all desks."""

    bus: SqliteBus
    state: State
    library: Library
    worker: Worker
    tenants: dict[str, TenantRules]
    actions: Mapping[str, Action]
    now: datetime = MONDAY

    async def records(self, *events: Envelope) -> list[Record]:
        """Append for real, and read back what the lane would be given."""
        positions = {(p.partition, p.offset) for p in await self.bus.append(list(events))}
        read = await self.bus.read(topics.inbound(CHANNEL))
        return [record async for record in read if (record.partition, record.offset) in positions]

    async def payloads(self, topic: str, event_type: str, model: Any, conversation: str) -> list[Any]:
        read = await self.bus.read(topic)
        events = [
            Envelope.from_wire(record.headers, record.value) async for record in read if record.key == conversation
        ]
        return [event.payload(model) for event in events if event.type == event_type]


@dataclass
class Desk:
    """One contact, at one shop. ``said``: the last message that was sent to them."""

    counter: Counter
    tenant: str
    conversation: str
    contact: str
    place: str
    locale: str
    app: Any
    lines: int = 0
    said: list[OutboundMessage] = field(default_factory=list)

    async def say(self, text: str) -> str:
        """What is answered. A text that is the label of a choice is that choice, as a client sends it."""
        self.lines += 1
        event = self._message(f"line-{self.lines}", text)
        before = len(await self._sent())
        await self.counter.worker.handle(LaneStub(await self.counter.records(event)))
        self.said = (await self._sent())[before:]
        for message in self.said:
            # As the connector does once the channel has taken it.
            await self.counter.state.transcript.add(self.conversation, TranscriptMessage.of_outbound(message, "sent"))
        return "\n".join(message.text for message in self.said)

    @property
    def choices(self) -> list[str]:
        return [choice.label for message in self.said for choice in message.choices]

    @property
    def mailed_code(self) -> str:
        found_code = re.search(r"\d{6}", self.app[OUTBOX].mails()[-1]["text"])
        assert found_code is not None
        return found_code[0]

    async def done(self) -> list[str]:
        """The actions that were carried out, in order."""
        turns: list[Turn] = await self.counter.payloads(topics.EVENTS, topics.TURN_COMPLETED, Turn, self.conversation)
        return [action.name for turn in turns for action in turn.actions if action.outcome == "succeeded"]

    async def _sent(self) -> list[OutboundMessage]:
        topic = topics.outbound(CHANNEL)
        sent: list[OutboundMessage] = await self.counter.payloads(
            topic, topics.MESSAGE_SEND, OutboundMessage, self.conversation
        )
        return sent

    def _message(self, name: str, text: str) -> Envelope:
        picked = next(
            (
                ChoiceSelection(in_reply_to=message.id, id=choice.id)
                for message in self.said
                for choice in message.choices
                if choice.label == text
            ),
            None,
        )
        message = InboundMessage(
            id=event_id(self.tenant, CHANNEL, "main", self.place, name, "message"),
            external_id=name,
            place=self.place,
            contact_id=self.contact,
            author=Author(kind="contact"),
            text=text,
            choice=picked,
            locale=self.locale,
            sent_at=self.counter.now,
        )
        return envelope(
            topics.MESSAGE_RECEIVED,
            message,
            id=message.id,
            time=self.counter.now,
            source="test",
            tenant=self.tenant,
            channel=CHANNEL,
            account="main",
            conversation=self.conversation,
        )


@asynccontextmanager
async def counter_at(folder: Path) -> AsyncIterator[Counter]:
    database = Database.open(folder / "parley.db")
    bus = SqliteBus(database, clock=lambda: counter.now)
    await bus.start()
    await bus.create_topics(topics.topic_specs([CHANNEL], partitions=3, small=3))
    state = open_sqlite_state(database)
    tenants: dict[str, TenantRules] = {}
    settings = WorkerSettings(tenants=tenants)
    library = Library(
        bus, state.heads, folder / "knowledge", clock=lambda: counter.now, answerable_above=lambda _tenant: 0.5
    )
    await library.start()
    worker = Worker(
        bus=bus,
        state=state,
        knowledge=library,
        models=Models({"local": LocalModel(settings, clock=lambda: counter.now)}),
        settings=settings,
        metrics=PrometheusMetrics(),
        clock=lambda: counter.now,
    )
    counter = Counter(bus, state, library, worker, tenants, load_actions(["examples.plantstore.shop.actions"]))
    try:
        yield counter
    finally:
        await worker.close()
        await library.close()
        await state.close()
        await bus.close()
        await database.close()


@asynccontextmanager
async def desk_at(
    counter: Counter, folder: Path, *, customer: str = "", locale: str = "", documents: bool = False
) -> AsyncIterator[Desk]:
    """``customer``: the number in the shop's books that the site has signed for; empty for a stranger."""
    tenant = f"shop{len(counter.tenants)}"
    app = build_app(folder, MONDAY.date)
    async with TestServer(app) as server:
        shop = {"shop_url": str(server.make_url("/")).rstrip("/")}
        counter.tenants[tenant] = TenantRules(
            voice=VOICE, fold=FoldRules(quiet={CHANNEL: 0.0}), actions=ActionRules(counter.actions, shop)
        )
        if documents:
            draft = DocumentDraft(id="refunds", title="Refunds", body=REFUNDS)
            await publish(counter.bus, counter.state.heads, tenant, draft, counter.now)
        place = f"id:{customer}" if customer else "visitor"
        address = Address(channel=CHANNEL, value=place, assurance="verified" if customer else "anonymous")
        contact, conversation = await counter.state.contacts.resolve(
            tenant, CHANNEL, "main", place, [address], now=counter.now
        )
        yield Desk(counter, tenant, conversation, contact.id, place, locale, app)
