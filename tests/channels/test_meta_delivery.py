"""Meta's channels in the shared ways in and out: what was left in doubt is resolved, and nothing is shown twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest

from connectors.inbound.pipeline import InboundPipeline
from connectors.instagram import connection
from connectors.outbound.delivery_reports import DeliveryReports
from connectors.outbound.pipeline import OutboundPipeline
from connectors.outbound.receipts import ReceiptHandler
from connectors.registry import open_channel
from infra.bus.sqlite import SqliteBus
from infra.database import Database
from infra.deploy.process import free_port
from infra.metrics import PrometheusMetrics
from infra.state.sqlite.engine import open_sqlite_state
from schemas import ids, topics
from schemas.conversation import DeliveryOutcome
from schemas.envelope import Envelope, envelope
from schemas.errors import Parked, Unavailable
from schemas.messages import InboundMessage, OutboundMessage, TranscriptMessage
from schemas.ports import Account, DeliveryPolicy, Record, RecordedLine, State, VendorMessage
from tests.channels.meta import MetaAccount, bench_of
from tests.harness.channel_tools import bind, tools_of
from tests.simulators.meta import Instagram, WhatsApp
from tests.simulators.vendor import Fault, FaultKind, Request
from tests.unit.connectors.conftest import OneBatch

HOURS = timedelta(hours=3)
AFTER = ["fail_after", "drop_after", "garbage"]
INSTEAD = ["drop", "lose", "refuse"]


@dataclass
class MetaConversation:
    """One conversation with Anna. There is one clock, the vendor's, and ``send`` lets it pass."""

    bench: MetaAccount
    bus: SqliteBus
    state: State
    conversation: str = ""
    contact: str = ""
    asked: str = ""
    reports: DeliveryReports | None = None

    def clock(self) -> datetime:
        return datetime.fromtimestamp(self.bench.vendor.graph.pace.now(), UTC)

    def later(self, pause: timedelta) -> None:
        self.bench.vendor.graph.pace.forward(max(0.0, pause.total_seconds()))

    def account(self, tenant: str, channel: str, name: str) -> Account:
        return self.bench.account

    async def take_in(self) -> None:
        """Everything that the vendor told, by the shared way in; and its receipts are applied."""
        state = self.state
        inbound = InboundPipeline(
            bus=self.bus,
            contacts=state.contacts,
            conversations=state.conversations,
            transcript=state.transcript,
            signals=state.signals,
            metrics=PrometheusMetrics(),
            clock=self.clock,
            deliveries=state.deliveries,
        )
        accepted = await inbound.accept(self.bench.account, await self.bench.events())
        self.bench.receiver.requests.clear()
        topic = topics.inbound(self.bench.vendor.name)
        records = [record async for record in await self.bus.read(topic)]
        receipts = ReceiptHandler(bus=self.bus, state=state, clock=self.clock, reports=self.reports)
        await receipts.handle(OneBatch(self.conversation, records))
        for record in records:
            await self._remember(Envelope.from_wire(record.headers, record.value))
        self.conversation = self.conversation or accepted[0].conversation

    async def _remember(self, event: Envelope) -> None:
        if event.type == topics.MESSAGE_RECEIVED:
            said = event.payload(InboundMessage)
            self.contact, self.asked = said.contact_id, said.external_id
            await self.state.transcript.add(event.conversation, TranscriptMessage.of_inbound(said))

    def say(self, id_: str = "r1", text: str = "It ships tomorrow.", **fields: Any) -> OutboundMessage:
        whole: dict[str, Any] = {
            "id": id_,
            "author": {"kind": "agent", "name": "Fern"},
            "text": text,
            "place": self.bench.vendor.place("anna"),
            "contact_id": self.contact,
            "answers": self.asked,
            "created_at": self.clock(),
            "expires_at": self.clock() + timedelta(days=3),
        }
        return OutboundMessage.model_validate(whole | fields)

    async def begin(self, message: OutboundMessage) -> None:
        """An intent without an outcome, as a killed sender leaves it."""
        begun = await self.state.deliveries.begin_send(
            self.conversation, message, deadline=DeliveryPolicy().deadline, now=self.clock()
        )
        assert begun == "go"

    async def show(self, message: OutboundMessage) -> str:
        """Killed right after the send."""
        await self.begin(message)
        about = {"answers": message.answers, "contact": await self.state.contacts.get("shop", self.contact)}
        (call,) = self.bench.calls(message.text, sending=about, id=message.id)
        return await self.bench.perform(call, message.id)

    def outbound(self) -> OutboundPipeline:
        """Of a new process."""
        self.reports = DeliveryReports(self.bus, self.state)
        channel = open_channel(
            self.bench.vendor.name,
            replace(
                tools_of(self.state, self.clock),
                find_sent=self.state.deliveries.by_external_id,
                find_outcome=self.state.deliveries.outcome,
            ),
        )
        return OutboundPipeline(
            channel,
            bus=self.bus,
            state=self.state,
            metrics=PrometheusMetrics(),
            clock=self.clock,
            account_of=self.account,
            reports=self.reports,
        )

    async def send_on(self, message: OutboundMessage, *, news: bool) -> None:
        """By one process that stays. ``news``: another customer writes meanwhile."""
        outbound = self.outbound()
        batch = OneBatch(self.conversation, [self._record(message)])
        try:
            while True:
                try:
                    return await outbound.handle(batch)
                except Parked as parked:
                    self.later(parked.until - self.clock())
                    if news:
                        await self.bench.vendor.say("bob", "Are you there?")
                    await self.take_in()
        finally:
            await outbound.close()

    async def send(self, *messages: OutboundMessage, receipts: bool = True) -> None:
        """As a new process does that takes the conversation over, until everything has its outcome."""
        while True:
            outbound = self.outbound()
            try:
                return await outbound.handle(OneBatch(self.conversation, [self._record(each) for each in messages]))
            except Parked as parked:
                self.later(parked.until - self.clock())
                if receipts:
                    await self.take_in()
            finally:
                await outbound.close()

    def _record(self, message: OutboundMessage) -> Record:
        event = envelope(
            topics.MESSAGE_SEND,
            message,
            id=message.id,
            time=self.clock(),
            source="/worker",
            tenant="shop",
            channel=self.bench.vendor.name,
            account="main",
            conversation=self.conversation,
            correlation_id="turn",
        )
        return Record(topics.topic_of(event), 0, 1, self.conversation, 0, event.headers(), event.data)

    async def said(self) -> list[str]:
        """What the log holds of what was said to us, or by people of ours elsewhere."""
        topic = topics.inbound(self.bench.vendor.name)
        events = [Envelope.from_wire(record.headers, record.value) async for record in await self.bus.read(topic)]
        return [event.payload(InboundMessage).text for event in events if event.type == topics.MESSAGE_RECEIVED]

    @property
    def shown(self) -> list[str]:
        return [each.text for each in self.bench.vendor.ledger.shown]

    async def outcome(self, id_: str = "r1") -> DeliveryOutcome:
        outcome = await self.state.deliveries.outcome(self.conversation, id_)
        assert outcome is not None
        return outcome


