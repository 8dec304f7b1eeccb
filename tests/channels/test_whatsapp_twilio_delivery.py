"""WhatsApp by way of Twilio: a message is shown once, whatever becomes of the answer to its request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from connectors.channel_services import ChannelServices
from connectors.outbound.pipeline import OutboundPipeline
from connectors.outbound.receipts import ReceiptHandler
from connectors.registry import load_settings_model, open_channel
from infra.bus.sqlite import SqliteBus
from infra.database import Database
from infra.metrics import PrometheusMetrics
from infra.state.sqlite.engine import open_sqlite_state
from schemas import topics
from schemas.conversation import DeliveryOutcome, Origin
from schemas.envelope import envelope
from schemas.errors import Parked
from schemas.messages import Address, Attachment, Author, Choice, OutboundMessage, Receipt, TranscriptMessage
from schemas.ports import Account, Record, State, VendorMessage
from tests.harness.channel_tools import bind, no_files
from tests.simulators.twilio import Twilio as Vendor
from tests.simulators.vendor import Fault
from tests.simulators.vendor_clock import VendorClock
from tests.simulators.webhook_receiver import Receiver
from tests.unit.connectors.conftest import OneBatch

ID = "0d1f2e3a-0000-5000-8000-000000000001"
YES = [Choice(id="y", label="Yes"), Choice(id="n", label="No")]
LEAF = Attachment(id="a" * 64, name="leaf.png", type="image/png", size=3)


@dataclass
class TwilioConversation:
    vendor: Vendor
    account: Account
    outbound: OutboundPipeline
    receipts: ReceiptHandler
    state: State
    conversation: str
    contact: str
    ahead: timedelta = field(default_factory=timedelta)

    def clock(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def batch(self, payload: Any, kind: str) -> OneBatch:
        event = envelope(
            kind,
            payload,
            id=ID,
            time=self.clock(),
            source="/test",
            tenant="shop",
            channel="whatsapp",
            account="main",
            conversation=self.conversation,
        )
        made = Record(topics.topic_of(event), 0, 1, self.conversation, 0, event.headers(), event.data)
        return OneBatch(self.conversation, [made])

    async def deliver(self, message: OutboundMessage) -> DeliveryOutcome:
        """As the lanes do: what is parked is tried again when its time has come."""
        for _ in range(60):
            try:
                await self.outbound.handle(self.batch(message, topics.MESSAGE_SEND))
                break
            except Parked as parked:
                self.ahead += max(parked.until - self.clock(), timedelta(0))
        outcome = await self.state.deliveries.outcome(self.conversation, ID)
        assert outcome is not None
        return outcome

    def message(self, text: str = "Hello Anna", **fields: Any) -> OutboundMessage:
        whole: dict[str, Any] = {
            "id": ID,
            "author": Author(kind="agent"),
            "text": text,
            "place": self.vendor.person("anna").number.lstrip("+"),
            "contact_id": self.contact,
            "created_at": self.clock(),
            "expires_at": self.clock() + timedelta(hours=24),
        }
        return OutboundMessage(**whole | fields)

    @property
    def shown(self) -> list[str]:
        return [each.text or each.files[0].name for each in self.vendor.ledger.shown]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[TwilioConversation]:
    vendor, receiver = Vendor(pace=VendorClock(scale=0)), Receiver()
    database = Database.open(tmp_path / "parley.db")
    bus, state = SqliteBus(database), open_sqlite_state(database)
    await bus.start()
    await bus.create_topics(topics.topic_specs(["whatsapp"], partitions=3, small=3))
    async with receiver.serving(), vendor.serving():
        await vendor.say("anna", "Hello")
        settings = TypeAdapter(load_settings_model("whatsapp")).validate_python(vendor.settings())
        account = Account("shop", "whatsapp", "main", settings)
        place = vendor.person("anna").number.lstrip("+")
        made: list[TwilioConversation] = []

        def clock() -> datetime:
            return made[0].clock() if made else datetime.now(UTC)

        contact, conversation = await state.contacts.resolve(
            "shop", "whatsapp", "main", place, [Address(channel="whatsapp", value=place)], now=clock()
        )
        origin = Origin(tenant="shop", channel="whatsapp", account="main", place=place, contact_id=contact.id)
        await state.conversations.begin(conversation, origin, ["e"], now=clock())
        said = TranscriptMessage(id="m1", author=Author(kind="contact"), text="Hello", created_at=clock())
        await state.transcript.add(conversation, said)
        tools = ChannelServices(
            transcript=state.transcript,
            signals=state.signals,
            clock=clock,
            read_file=no_files,
            file_link=lambda tenant, file: f"{receiver.base}/{file}",
            find_sent=state.deliveries.by_external_id,
            find_outcome=state.deliveries.outcome,
        )
        outbound = OutboundPipeline(
            open_channel("whatsapp", tools),
            bus=bus,
            state=state,
            metrics=PrometheusMetrics(),
            clock=clock,
            account_of=lambda *name: account,
        )
        made.append(
            TwilioConversation(
                vendor,
                account,
                outbound,
                ReceiptHandler(bus=bus, state=state, clock=clock),
                state,
                conversation,
                contact.id,
            )
        )
        yield made[0]
        await outbound.close()
    await state.close()
    await bus.close()
    await database.close()


SENT = "messages.create"


@pytest.mark.parametrize(
    "faults",
    [
        [],
        [Fault("limit", SENT)],
        [Fault("refuse", SENT, status=500)],
        [Fault("lose", SENT, status=502)],
        [Fault("drop", SENT)],
        [Fault("fail_after", SENT, status=503)],
        [Fault("drop_after", SENT)],
        [Fault("garbage", SENT)],
        [Fault("drop", SENT), Fault("drop_after", SENT)],
        [Fault("drop_after", SENT), Fault("limit", "messages.list"), Fault("refuse", "messages.list", status=500)],
        [Fault("fail_after", SENT, status=503), Fault("garbage", "messages.list")],
        [Fault("refuse", SENT, status=401, code="20003")],
    ],
)
async def test_a_text_is_shown_once_after_any_fault(world: TwilioConversation, faults: list[Fault]) -> None:
    world.vendor.faults.next(*faults)
    outcome = await world.deliver(world.message())
    assert (world.shown, outcome.state) == (["Hello Anna"], "sent")
    assert outcome.external_id == world.vendor.ledger.shown[0].id
    assert world.vendor.faults.left == 0


@pytest.mark.parametrize("kind", ["drop", "drop_after", "fail_after", "refuse"])
@pytest.mark.parametrize("which", range(4))
async def test_of_a_message_in_pieces_each_is_shown_once(world: TwilioConversation, kind: Any, which: int) -> None:
    """A text, two files that look alike, and choices; the fault meets any of the four."""
    files = [LEAF, LEAF.model_copy(update={"id": "b" * 64})]
    world.vendor.faults.next(*[Fault("slow", SENT)] * which, Fault(kind, SENT, status=500))
    text = "Water it well. " * 80
    outcome = await world.deliver(world.message(text, attachments=files, choices=YES))
    first, *fetched, last = world.shown
    assert fetched == ["a" * 64, "b" * 64]
    assert (first + " " + last).split() == text.split()
    assert (outcome.state, world.vendor.ledger.shown[-1].choices) == ("sent", ["Yes", "No"])


@pytest.mark.parametrize("kind", ["drop", "drop_after", "fail_after", "garbage", "lose", "limit"])
async def test_choices_are_shown_once_when_their_form_cannot_be_made_at_first(
    world: TwilioConversation, kind: Any
) -> None:
    world.vendor.faults.next(Fault(kind, "content.create", status=503))
    outcome = await world.deliver(world.message("Well?", choices=YES))
    assert (world.shown, outcome.state) == (["Well?"], "sent")


async def test_a_send_that_was_killed_before_its_record_is_found_and_not_repeated(world: TwilioConversation) -> None:
    message = world.message()
    world.vendor.faults.next(Fault("slow", SENT, seconds=0.3))
    task = asyncio.create_task(world.outbound.handle(world.batch(message, topics.MESSAGE_SEND)))
    await world.vendor.ledger.until(lambda: world.vendor.ledger.shown)
    task.cancel()
    await asyncio.wait([task])
    outcome = await world.deliver(message)
    assert (world.shown, outcome.state) == (["Hello Anna"], "sent")


async def test_a_message_with_an_id_is_found_after_its_sender_was_killed_and_not_repeated(
    world: TwilioConversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """Nothing in the product catches it."""

    async def recorded(conversation: str, outcome: DeliveryOutcome, *, bound: VendorMessage, **_: Any) -> None:
        await bind(world.state, conversation, bound)
        raise Killed

    message = world.message()
    with monkeypatch.context() as patched:
        patched.setattr(world.state.deliveries, "record", recorded)
        with pytest.raises(Killed):
            await world.outbound.handle(world.batch(message, topics.MESSAGE_SEND))
    outcome = await world.deliver(message)
    assert (world.shown, outcome.state) == (["Hello Anna"], "sent")
    assert outcome.external_id == world.vendor.ledger.shown[0].id


async def test_a_status_with_our_marker_ends_the_doubt_without_a_look_up(world: TwilioConversation) -> None:
    message = world.message()
    await world.state.deliveries.begin_send(world.conversation, message, deadline=60, now=world.clock())
    told = Receipt(state="delivered", at=world.clock(), external_id="SM" + "6" * 32, marker=ID)
    batch = world.batch(told, topics.RECEIPT_RECORDED)
    with pytest.raises(Parked):
        await world.receipts.handle(batch)
    outcome = await world.deliver(message)
    await world.receipts.handle(batch)
    assert (world.shown, outcome.state, outcome.external_id) == ([], "sent", "SM" + "6" * 32)
    assert world.vendor.ledger.requests == []
    said, answered = await world.state.transcript.read(world.conversation)
    assert (said.text, answered.id, answered.state) == ("Hello", ID, "delivered")


async def test_a_refusal_by_twilio_fails_the_message_with_the_reason(world: TwilioConversation) -> None:
    await world.vendor.say("anna", "stop")
    outcome = await world.deliver(world.message())
    assert (world.shown, outcome.state, outcome.reason) == ([], "failed", "opted_out")


async def test_a_day_after_the_contacts_last_words_nothing_is_even_tried(world: TwilioConversation) -> None:
    world.ahead = timedelta(hours=25)
    outcome = await world.deliver(world.message())
    assert (outcome.state, outcome.reason, world.vendor.ledger.requests) == ("failed", "window_closed", [])
