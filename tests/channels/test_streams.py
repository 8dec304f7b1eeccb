"""One process at a time holds an account's connection, and is silent before another may take over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from connectors.streams import EventStreamRunner
from infra.database import Database
from infra.metrics import PrometheusMetrics
from infra.state.sqlite.engine import open_sqlite_state
from schemas import topics
from schemas.errors import Fenced, StateUnavailable
from schemas.messages import Address
from schemas.ports import Account, BackfillContext, ChannelEvent, EventStreamContext, Leases, State
from tests.channels import stream_account
from tests.channels.stream_account import now, wait_until

ACCOUNT = Account("shop", "radio", "main", None)
TIMES = replace(stream_account.TIMES, ttl=3.0)
"""A lease that is lost is waited for."""
Seen = tuple[str, str]
"""Which process, and what happened to it."""


@dataclass
class StreamChannel:
    """A channel of one process that writes down when it was on. ``calls`` of True means that its vendor calls us;
    ``greets`` of False that its vendor does not say yet that it listens."""

    process: str
    log: list[Seen]
    calls: bool = False
    greets: bool = True
    context: EventStreamContext | None = None
    asked: list[datetime] = field(default_factory=list)
    answers: asyncio.Event = field(default_factory=asyncio.Event)
    """Cleared, its vendor's history keeps whoever asks waiting."""

    name = "radio"

    def __post_init__(self) -> None:
        self.answers.set()

    def streams(self, account: Account) -> bool:
        return not self.calls

    async def stream(self, account: Account, context: EventStreamContext) -> None:
        self.context = context
        self.log.append((self.process, "on"))
        try:
            if self.greets:
                await context.live(missed=True, hold=0)
            await asyncio.Event().wait()
        finally:
            self.log.append((self.process, "off"))

    def backfills(self, account: Account) -> bool:
        return True

    async def backfill(
        self, account: Account, since: datetime, context: BackfillContext
    ) -> AsyncIterator[list[ChannelEvent]]:
        self.asked.append(since)
        self.log.append((self.process, "asked"))
        await self.answers.wait()
        yield []


class Cut:
    """Leases of a process whose way to the store is cut when a test says so."""

    def __init__(self, leases: Leases) -> None:
        self._leases = leases
        self.is_cut = False

    async def acquire(self, name: str, holder: str, *, ttl: float, now: datetime) -> int | None:
        self._pass()
        return await self._leases.acquire(name, holder, ttl=ttl, now=now)

    async def release(self, name: str, holder: str) -> None:
        self._pass()
        await self._leases.release(name, holder)

    async def save_note(self, name: str, token: int, note: str) -> bool:
        self._pass()
        return await self._leases.save_note(name, token, note)

    async def read_note(self, name: str) -> str:
        self._pass()
        return await self._leases.read_note(name)

    def _pass(self) -> None:
        if self.is_cut:
            raise StateUnavailable("cut by the test")


@dataclass
class StreamProcess:
    """One process."""

    radio: StreamChannel
    leases: Cut
    ready: bool = True
    taken: list[ChannelEvent] = field(default_factory=list)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    running: asyncio.Task[None] | None = None

    def start(self, state: State) -> None:
        async def accept(account: Account, events: Sequence[ChannelEvent]) -> None:
            self.taken += events

        async def ready() -> bool:
            return self.ready

        streams = EventStreamRunner(
            self.radio,  # type: ignore[arg-type]  # of the channel only its streams are needed
            accept=accept,
            ready=ready,
            state=replace(state, leases=self.leases),
            metrics=PrometheusMetrics(),
            clock=now,
            times=TIMES,
        )
        self.running = asyncio.create_task(streams.run([ACCOUNT], self.stop))

    async def end(self) -> None:
        self.stop.set()
        if self.running is not None:
            await self.running


class StreamProcesses:
    def __init__(self, state: State) -> None:
        self._state = state
        self.log: list[Seen] = []
        self.stations: list[StreamProcess] = []

    def start(self, process: str, *, calls: bool = False, greets: bool = True) -> StreamProcess:
        station = StreamProcess(StreamChannel(process, self.log, calls, greets), Cut(self._state.leases))
        station.start(self._state)
        self.stations.append(station)
        return station

    async def on(self, process: str) -> None:
        await wait_until(lambda: (process, "on") in self.log)


@pytest.fixture
async def stream_processes(tmp_path: Path) -> AsyncIterator[StreamProcesses]:
    database = Database.open(tmp_path / "parley.db")
    state = open_sqlite_state(database)
    stream_processes = StreamProcesses(state)
    yield stream_processes
    for station in stream_processes.stations:
        await station.end()
    await state.close()
    await database.close()


