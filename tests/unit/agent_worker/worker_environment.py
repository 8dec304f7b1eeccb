"""A worker over the real embedded log and state; only the lane (Batch) and the clock are made for the test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from agent_worker.handoff.desk_service_level import DeskServiceLevel
from agent_worker.knowledge.ingest.publishing import publish
from agent_worker.knowledge.library import Library
from agent_worker.knowledge.vectors.encoder import Encoder, light_encoder
from agent_worker.models.local.model import LocalModel
from agent_worker.models.registry import Emit, Models
from agent_worker.router.rules import RouteRules
from agent_worker.settings import ActionRules, FoldRules, TenantRules, WorkerSettings
from agent_worker.voice import Voice
from agent_worker.worker import Worker
from infra.bus.sqlite import SqliteBus
from infra.database import Database
from infra.metrics import PrometheusMetrics
from infra.state.sqlite.engine import open_sqlite_state
from schemas import topics
from schemas.conversation import Conversation, Origin, OwnerRequested, Turn
from schemas.conversation_activity import MessageDeleted, MessageEdited
from schemas.envelope import Envelope, envelope
from schemas.ids import conversation_id, derived_id, event_id
from schemas.messages import (
    Attachment,
    Author,
    ChoiceSelection,
    InboundMessage,
    OutboundMessage,
    Receipt,
    ReceiptState,
    RemoteFile,
)
from schemas.ports import AnswerDraft, DocumentDraft, ImportState, Model, Question, Record, State

TENANT, CHANNEL, ACCOUNT, PLACE = "shop", "web", "main", "visitor-1"
VOICE = Voice(
    name="Fern", not_found="Not in our documents.", handoff="A colleague comes.", processing_failed="That went wrong."
)
SHIPPING = """# Shipping

## Winter

In winter we add a heat pack to every parcel with tropical plants for 4.50 euro. It keeps warm for 72 hours.

## Times

Parcels leave our nursery on Mondays and Tuesdays. Standard parcels arrive within two working days.
"""
RETURNS = """# Returns

## Deadline

You can return dry goods such as pots within 30 days of delivery.
"""


class Clock:
    """Stands still until told otherwise."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)