@asynccontextmanager
async def world_of(vendor: Any, folder: Path, **settings: Any) -> AsyncIterator[MetaConversation]:
    database = Database.open(folder / "parley.db")
    bus, state = SqliteBus(database), open_sqlite_state(database)
    await bus.start()
    await bus.create_topics(topics.topic_specs([vendor.name], partitions=3, small=3))
    async with bench_of(vendor, **settings) as bench:
        world = MetaConversation(bench, bus, state)
        await vendor.say("anna", "When does it ship?")
        await world.take_in()
        yield world
    await state.close()
    await bus.close()
    await database.close()


@pytest.fixture
async def whatsapp(tmp_path: Path) -> AsyncIterator[MetaConversation]:
    async with world_of(WhatsApp(), tmp_path) as world:
        yield world


@pytest.fixture
async def instagram(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MetaConversation]:
    monkeypatch.setattr(connection, "LOOKUP_INTERVAL", 0)
    vendor = Instagram()
    vendor.look_up_limit.burst = 1000
    async with world_of(vendor, tmp_path) as world:
        yield world


# ── WhatsApp: the vendor's own word on the marker ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", AFTER)
async def test_on_whatsapp_a_status_ends_the_doubt_about_what_was_shown(
    whatsapp: MetaConversation, kind: FaultKind
) -> None:
    whatsapp.bench.vendor.faults.next(Fault(kind, "messages", status=500))
    message = whatsapp.say()
    await whatsapp.state.transcript.add(whatsapp.conversation, TranscriptMessage.of_outbound(message, "pending"))
    await whatsapp.send(message)
    (shown,) = whatsapp.bench.vendor.ledger.shown
    outcome = await whatsapp.outcome()
    assert (outcome.state, outcome.external_id) == ("sent", shown.id)
    line = await whatsapp.state.transcript.find(whatsapp.conversation, "r1")
    assert line is not None
    assert line.state == "delivered"