def build_event() -> ChannelEvent:
    return ChannelEvent(topics.MESSAGE_RECEIVED, "p", "1", {"text": "hello"}, [Address(channel="radio", value="p")])


async def test_a_holder_that_cannot_renew_is_silent_before_another_speaks(stream_processes: StreamProcesses) -> None:
    one = stream_processes.start("one")
    await stream_processes.on("one")
    stream_processes.start("two")
    one.leases.is_cut = True
    await stream_processes.on("two")
    assert [seen for seen in stream_processes.log if seen[1] != "asked"] == [
        ("one", "on"),
        ("one", "off"),
        ("two", "on"),
    ]


async def test_events_that_reach_a_former_holder_are_not_accepted(stream_processes: StreamProcesses) -> None:
    one = stream_processes.start("one")
    await stream_processes.on("one")
    assert one.radio.context is not None
    await one.radio.context.take([build_event()])
    one.leases.is_cut = True
    await wait_until(lambda: ("one", "off") in stream_processes.log)
    with pytest.raises(Fenced):
        await one.radio.context.take([build_event()])
    with pytest.raises(Fenced):
        await one.radio.context.save()
    assert len(one.taken) == 1


async def test_a_holder_that_stops_is_followed_at_once_by_one_that_knows_what_it_knew(
    stream_processes: StreamProcesses,
) -> None:
    one = stream_processes.start("one")
    await stream_processes.on("one")
    assert one.radio.context is not None
    one.radio.context.remember({"seq": 7})
    two = stream_processes.start("two")
    await one.end()
    left = asyncio.get_running_loop().time()
    await stream_processes.on("two")
    assert asyncio.get_running_loop().time() - left < TIMES.ttl - TIMES.margin
    assert two.radio.context is not None
    assert two.radio.context.session == {"seq": 7}


async def test_an_account_that_was_never_heard_has_no_history_to_ask_for(stream_processes: StreamProcesses) -> None:
    stream_processes.start("one")
    await stream_processes.on("one")
    await stream_processes.stations[0].end()
    assert ("one", "asked") not in stream_processes.log


async def test_a_first_holder_that_is_killed_before_it_is_live_leaves_from_when_on_something_was_missed(
    stream_processes: StreamProcesses,
) -> None:
    began = now()
    one = stream_processes.start("one", greets=False)
    await stream_processes.on("one")
    one.leases.is_cut = True
    await wait_until(lambda: ("one", "off") in stream_processes.log)
    two = stream_processes.start("two")
    await wait_until(lambda: two.radio.asked)
    (since,) = two.radio.asked
    overlap = timedelta(seconds=TIMES.overlap)
    assert began - overlap <= since < now() - overlap


async def test_of_an_account_that_is_called_the_history_is_asked_for_what_an_outage_refused(
    stream_processes: StreamProcesses,
) -> None:
    """Once, when events can be taken again, and from before the outage on."""
    one = stream_processes.start("one", calls=True)
    await wait_until(lambda: one.running is not None)
    await asyncio.sleep(3 * TIMES.renew)
    began = now()
    one.ready = False
    await asyncio.sleep(4 * TIMES.renew)
    assert one.radio.asked == []
    one.ready = True
    await wait_until(lambda: one.radio.asked)
    await asyncio.sleep(4 * TIMES.renew)
    (since,) = one.radio.asked
    assert began - timedelta(seconds=TIMES.overlap + 1) < since < began - timedelta(seconds=TIMES.overlap - 1)


async def test_events_missed_while_a_history_is_read_are_requested_once_more(stream_processes: StreamProcesses) -> None:
    """It may stand where that history had been read already."""
    one = stream_processes.start("one")
    await stream_processes.on("one")
    assert one.radio.context is not None
    one.radio.answers.clear()
    one.radio.context.request_backfill()
    await wait_until(lambda: len(one.radio.asked) == 1)
    one.radio.context.request_backfill()
    one.radio.answers.set()
    await wait_until(lambda: len(one.radio.asked) == 2)


async def test_a_history_is_read_from_the_oldest_event_that_a_killed_holder_had_not_appended(
    stream_processes: StreamProcesses,
) -> None:
    """Although the holder was connected, and appended other events later."""
    one = stream_processes.start("one")
    await stream_processes.on("one")
    assert one.radio.context is not None
    waits_since = now()
    one.radio.context.mark_pending(waits_since)
    await asyncio.sleep(3 * TIMES.renew)  # so long a note would say that everything was heard
    one.leases.is_cut = True
    await wait_until(lambda: ("one", "off") in stream_processes.log)
    two = stream_processes.start("two")
    await wait_until(lambda: two.radio.asked)
    assert two.radio.asked[0] <= waits_since - timedelta(seconds=TIMES.overlap)
