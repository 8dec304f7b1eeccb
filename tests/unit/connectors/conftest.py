"""The shared connectors on the real embedded store, with a scripted channel and a clock that stands still."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.outbound.delivery_reports import DeliveryReports
from connectors.outbound.pipeline import OutboundPipeline
from connectors.web.channel import WebChannel
from infra.bus.sqlite import SqliteBus
from infra.database import Database
from infra.metrics import PrometheusMetrics
from infra.state.sqlite.engine import open_sqlite_state
from schemas import ids, topics
from schemas.conversation import DeliveryOutcome, Origin
from schemas.envelope import Envelope, envelope
from schemas.messages import Address, Author, OutboundMessage
from schemas.ports import (
    Account,
    Bus,
    Capabilities,
    Channel,
    Connection,
    DeliveryPolicy,
    Record,
    RenderContext,
    State,
    VendorCall,
    VendorResponse,
)
from tests.harness.channel_tools import tools_of

TENANT, CHANNEL, ACCOUNT = "shop", "web", "main"


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@dataclass
class OneBatch:
    """See schemas.ports.Batch."""

    conversation: str
    records: list[Record]
    attempt: int = 1
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    backlog: asyncio.Event = field(default_factory=asyncio.Event)
    revoking: asyncio.Event = field(default_factory=asyncio.Event)

    def on_arrival(self, call: Callable[[], None] | None) -> None: ...

    def take_more(self) -> list[Record]:
        return []


class ScriptedChannel:
    """A channel, and its own connection, that does what it is told, one answer a call: an external id or an error.
    Then it says yes. A message is as many calls as its text has lines."""

    name = CHANNEL
    capabilities = Capabilities(max_text=1000)

    def __init__(
        self, *script: str | Exception, policy: DeliveryPolicy | None = None, shown: str | Exception | None = None
    ) -> None:
        self.script = list(script)
        self.policy = policy or DeliveryPolicy()
        self.shown = shown
        self.sent: list[str] = []
        self.asked = asyncio.Event()
        self.sendings: list[RenderContext] = []
        self.before_send: Callable[[], Any] | None = None

    def verify(self, request: Any, account: Account) -> None: ...

    def parse(self, request: Any, account: Account) -> list[Any]:
        return []

    def render(self, message: OutboundMessage, sending: RenderContext) -> list[VendorCall]:
        self.sendings.append(sending)
        return [VendorCall("say", {"text": line}) for line in message.text.splitlines()]

    def parse_response(self, call: VendorCall, reply: VendorResponse) -> str:
        return str(reply.body)

    def connect(self, account: Account) -> Connection:
        return self

    async def perform(self, call: VendorCall, marker: str) -> VendorResponse:
        self.sent.append(marker)
        self.asked.set()
        if self.before_send is not None:
            await self.before_send()
        step = self.script.pop(0) if self.script else f"x-{marker}"
        if isinstance(step, Exception):
            raise step
        return VendorResponse(200, step)

    async def lookup(self, call: VendorCall, marker: str) -> str | None:
        if isinstance(self.shown, Exception):
            raise self.shown
        return self.shown

    async def close(self) -> None:
        return None


@dataclass
class ConnectorEnvironment:
    bus: Bus
    state: State
    metrics: PrometheusMetrics
    clock: Clock
    conversation: str
    contact: str
    offset: int = 0

    def account(self, tenant: str, channel: str, name: str) -> Account | None:
        return Account(tenant, channel, name, None) if (tenant, channel, name) == (TENANT, CHANNEL, ACCOUNT) else None

    def outbound(self, channel: Channel, reports: DeliveryReports | None = None) -> OutboundPipeline:
        return OutboundPipeline(
            channel,
            bus=self.bus,
            state=self.state,
            metrics=self.metrics,
            clock=self.clock,
            account_of=self.account,
            reports=reports,
        )

    def web(self) -> WebChannel:
        return WebChannel(tools_of(self.state, self.clock))

    def message(self, id_: str = "r1", **fields: Any) -> OutboundMessage:
        whole: dict[str, Any] = {
            "id": id_,
            "author": Author(kind="agent", name="Fern"),
            "text": f"text of {id_}",
            "place": "p",
            "contact_id": self.contact,
            "created_at": self.clock(),
            "expires_at": self.clock() + timedelta(hours=24),
        }
        return OutboundMessage(**whole | fields)

    def record(self, payload: Any, kind: str = topics.MESSAGE_SEND, **fields: Any) -> Record:
        event = envelope(
            kind,
            payload,
            id=getattr(payload, "id", "e"),
            time=self.clock(),
            source="/worker",
            tenant=TENANT,
            channel=CHANNEL,
            account=fields.pop("account", ACCOUNT),
            conversation=self.conversation,
            correlation_id="turn",
        )
        self.offset += 1
        made = Record(
            topic=topics.topic_of(event),
            partition=0,
            offset=self.offset,
            key=self.conversation,
            timestamp_ms=int(self.clock().timestamp() * 1000),
            headers=event.headers(),
            value=event.data,
        )
        return replace(made, **fields)

    def batch(self, *payloads: Any, kind: str = topics.MESSAGE_SEND) -> OneBatch:
        return OneBatch(self.conversation, [self.record(payload, kind) for payload in payloads])

    async def outcome(self, message_id: str = "r1") -> DeliveryOutcome | None:
        return await self.state.deliveries.outcome(self.conversation, message_id)

    async def logged(self, topic: str = topics.EVENTS) -> list[Envelope]:
        return [Envelope.from_wire(record.headers, record.value) async for record in await self.bus.read(topic)]

    async def facts(self) -> list[tuple[str, str]]:
        told = [event.payload(DeliveryOutcome) for event in await self.logged()]
        return [(fact.message_id, fact.state) for fact in told]

    async def claim(self) -> None:
        """A person takes the conversation."""
        known = await self.state.conversations.get(self.conversation)
        assert known is not None
        owned = await self.state.conversations.own(
            self.conversation,
            "person",
            expected_epoch=known.epoch,
            request_id=f"claim-{known.epoch}",
            by="mo",
            now=self.clock(),
        )
        assert owned.won


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ConnectorEnvironment]:
    database = Database.open(tmp_path / "parley.db")
    bus, state, clock = SqliteBus(database), open_sqlite_state(database), Clock()
    await bus.start()
    await bus.create_topics(topics.topic_specs([CHANNEL], partitions=3, small=3))
    contact, conversation = await state.contacts.resolve(
        TENANT, CHANNEL, ACCOUNT, "p", [Address(channel=CHANNEL, value="p")], now=clock()
    )
    assert conversation == ids.conversation_id(TENANT, CHANNEL, ACCOUNT, "p")
    origin = Origin(tenant=TENANT, channel=CHANNEL, account=ACCOUNT, place="p", contact_id=contact.id)
    await state.conversations.begin(conversation, origin, ["e"], now=clock())
    yield ConnectorEnvironment(bus, state, PrometheusMetrics(), clock, conversation, contact.id)
    await state.close()
    await bus.close()
    await database.close()