async def test_on_whatsapp_a_status_ends_the_doubt_after_a_crash_too(whatsapp: MetaConversation) -> None:
    message = whatsapp.say()
    shown = await whatsapp.show(message)
    whatsapp.later(HOURS)
    await whatsapp.take_in()
    await whatsapp.send(message)
    assert len(whatsapp.shown) == 1
    assert (await whatsapp.outcome()).external_id == shown


@pytest.mark.parametrize("kind", INSTEAD)
async def test_on_whatsapp_what_no_status_names_while_other_news_comes_is_sent_again(
    whatsapp: MetaConversation, kind: FaultKind
) -> None:
    whatsapp.bench.vendor.faults.next(Fault(kind, "messages", status=500))
    started = whatsapp.clock()
    await whatsapp.send_on(whatsapp.say(), news=True)
    assert whatsapp.shown == ["It ships tomorrow."]
    assert (await whatsapp.outcome()).state == "sent"
    assert whatsapp.clock() - started < timedelta(seconds=16)


@pytest.mark.parametrize("kind", AFTER)
async def test_on_whatsapp_what_a_status_names_is_not_sent_again_whatever_news_comes(
    whatsapp: MetaConversation, kind: FaultKind
) -> None:
    whatsapp.bench.vendor.faults.next(Fault(kind, "messages", status=500))
    message = whatsapp.say()
    await whatsapp.state.transcript.add(whatsapp.conversation, TranscriptMessage.of_outbound(message, "pending"))
    await whatsapp.send_on(message, news=True)
    assert whatsapp.shown == ["It ships tomorrow."]


CUTS: list[Literal["refuse", "accept", "half", "drop", "drop_after"]] = [
    "refuse",  # nobody listens
    "accept",  # before the request is read
    "half",  # before its last byte is read
    "drop",  # before the message is recorded
    "drop_after",  # before the answer
]


class FaultyProxy:
    """Stands before the vendor, and cuts the next connection."""

    def __init__(self) -> None:
        self.port, self.target, self.cut = free_port(), 0, ""

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", self.port)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        cut, self.cut = self.cut, ""
        if cut:
            if cut == "half":
                await reader.readuntil(b"\r\n\r\n{")
            return writer.transport.abort()
        vendor_reader, vendor_writer = await asyncio.open_connection("127.0.0.1", self.target)
        await asyncio.gather(_pump(reader, vendor_writer), _pump(vendor_reader, writer))

    async def aclose(self) -> None:
        self._server.close()

    def meet(self, cut: str) -> None:
        """Cut what comes next."""
        if cut == "refuse":
            self._server.close()
            asyncio.get_running_loop().call_later(0.05, lambda: asyncio.ensure_future(self.listen()))
        elif cut in ("accept", "half"):
            self.cut = cut


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
    writer.transport.abort()


async def test_on_a_quiet_whatsapp_number_a_cut_connection_costs_seconds_and_no_message(tmp_path: Path) -> None:
    vendor, proxy = WhatsApp(), FaultyProxy()
    await proxy.listen()
    address = f"http://127.0.0.1:{proxy.port}/graph.facebook.com/v26.0"
    async with aclosing(proxy), world_of(vendor, tmp_path, api_base=address) as whatsapp:
        proxy.target = vendor.graph.port
        for number, cut in enumerate(CUTS * 4):
            if cut in ("drop", "drop_after"):
                vendor.faults.next(Fault(cut, "messages"))
            proxy.meet(cut)
            started, message = whatsapp.clock(), whatsapp.say(f"r{number}", f"Answer {number}")
            await whatsapp.state.transcript.add(
                whatsapp.conversation, TranscriptMessage.of_outbound(message, "pending")
            )
            await whatsapp.send_on(message, news=False)
            assert (cut, (await whatsapp.outcome(message.id)).state) == (cut, "sent")
            assert whatsapp.clock() - started < timedelta(seconds=20)
            whatsapp.later(timedelta(hours=1))
        assert whatsapp.shown == [f"Answer {number}" for number in range(20)]
        assert vendor.reactions == {}


