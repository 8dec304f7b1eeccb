"""The keeper of the desk on the real embedded store, against the simulated Slack, on a clock of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.channel_services import ChannelServices
from connectors.desk.posts.consumer import CommandDispatcher, DeskConsumer
from connectors.desk.rules import TenantDeskRules
from connectors.registry import load_settings_model, open_channel
from connectors.slack.channel import SlackChannel
from infra.blobs import open_blobs
from infra.bus.sqlite import SqliteBus
from infra.database import Database
from infra.metrics import PrometheusMetrics
from infra.state.sqlite.engine import open_sqlite_state
from schemas import ids, topics
from schemas.conversation import Conversation, DeliveryOutcome, Facts, Origin, Owner
from schemas.desk import DeskCommand, DeskUpdate, DraftGenerated, Handoff
from schemas.envelope import envelope
from schemas.messages import Address, Attachment, Author, AuthorKind, Citation, MessageState, TranscriptMessage
from schemas.ports import Account, Record, State
from tests.harness.short_timeouts import speed_up_rates
from tests.simulators.slack.message_contents import words
from tests.simulators.slack.server import SlackVendor
from tests.simulators.slack.workspace import Post

TENANT = "shop"


class Clock:
    """Goes on by a millisecond with every look: what waits for its turn gets it."""

    def __init__(self) -> None:
        self.now = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now


@dataclass
class DeskBatch:
    """A batch; see schemas.ports.Batch. ``behind``: what arrives while it is handled."""

    conversation: str
    records: list[Record]
    attempt: int = 1
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    backlog: asyncio.Event = field(default_factory=asyncio.Event)
    revoking: asyncio.Event = field(default_factory=asyncio.Event)
    behind: list[Record] = field(default_factory=list)

    def on_arrival(self, call: Callable[[], None] | None) -> None: ...

    def take_more(self) -> list[Record]:
        taken, self.behind = self.behind, []
        self.records += taken
        self.arrived.clear()
        return taken


class RecordingActs:
    """Writes down what it is asked to do."""

    def __init__(self) -> None:
        self.acts: list[str] = []

    async def perform(self, conversation: Conversation, acted: DeskCommand, batch: Any) -> None:
        self.acts.append(acted.kind)


@dataclass
class DeskEnvironment:
    """A customer on the web, and people in the channel ``support``."""

    slack: SlackVendor
    bus: SqliteBus
    state: State
    clock: Clock
    tools: ChannelServices
    blobs: Any
    conversation: str
    contact: str
    acts: RecordingActs = field(default_factory=RecordingActs)
    metrics: PrometheusMetrics = field(default_factory=PrometheusMetrics)
    offset: int = 0
    known: Account | None = None

    @property
    def room(self) -> str:
        return self.slack.channel("support").id

    def account(self, tenant: str, channel: str, name: str) -> Account:
        if self.known is None:
            settings = load_settings_model("slack").model_validate(self.slack.settings())
            self.known = Account(TENANT, "slack", "main", settings)
        return self.known

    def keeper(self, acts: CommandDispatcher | None = None, **rules: Any) -> DeskConsumer:
        channel = open_channel("slack", self.tools)
        assert isinstance(channel, SlackChannel)
        desk = channel.at_desk()
        return DeskConsumer(
            desk,
            {TENANT: TenantDeskRules(TENANT, "main", self.room, **rules)},
            bus=self.bus,
            state=self.state,
            metrics=self.metrics,
            clock=self.clock,
            account_of=self.account,
            commands=lambda meanwhile: acts or self.acts,
            rates=replace(speed_up_rates(desk.rates, 1e9), gather_seconds=0.0),
        )

    def record(self, kind: str, payload: Any) -> Record:
        self.offset += 1
        event = envelope(
            kind,
            payload,
            id=getattr(payload, "id", f"touch-{self.offset}"),
            time=self.clock(),
            source="/test",
            tenant=TENANT,
            channel="web",
            account="main",
            conversation=self.conversation,
        )
        return Record(topics.topic_of(event), 0, self.offset, self.conversation, 0, event.headers(), event.data)

    def touched(self, *, owner: bool = False) -> Record:
        return self.record(topics.DESK_UPDATE, DeskUpdate(owner=owner, at=self.clock()))

    async def look(self, keeper: DeskConsumer, *records: Record, owner: bool = False) -> DeskBatch:
        batch = DeskBatch(self.conversation, list(records) or [self.touched(owner=owner)])
        await keeper.handle(batch)
        return batch

    async def say(
        self,
        text: str,
        kind: AuthorKind = "contact",
        *,
        state: MessageState | None = None,
        name: str = "",
        files: list[Attachment] | None = None,
        citations: Sequence[Citation] = (),
    ) -> TranscriptMessage:
        self.clock.now += timedelta(seconds=1)
        line = TranscriptMessage(
            id=ids.derived_id(self.conversation, "line", self.offset + int(self.clock.now.timestamp())),
            author=Author(kind=kind, name=name),
            text=text,
            attachments=files or [],
            citations=list(citations),
            created_at=self.clock(),
            state=state or ("received" if kind == "contact" else "sent"),
        )
        seq = await self.state.transcript.add(self.conversation, line)
        return line.model_copy(update={"seq": seq})

    async def change(self, **facts: Any) -> None:
        """Commit these facts, as a worker does."""
        origin = await self.origin()
        begun = await self.state.conversations.begin(self.conversation, origin, [], now=self.clock())
        known = begun.conversation
        done = await self.state.conversations.commit(
            self.conversation,
            token=begun.token,
            version=known.version,
            epoch=known.epoch,
            facts=Facts.model_validate(known.facts.model_dump() | facts),
            handled=[],
            outbox=[],
            now=self.clock(),
        )
        assert done.verdict == "committed"

    async def origin(self) -> Origin:
        known = await self.state.conversations.get(self.conversation)
        assert known is not None
        return known.origin

    async def own(self, to: Owner, by: str = "slack:U1", name: str = "Mo", reason: str = "") -> None:
        known = await self.state.conversations.get(self.conversation)
        assert known is not None
        owned = await self.state.conversations.own(
            self.conversation,
            to,
            expected_epoch=known.epoch,
            request_id=f"{to}-{known.epoch}",
            by=by,
            name=name,
            reason=reason,
            now=self.clock(),
        )
        assert owned.won

    async def hand_off(self, reason: str = "asked for a person", **more: Any) -> None:
        """As the worker hands over: people have what comes from now on."""
        await self.own("queue", by="agent", name="", reason=reason)
        known = await self.state.conversations.get(self.conversation)
        assert known is not None
        number = known.facts.handoff.number + 1 if known.facts.handoff else 1
        head = await self.state.transcript.head(self.conversation)
        told = {"number": number, "reason": reason, "since_seq": head, "opened_at": self.clock(), **more}
        await self.change(handoff=Handoff.model_validate(told).model_dump())

    async def placed(self, line: TranscriptMessage, ts: str) -> None:
        """A person wrote this line in the thread, as the door puts on record."""
        told = DeliveryOutcome(
            message_id=ids.derived_id(line.id, "desk"),
            state="sent",
            external_id=f"{self.room}/{ts}",
            at=self.clock(),
        )
        await self.state.deliveries.record(self.conversation, told)

    def draft(self, **fields: Any) -> Record:
        made = DraftGenerated.model_validate({"id": "d1", "text": "We do.", "at": self.clock(), **fields})
        return self.record(topics.DRAFT_GENERATED, made)

    # ── what people see ──────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def cards(self) -> list[Post]:
        room = self.slack.workspace.rooms[self.room]
        return [post for post in reversed(room.top()) if post.author is self.slack.bot]

    @property
    def thread(self) -> list[Post]:
        """Below the newest card, oldest first."""
        room = self.slack.workspace.rooms[self.room]
        return sorted(room.replies(self.cards[-1].ts), key=lambda post: post.ts)

    def texts(self) -> list[str]:
        return [words(post.body) for post in self.thread]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[DeskEnvironment]:
    database = Database.open(tmp_path / "parley.db")
    bus, state, clock = SqliteBus(database), open_sqlite_state(database), Clock()
    await bus.start()
    await bus.create_topics(topics.topic_specs(["web", "slack"], partitions=3, small=3))
    contact, conversation = await state.contacts.resolve(
        TENANT, "web", "main", "p", [Address(channel="web", value="p")], now=clock()
    )
    origin = Origin(tenant=TENANT, channel="web", account="main", place="p", contact_id=contact.id)
    await state.conversations.begin(conversation, origin, ["e"], now=clock())
    slack = SlackVendor(now=lambda: clock.now.timestamp())
    slack.limits.enforced = False
    blobs = open_blobs("file", tmp_path)
    tools = ChannelServices(transcript=state.transcript, signals=state.signals, clock=clock, read_file=blobs.get)
    async with slack.serving():
        slack.announcer.subscriptions.clear()
        slack.channel("support")
        yield DeskEnvironment(slack, bus, state, clock, tools, blobs, conversation, contact.id)
    await state.close()
    await bus.close()
    await database.close()
