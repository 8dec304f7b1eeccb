"""The whole worker over SQLite, for the retail shop: a model that asks for given calls, and contacts who agree."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent_worker.actions.execution.texts import YES
from agent_worker.actions.registry import load_actions
from agent_worker.knowledge.library import Library
from agent_worker.models.registry import Emit, Models
from agent_worker.settings import ActionRules, FoldRules, TenantRules, WorkerSettings
from agent_worker.worker import Worker
from infra.bus.sqlite import SqliteBus
from infra.database import Database
from infra.metrics import PrometheusMetrics
from infra.state.sqlite.engine import open_sqlite_state
from schemas import topics
from schemas.envelope import Envelope, envelope
from schemas.ids import event_id
from schemas.messages import Address, Author, ChoiceSelection, InboundMessage
from schemas.ports import AnswerDraft, Question, Record, State
from tests.unit.agent_worker.worker_environment import LaneStub

TENANT, CHANNEL = "retail", "web"


@dataclass(frozen=True, slots=True)
class Call:
    name: str
    arguments: dict[str, Any]


@dataclass
class Script:
    """A model that asks for one call a turn, in the given order. ``refused``: what was turned down, and why."""

    name: str = "local"
    calls: list[Call] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    async def answer(self, question: Question, emit: Emit) -> AnswerDraft:
        if not self.calls:
            return AnswerDraft(text="Nothing to do.", answered=True)
        call = self.calls.pop(0)
        offer = next(offer for offer in question.offers if offer.name == call.name)
        result = await offer.call(call.arguments)
        if result.outcome not in ("succeeded", "asked"):
            self.refused.append(f"{call.name}: {result.outcome}, {result.reason} {result.say}")
        return AnswerDraft(text=result.say or "Done.", answered=True, choices=list(result.choices))


@dataclass
class RetailConversation:
    """One contact's conversation. ``calls`` lets the model ask for something; ``says`` is the contact."""

    stage: Stage
    place: str
    contact: str
    conversation: str
    lines: int = 0

    async def calls(self, *calls: Call) -> None:
        """The contact says "go on" until the calls are made, one a turn."""
        self.stage.script.calls = list(calls)
        while self.stage.script.calls:
            await self.says("go on", None)

    async def yes(self) -> ChoiceSelection | None:
        """The choice that agrees to what is asked at the moment."""
        known = await self.stage.state.conversations.get(self.conversation)
        memory = known.facts.actions if known is not None else None
        if memory is None or memory.confirmation is None:
            return None
        return ChoiceSelection(in_reply_to=memory.confirmation.message_id, id=f"{YES}{memory.confirmation.id}")

    async def says(self, text: str, choice: ChoiceSelection | None) -> None:
        await self.stage.worker.handle(LaneStub(await self.records(self.message(text, choice))))

    async def delivers(self, choice: ChoiceSelection | None, times: int, dice: random.Random) -> None:
        """The same choice, told again and again: one message many times, and many messages; in batches, to two workers
        at once, of which one may be told that the other was quicker."""
        mine = [self.message("Yes, go ahead", choice) for _ in range(5)]
        again = mine * (times // len(mine) - 1)
        if dice.random() < 0.5:
            dice.shuffle(again)
        records = await self.records(*mine, *again)
        while records:
            batches = [records[:5], records[5:10]]
            await asyncio.gather(
                *(
                    worker.handle(LaneStub(batch))
                    for worker, batch in zip(self.stage.workers, batches, strict=True)
                    if batch
                ),
                return_exceptions=True,
            )
            for batch in filter(None, batches):
                # Whoever was told so begins again, as its lane would.
                await self.stage.worker.handle(LaneStub(batch))
            records = records[10:]

    def message(self, text: str, choice: ChoiceSelection | None) -> Envelope:
        self.lines += 1
        now = datetime.now(UTC)
        message = InboundMessage(
            id=event_id(TENANT, CHANNEL, "main", self.place, f"line-{self.lines}", "message"),
            external_id=f"line-{self.lines}",
            place=self.place,
            contact_id=self.contact,
            author=Author(kind="contact"),
            text=text,
            choice=choice,
            sent_at=now,
        )
        return envelope(
            topics.MESSAGE_RECEIVED,
            message,
            id=message.id,
            time=now,
            source="replay",
            tenant=TENANT,
            channel=CHANNEL,
            account="main",
            conversation=self.conversation,
        )

    async def records(self, *events: Envelope) -> list[Record]:
        """Append for real; what a lane is given is what was appended."""
        positions = await self.stage.bus.append(list(events))
        now = int(datetime.now(UTC).timestamp() * 1000)
        return [
            Record(at.topic, at.partition, at.offset, self.conversation, now, event.headers(), event.data)
            for at, event in zip(positions, events, strict=True)
        ]


@dataclass
class Stage:
    """Workers over SQLite; each task is a conversation with a new contact, on fresh books."""

    bus: SqliteBus
    state: State
    workers: Sequence[Worker]
    script: Script
    settings: dict[str, Any]

    @property
    def worker(self) -> Worker:
        return self.workers[0]

    async def talk(self, name: str) -> RetailConversation:
        address = Address(channel=CHANNEL, value=name)
        contact, conversation = await self.state.contacts.resolve(
            TENANT, CHANNEL, "main", name, [address], now=datetime.now(UTC)
        )
        return RetailConversation(self, name, contact.id, conversation)


@asynccontextmanager
async def stage_at(folder: Path) -> AsyncIterator[Stage]:
    def clock() -> datetime:
        return datetime.now(UTC)

    db = Database.open(folder / "parley.db")
    bus = SqliteBus(db, clock=clock)
    await bus.start()
    await bus.create_topics(topics.topic_specs([CHANNEL], partitions=3, small=3))
    state = open_sqlite_state(db)
    settings: dict[str, Any] = {}
    rules = TenantRules(
        fold=FoldRules(quiet={CHANNEL: 0.0}), actions=ActionRules(load_actions(["examples.retail.actions"]), settings)
    )
    library = Library(bus, state.heads, folder / "knowledge", clock=clock, answerable_above=lambda _tenant: 0.5)
    await library.start()
    script = Script()
    metrics = PrometheusMetrics()
    workers = [
        Worker(
            bus=bus,
            state=state,
            knowledge=library,
            models=Models({"local": script}),
            settings=WorkerSettings(tenants={TENANT: rules}),
            metrics=metrics,
            clock=clock,
        )
        for _ in range(2)
    ]
    try:
        yield Stage(bus, state, workers, script, settings)
    finally:
        for worker in workers:
            await worker.close()
        await library.close()
        await state.close()
        await bus.close()
        await db.close()