@pytest.mark.parametrize("kind", ["drop", "lose"])
async def test_on_whatsapp_a_number_without_any_report_leaves_the_doubt_to_people_after_a_minute(
    whatsapp: MetaConversation, kind: FaultKind
) -> None:
    vendor = whatsapp.bench.vendor
    vendor.faults.next(Fault(kind, "messages", status=502))
    vendor.statuses = ()
    whatsapp.later(timedelta(seconds=10))  # what was said before is no news
    started = whatsapp.clock()
    await whatsapp.send_on(whatsapp.say(), news=False)
    assert (whatsapp.shown, (await whatsapp.outcome()).state) == ([], "unknown")
    assert timedelta(seconds=60) <= whatsapp.clock() - started < timedelta(seconds=66)


@pytest.mark.parametrize("kind", INSTEAD)
async def test_on_a_quiet_whatsapp_number_the_processes_that_take_over_send_it_once(
    whatsapp: MetaConversation, kind: FaultKind
) -> None:
    whatsapp.bench.vendor.faults.next(Fault(kind, "messages", status=500))
    await whatsapp.send(whatsapp.say())
    assert (whatsapp.shown, (await whatsapp.outcome()).state) == (["It ships tomorrow."], "sent")


@pytest.mark.parametrize("kind", INSTEAD)
async def test_on_whatsapp_what_no_status_names_may_be_lost_and_is_never_doubled(
    whatsapp: MetaConversation, kind: FaultKind
) -> None:
    whatsapp.bench.vendor.faults.next(Fault(kind, "messages", status=500))
    started = whatsapp.clock()
    await whatsapp.send(whatsapp.say(), receipts=False)
    outcome = await whatsapp.outcome()
    assert (whatsapp.shown, outcome.state, outcome.reason) == ([], "unknown", "no_answer")
    assert whatsapp.clock() - started >= timedelta(
        seconds=DeliveryPolicy().deadline + whatsapp.bench.channel.policy.settle_time
    )


async def test_on_whatsapp_a_window_that_closed_fails_the_message_without_asking(whatsapp: MetaConversation) -> None:
    whatsapp.later(timedelta(hours=25))
    await whatsapp.send(whatsapp.say(author={"kind": "person", "name": "Ben"}))
    outcome = await whatsapp.outcome()
    assert (outcome.state, outcome.reason) == ("failed", "window_closed")
    assert whatsapp.bench.vendor.ledger.requests == []


async def test_on_whatsapp_the_number_of_whoever_changed_it_leads_on(whatsapp: MetaConversation) -> None:
    place = whatsapp.bench.vendor.person("anna").user_id
    whatsapp.bench.vendor.change_number("anna", "491520000000")
    await whatsapp.bench.vendor.say("anna", "My new number")
    conversation, contact = whatsapp.conversation, whatsapp.contact
    await whatsapp.take_in()
    assert (whatsapp.conversation, whatsapp.contact) == (conversation, contact)
    await whatsapp.send(whatsapp.say(place=place))
    assert [
        each.text for each in whatsapp.bench.vendor.ledger.at(whatsapp.bench.vendor.place("anna"))
    ] == whatsapp.shown
    assert len(whatsapp.shown) == 1


# ── Instagram: the conversation is looked up ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", [*AFTER, *INSTEAD])
async def test_on_instagram_a_lost_answer_costs_time_and_no_second_message(
    instagram: MetaConversation, kind: FaultKind
) -> None:
    instagram.bench.vendor.faults.next(Fault(kind, "messages", status=503))
    await instagram.send(instagram.say())
    assert instagram.shown == ["It ships tomorrow."]
    assert (await instagram.outcome()).external_id == instagram.bench.vendor.ledger.shown[0].id


@pytest.mark.parametrize("is_shown", [False, True])
async def test_on_instagram_the_same_words_twice_are_two_messages(instagram: MetaConversation, is_shown: bool) -> None:
    first, second = instagram.say("r1", "One moment."), instagram.say("r2", "One moment.")
    await instagram.send(first)
    await (instagram.show(second) if is_shown else instagram.begin(second))
    instagram.later(HOURS)
    await instagram.send(first, second)
    assert instagram.shown == ["One moment."] * 2
    found = [(await instagram.outcome(each)).external_id for each in ("r1", "r2")]
    assert found == [each.id for each in instagram.bench.vendor.ledger.shown]


