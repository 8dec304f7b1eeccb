"""An account that is heard over a connection, on the embedded store, with as many runners as a test wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pydantic import TypeAdapter

from connectors.inbound.pipeline import InboundPipeline
from connectors.registry import load_settings_model, open_channel
from connectors.streams import EventStreamRunner, EventStreamTimings
from infra.bus.sqlite import SqliteBus
from infra.database import Database
from infra.metrics import PrometheusMetrics
from infra.state.sqlite.engine import open_sqlite_state
from schemas import topics
from schemas.envelope import Envelope
from schemas.errors import BusUnavailable
from schemas.messages import InboundMessage
from schemas.ports import Account, Bus, Channel, ChannelEvent, Position, State
from tests.harness.channel_tools import tools_of
from tests.simulators.vendor import Vendor

TIMES = EventStreamTimings(
    ttl=60, renew=0.1, poll=0.05, margin=1, revoked_pause=60, backoff=0.02, history_retry=0.05, note_interval=0.0
)
"""As in earnest, only quicker. On however busy a machine, no lease expires, and a refused account is not tried again,
within a test."""
DEADLINE = 60.0


def now() -> datetime:
    return datetime.now(UTC)


class ClosableBus:
    """The bus, which takes nothing while it is closed. ``refused`` counts what was tried meanwhile."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.is_closed = False
        self.refused = 0

    async def append(self, envelopes: Sequence[Envelope], *, topic: str = "") -> list[Position]:
        if self.is_closed:
            self.refused += 1
            raise BusUnavailable("closed by the test", retry_after_ms=20)
        return list(await self._bus.append(envelopes))


@dataclass
class StreamProcesses:
    """``process`` starts what one process runs; each is a holder of its own."""

    vendor: Vendor
    channel: Channel
    account: Account
    bus: SqliteBus
    state: State
    narrow: ClosableBus
    metrics: PrometheusMetrics = field(default_factory=PrometheusMetrics)

    @asynccontextmanager
    async def process(self, times: EventStreamTimings = TIMES) -> AsyncIterator[EventStreamRunner]:
        streams = self.streams(times)
        stop = asyncio.Event()
        running = asyncio.create_task(streams.run([self.account], stop))
        try:
            yield streams
        finally:
            stop.set()
            await running

    async def accept(self, account: Account, events: Sequence[ChannelEvent]) -> None:
        inbound = InboundPipeline(
            bus=self.narrow,  # type: ignore[arg-type]  # of the bus it needs the append
            contacts=self.state.contacts,
            conversations=self.state.conversations,
            transcript=self.state.transcript,
            signals=self.state.signals,
            metrics=self.metrics,
            clock=now,
            deliveries=self.state.deliveries,
        )

        await inbound.accept(account, events)

    async def kept(self) -> None:
        """Until it is on record that the account is heard."""

        async def noted() -> bool:
            name = f"account:{self.account.tenant}:{self.account.channel}:{self.account.name}"
            return "heard" in await self.state.leases.read_note(name)

        await wait_until_true(noted)

    def streams(self, times: EventStreamTimings = TIMES) -> EventStreamRunner:
        async def ready() -> bool:
            return not self.narrow.is_closed

        return EventStreamRunner(
            self.channel,
            accept=self.accept,
            ready=ready,
            state=self.state,
            metrics=self.metrics,
            clock=now,
            times=times,
        )

    async def appended(self) -> list[tuple[str, InboundMessage]]:
        """Event ids and messages on the log, in its order; repeats too."""
        found = []
        async for record in await self.bus.read(topics.inbound(self.channel.name)):
            event = Envelope.from_wire(record.headers, record.value)
            if event.type == topics.MESSAGE_RECEIVED:
                found.append((event.id, event.payload(InboundMessage)))
        return found

    async def heard(self) -> list[str]:
        """What contacts said, each message once, in the order of the log."""
        return list({id_: message.text for id_, message in await self.appended()}.values())

    async def until(self, *texts: str) -> None:
        """Until exactly this was heard, in whatever order."""

        async def all_heard() -> bool:
            return sorted(await self.heard()) == sorted(texts)

        try:
            await wait_until_true(all_heard)
        except TimeoutError:
            raise AssertionError(f"heard {await self.heard()}, wanted {texts}") from None


async def wait_until_true(fact: Callable[[], Awaitable[bool]], deadline: float = DEADLINE) -> None:
    """Raises TimeoutError."""
    async with asyncio.timeout(deadline):
        while not await fact():  # noqa: ASYNC110  # the facts are of many kinds, and none of them calls
            await asyncio.sleep(0.01)


async def wait_until(fact: Callable[[], object], deadline: float = DEADLINE) -> None:
    """Raises TimeoutError."""

    async def asked() -> bool:
        return bool(fact())

    await wait_until_true(asked, deadline)


@asynccontextmanager
async def hall_of(vendor: Vendor, path: Path) -> AsyncIterator[StreamProcesses]:
    """Around a vendor that serves already."""
    database = Database.open(path / "parley.db")
    bus, state = SqliteBus(database), open_sqlite_state(database)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(database.close)
        stack.push_async_callback(bus.close)
        stack.push_async_callback(state.close)
        await bus.start()
        await bus.create_topics(topics.topic_specs([vendor.name], partitions=1, small=1))
        channel = open_channel(vendor.name, tools_of(state, now))
        settings = TypeAdapter(load_settings_model(vendor.name)).validate_python(vendor.settings())
        yield StreamProcesses(
            vendor, channel, Account("shop", vendor.name, "main", settings), bus, state, ClosableBus(bus)
        )