class LaneStub:
    """A Batch as a lane makes it: what waits, and what arrives while the handler runs."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.conversation = records[0].key
        self.attempt = 1
        self.records = list(records)
        self.arrived = asyncio.Event()
        self.backlog = asyncio.Event()
        self.revoking = asyncio.Event()
        self._queue: list[Record] = []
        self._call: Callable[[], None] | None = None

    def on_arrival(self, call: Callable[[], None] | None) -> None:
        self._call = call

    def arrive(self, *records: Record) -> None:
        self._queue.extend(records)
        self.arrived.set()
        if self._call is not None:
            self._call()

    def take_more(self) -> list[Record]:
        more, self._queue = self._queue, []
        self.arrived.clear()
        self.records.extend(more)
        return more

    @property
    def left(self) -> list[Record]:
        return list(self._queue)


class GatedModel:
    """The local model, answering only when let through; counts how often it was asked and cut off."""

    name = "local"

    def __init__(self, settings: WorkerSettings) -> None:
        self._inner = LocalModel(settings)
        self.asked: list[Question] = []
        self.asking = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()
        self.says_first = False
        self.cancelled = 0

    async def answer(self, question: Question, emit: Emit) -> AnswerDraft:
        self.asked.append(question)
        if self.says_first:
            await emit("Let me see. ")
        self.asking.set()
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        draft = await self._inner.answer(question, emit)
        return replace(draft, text=f"Let me see. {draft.text}") if self.says_first else draft

    async def next_asked(self) -> None:
        await asyncio.wait_for(self.asking.wait(), 30)
        self.asking.clear()


@dataclass
class WorkerEnvironment:
    bus: SqliteBus
    state: State
    library: Library
    worker: Worker
    model: GatedModel
    clock: Clock
    metrics: PrometheusMetrics
    settings: WorkerSettings
    seen: dict[str, int] = field(default_factory=dict)
    read_from: dict[int, int] = field(default_factory=dict)
    """By partition, the offset from which ``records`` reads: all that is before it was handed out."""
    origin: Origin = field(
        default_factory=lambda: Origin(
            tenant=TENANT, channel=CHANNEL, account=ACCOUNT, place=PLACE, contact_id="contact-1"
        )
    )
    conversation: str = conversation_id(TENANT, CHANNEL, ACCOUNT, PLACE)

    # ── what comes in ────────────────────────────────────────────────────────────────────────────────────────────────

    def wrap(self, event_type: str, payload: Any, event: str, **more: Any) -> Envelope:
        attributes: dict[str, Any] = {
            "source": "test",
            "tenant": TENANT,
            "channel": CHANNEL,
            "account": ACCOUNT,
            "conversation": self.conversation,
        }
        return envelope(event_type, payload, id=event, time=self.clock(), **(attributes | more))

    def message_id(self, name: str) -> str:
        return event_id(TENANT, CHANNEL, ACCOUNT, PLACE, name, "message")

    def said(
        self,
        name: str,
        text: str,
        *,
        by: str = "contact",
        choice: ChoiceSelection | None = None,
        shown: bool = False,
        files: Sequence[RemoteFile] = (),
        attachments: Sequence[Attachment] = (),
        unsupported: str = "",
        locale: str = "",
        **more: Any,
    ) -> Envelope:
        message = InboundMessage(
            id=self.message_id(name),
            external_id=name,
            place=PLACE,
            contact_id="contact-1",
            author=Author(kind=by, name="Rosa" if by == "person" else ""),  # type: ignore[arg-type]
            text=text,
            choice=choice,
            shown=shown,
            files=list(files),
            attachments=list(attachments),
            unsupported=unsupported,
            locale=locale,
            sent_at=self.clock(),
        )
        return self.wrap(topics.MESSAGE_RECEIVED, message, more.pop("event", message.id), **more)

    def edited(self, name: str, text: str, revision: int = 0, attachments: Sequence[Attachment] = ()) -> Envelope:
        change = MessageEdited(
            message_id=self.message_id(name),
            place=PLACE,
            contact_id="contact-1",
            text=text,
            attachments=list(attachments),
            edited_at=self.clock(),
            revision=revision,
        )
        return self.wrap(topics.MESSAGE_EDITED, change, derived_id(change.message_id, f"edit {text}"))

    def deleted(self, name: str) -> Envelope:
        gone = MessageDeleted(
            message_id=self.message_id(name), place=PLACE, contact_id="contact-1", deleted_at=self.clock()
        )
        return self.wrap(topics.MESSAGE_DELETED, gone, derived_id(gone.message_id, "delete"))

    def receipt(self, state: ReceiptState, name: str) -> Envelope:
        word = Receipt(state=state, at=self.clock(), up_to_seq=2)
        return self.wrap(topics.RECEIPT_RECORDED, word, derived_id(name, "receipt"))

    def owner_asked(self, to: Any, epoch: int, name: str) -> Envelope:
        ask = OwnerRequested(id=derived_id(name, "ask"), to=to, expected_epoch=epoch, by="Rosa", at=self.clock())
        return self.wrap(topics.OWNER_REQUESTED, ask, ask.id)

    def worker_with(self, **more: Any) -> Worker:
        """Another worker on the same log and state, which may do ``more``."""
        return Worker(
            bus=self.bus,
            state=self.state,
            knowledge=self.library,
            models=more.pop("models", None) or Models({"local": self.model}),
            settings=more.pop("settings", self.settings),
            metrics=self.metrics,
            clock=self.clock,
            **more,
        )

    async def records(self, *envelopes: Envelope) -> list[Record]:
        """Append for real, and read back what the lane would be given."""
        positions = {(p.partition, p.offset) for p in await self.bus.append(list(envelopes))}
        self.read_from |= dict(sorted(positions, reverse=True))
        read = await self.bus.read(topics.inbound(CHANNEL), since=self.read_from)
        return [record async for record in read if (record.partition, record.offset) in positions]

    async def lane(self, *envelopes: Envelope) -> LaneStub:
        return LaneStub(await self.records(*envelopes))

    async def handle(self, *envelopes: Envelope) -> LaneStub:
        batch = await self.lane(*envelopes)
        await asyncio.wait_for(self.worker.handle(batch), 30)
        return batch

    # ── what came out ────────────────────────────────────────────────────────────────────────────────────────────────

    async def payloads(self, topic: str, event_type: str, model: Any) -> list[Any]:
        read = await self.bus.read(topic)
        found = [Envelope.from_wire(record.headers, record.value) async for record in read]
        return [event.payload(model) for event in found if event.type == event_type]

    async def replies(self) -> list[OutboundMessage]:
        return await self.payloads(topics.outbound(CHANNEL), topics.MESSAGE_SEND, OutboundMessage)

    async def told(self, event_type: str) -> list[Any]:
        """The payloads of one type, wherever they are published."""
        model, family = topics.EVENT_TYPES[event_type]
        return await self.payloads(
            topics.EVENTS if family == "events" else topics.outbound(topics.DEFAULT_DESK), event_type, model
        )

    async def turns(self) -> list[Turn]:
        return await self.payloads(topics.EVENTS, topics.TURN_COMPLETED, Turn)

    async def known(self) -> Conversation:
        found = await self.state.conversations.get(self.conversation)
        assert found is not None
        return found

    async def put(self, document: str, body: str, *, tenant: str = TENANT, **more: Any) -> int:
        title = body.splitlines()[0].lstrip("# ")
        draft = DocumentDraft(id=document, title=title, body=body, **more)
        return await publish(self.bus, self.state.heads, tenant, draft, self.clock())


@asynccontextmanager
async def world_at(
    folder: Path,
    *,
    fold: FoldRules | None = None,
    prepare: bool = True,
    encoder: Callable[[], Encoder | None] = light_encoder,
    actions: ActionRules | None = None,
    routes: RouteRules | None = None,
    models: Sequence[Model] = (),
    desk: DeskServiceLevel | None = None,
    voice: Voice = VOICE,
    find_import: Callable[[], ImportState] = lambda: "",
) -> AsyncIterator[WorkerEnvironment]:
    """``models`` are there beside the local one."""
    clock = Clock()
    database = Database.open(folder / "parley.db")
    bus = SqliteBus(database, clock=clock)
    await bus.start()
    await bus.create_topics(topics.topic_specs([CHANNEL, topics.DEFAULT_DESK], partitions=3, small=3))
    state = open_sqlite_state(database)
    fold = fold or FoldRules(quiet={CHANNEL: 0.0})
    rules = TenantRules(
        voice=voice, fold=fold, actions=actions or ActionRules(), routes=routes or RouteRules(), desk=desk
    )
    settings = WorkerSettings(tenants={TENANT: rules})

    async def find_import_of(_tenant: str) -> ImportState:
        return find_import()

    library = Library(
        bus,
        state.heads,
        folder / "knowledge",
        clock=clock,
        answerable_above=lambda _tenant: 0.5,
        encoder=encoder,
        find_import=find_import_of,
    )
    await library.start()
    model = GatedModel(settings)
    metrics = PrometheusMetrics()
    worker = Worker(
        bus=bus,
        state=state,
        knowledge=library,
        models=Models({"local": model, **{other.name: other for other in models}}),
        settings=settings,
        metrics=metrics,
        clock=clock,
    )
    world = WorkerEnvironment(bus, state, library, worker, model, clock, metrics, settings)
    if prepare:
        await world.put("shipping", SHIPPING)
        await world.put("returns", RETURNS)
        await library.search(TENANT, "anything", wait=5)
    try:
        yield world
    finally:
        await worker.close()
        await library.close()
        await state.close()
        await bus.close()
        await database.close()


async def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Wait for what no event tells of."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