@pytest.mark.parametrize("kind", ["drop", "drop_after"])
async def test_on_instagram_equal_pieces_of_one_message_are_all_shown(
    instagram: MetaConversation, kind: FaultKind
) -> None:
    ledger, faults = instagram.bench.vendor.ledger, instagram.bench.vendor.faults

    def second(request: Request) -> Fault | None:
        is_second = sum(each.operation == "messages" for each in ledger.requests) == 2
        return Fault(kind) if is_second and request.operation == "messages" else None

    faults.always = second
    await instagram.send(instagram.say(text="x" * 2000))
    assert instagram.shown == ["x" * 1000] * 2
    pieces = [await instagram.outcome(ids.part_id("r1", index, 2)) for index in range(2)]
    assert [each.external_id for each in pieces] == [each.id for each in ledger.shown]


async def test_on_instagram_what_had_its_id_when_its_sender_was_killed_is_found_and_not_repeated(
    instagram: MetaConversation,
) -> None:
    message = instagram.say()
    shown = await instagram.show(message)
    await instagram.state.deliveries.bind("shop", "instagram", "main", shown, instagram.conversation, "r1")
    instagram.later(HOURS)
    await instagram.send(message)
    assert (instagram.shown, (await instagram.outcome()).external_id) == (["It ships tomorrow."], shown)


@pytest.mark.parametrize("is_shown", [False, True])
async def test_on_instagram_of_equal_pieces_the_one_that_was_killed_is_told_from_those_before(
    instagram: MetaConversation, is_shown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after the intent of the second, or when its id was on record and not yet that it was sent."""
    message = instagram.say(text="x" * 2000)
    record = instagram.state.deliveries.record

    class Killed(BaseException):
        """Nothing in the product catches it."""

    async def recorded(
        conversation: str, outcome: DeliveryOutcome, *, bound: VendorMessage, **more: Any
    ) -> RecordedLine:
        if outcome.message_id == "r1":
            await bind(instagram.state, conversation, bound)
            raise Killed
        return await record(conversation, outcome, bound=bound, **more)

    def reached(point: str) -> None:
        if point == "connector.after_intent" and not is_shown and len(instagram.shown) == 1:
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(instagram.state.deliveries, "record", recorded)
        patched.setattr("connectors.outbound.sender.reach", reached)
        with pytest.raises(Killed):
            await instagram.send(message)
    assert len(instagram.shown) == 1 + is_shown
    instagram.later(HOURS)
    await instagram.send(message)
    assert instagram.shown == ["x" * 1000] * 2
    pieces = [await instagram.outcome(ids.part_id("r1", index, 2)) for index in range(2)]
    assert [each.external_id for each in pieces] == [each.id for each in instagram.bench.vendor.ledger.shown]


async def test_on_instagram_a_persons_words_go_out_for_a_week_and_the_agents_for_a_day(
    instagram: MetaConversation,
) -> None:
    instagram.later(timedelta(hours=25))
    ben = {"kind": "person", "name": "Ben"}
    await instagram.send(instagram.say("r1"), instagram.say("r2", "I am Ben.", author=ben))
    assert [(await instagram.outcome(each)).state for each in ("r1", "r2")] == ["failed", "sent"]
    assert instagram.shown == ["I am Ben."]


async def test_on_instagram_our_own_words_are_no_persons_even_if_no_app_is_named(instagram: MetaConversation) -> None:
    vendor = instagram.bench.vendor
    vendor.echoes = "held"
    await instagram.send(instagram.say())
    vendor.echo(vendor.messages[vendor.ledger.shown[0].id])
    vendor.human("anna", "I am Ben.")
    await instagram.take_in()
    assert await instagram.said() == ["When does it ship?", "I am Ben."]


async def test_on_instagram_an_echo_waits_while_it_may_be_what_is_in_doubt(instagram: MetaConversation) -> None:
    vendor = instagram.bench.vendor
    vendor.echoes = "held"
    message = instagram.say()
    vendor.echo(vendor.messages[await instagram.show(message)])
    with pytest.raises(Unavailable):
        await instagram.take_in()
    await instagram.send(message, receipts=False)
    await instagram.take_in()
    assert await instagram.said() == ["When does it ship?"]


async def test_on_instagram_a_send_that_nobody_remembers_holds_up_no_person(instagram: MetaConversation) -> None:
    await instagram.begin(instagram.say())
    instagram.bench.vendor.human("anna", "I am Ben.")
    instagram.later(HOURS)
    await instagram.take_in()
    assert await instagram.said() == ["When does it ship?", "I am Ben."]
