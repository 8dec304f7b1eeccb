"""Replies that are shown in Slack while they are written: in the end everybody sees one message, the whole one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest

from connectors import conversation_signals
from connectors.channel_services import ChannelServices
from connectors.live_replies import reply, start
from connectors.outbound import sender
from connectors.outbound.pipeline import OutboundPipeline
from connectors.registry import load_settings_model, open_channel
from infra.bus.lanes import Lanes
from infra.bus.sqlite import SqliteBus
from infra.database import Database
from infra.metrics import PrometheusMetrics
from infra.state.sqlite.engine import open_sqlite_state
from schemas import ids, topics
from schemas.conversation import Origin
from schemas.envelope import Envelope, envelope
from schemas.errors import Parked, Unavailable
from schemas.messages import Address, Author, Choice, Citation, OutboundMessage, ReplyBegun
from schemas.ports import Account, Channel, Record, State
from tests.channels.stream_account import wait_until_true
from tests.harness.channel_tools import no_files
from tests.simulators.slack.server import SlackVendor
from tests.simulators.vendor import Fault, ShownMessage
from tests.unit.connectors.conftest import Clock

TENANT, NAME = "shop", "main"
TURN = "0d1f2e3a-0000-5000-8000-00000000000a"
REPLY = ids.reply_id(TURN, 0)
EARLIER = "0d1f2e3a-0000-5000-8000-00000000000b"
FIRST, REST = "Water it *less*. ", "Once a week is enough."
PATIENCE = 60.0


@dataclass
class GrowingBatch:
    """A batch into which records arrive. See schemas.ports.Batch."""

    conversation: str
    records: list[Record]
    attempt: int = 1
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    backlog: asyncio.Event = field(default_factory=asyncio.Event)
    revoking: asyncio.Event = field(default_factory=asyncio.Event)
    behind: list[Record] = field(default_factory=list)
    call: Callable[[], None] | None = None

    def is_heard(self) -> bool:
        return self.call is not None

    def on_arrival(self, call: Callable[[], None] | None) -> None:
        self.call = call

    def arrive(self, *records: Record) -> None:
        self.behind += records
        self.arrived.set()
        if self.call is not None:
            self.call()

    def take_more(self) -> list[Record]:
        taken, self.behind = self.behind, []
        self.records += taken
        self.arrived.clear()
        return taken


@dataclass
class SlackConversation:
    slack: SlackVendor
    channel: Channel
    settings: Account
    bus: SqliteBus
    state: State
    clock: Clock
    conversation: str
    contact: str
    place: str
    asked: str
    offset: int = 0

    def account(self, tenant: str, channel: str, name: str) -> Account | None:
        return self.settings

    def outbound(self) -> OutboundPipeline:
        return OutboundPipeline(
            self.channel,
            bus=self.bus,
            state=self.state,
            metrics=PrometheusMetrics(),
            clock=self.clock,
            account_of=self.account,
        )

    def record(self, kind: str, payload: Any) -> Record:
        event = envelope(
            kind,
            payload,
            id=ids.derived_id(payload.id, kind),
            time=self.clock(),
            source="/worker",
            tenant=TENANT,
            channel="slack",
            account=NAME,
            conversation=self.conversation,
        )
        self.offset += 1
        topic = topics.topic_of(event)
        return Record(topic, 0, self.offset, self.conversation, 0, event.headers(), event.data)

    def begun(self, turn: str = TURN) -> Record:
        told = ReplyBegun(
            id=ids.reply_id(turn, 0),
            author=Author(kind="agent", name="Fern"),
            place=self.place,
            contact_id=self.contact,
            answers=self.asked,
            turn_id=turn,
            at=self.clock(),
        )
        return self.record(topics.REPLY_BEGUN, told)

    def message(self, id_: str = REPLY, text: str = FIRST + REST, **fields: Any) -> Record:
        whole: dict[str, Any] = {
            "id": id_,
            "author": Author(kind="agent", name="Fern"),
            "text": text,
            "place": self.place,
            "contact_id": self.contact,
            "answers": self.asked,
            "turn_id": TURN,
            "created_at": self.clock(),
            "expires_at": self.clock() + timedelta(hours=24),
        }
        return self.record(topics.MESSAGE_SEND, OutboundMessage(**whole | fields))

    async def append(self, record: Record) -> None:
        await self.bus.append([Envelope.from_wire(record.headers, record.value)])

    def has_parked(self, many: int) -> Callable[[], Awaitable[bool]]:
        async def count() -> bool:
            return len(await self.state.parking.read("sender", self.conversation, limit=10)) == many

        return count

    async def signal(self, **frame: Any) -> None:
        payload = orjson.dumps({"turn_id": TURN} | frame)
        await self.state.signals.publish(conversation_signals.conversation_topic(self.conversation), payload)

    async def delta(self, index: int, text: str) -> None:
        await self.signal(type="delta", index=index, text=text, epoch=0)

    async def until(self, is_so: Callable[[], bool]) -> None:
        await self.slack.ledger.until(is_so, deadline=PATIENCE)

    async def shows(self, text: str) -> None:
        await self.until(lambda: self.seen == [text])

    @property
    def shown(self) -> list[ShownMessage]:
        room, root = self.place.split(":")[1:]
        return [each for each in self.slack.ledger.at(f"{room}:{root}") if not each.deleted]

    @property
    def seen(self) -> list[str]:
        return [each.text for each in self.shown]

    def calls(self, operation: str) -> int:
        return sum(each.operation == operation for each in self.slack.ledger.requests)

    async def much_later(self, *records: Record) -> None:
        """When no reply is waited for any more."""
        self.clock.now += timedelta(minutes=5)
        await self.later(*records)

    def has_begun(self, times: int) -> bool:
        return self.calls("chat.startStream") == times

    async def later(self, *records: Record) -> None:
        """As a new process does that takes the conversation over, until everything has its outcome."""
        while True:
            self.clock.now += timedelta(seconds=10)  # or the pace would be exhausted
            outbound = self.outbound()
            batch = GrowingBatch(self.conversation, list(records))
            try:
                return await outbound.handle(batch)
            except Parked as parked:
                self.clock.now = max(parked.until, self.clock.now)
            finally:
                await outbound.close()

    async def outcome(self, id_: str = REPLY) -> str:
        told = await self.state.deliveries.outcome(self.conversation, id_)
        return told.state if told else ""


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reply, "START_DELAY", 0.05)
    monkeypatch.setattr(reply, "REPLY_GRACE", 0.1)
    monkeypatch.setattr(reply, "CHECK_OWNER", 0.1)
    monkeypatch.setattr(sender, "get_pause", lambda *_: 0.01)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[SlackConversation]:
    slack = SlackVendor(pace=0.0002)
    slack.limits.enforced = False
    database = Database.open(tmp_path / "parley.db")
    bus, state, clock = SqliteBus(database), open_sqlite_state(database), Clock()
    await bus.start()
    await bus.create_topics(topics.topic_specs(["slack"], partitions=3, small=3))
    async with slack.serving():
        room = slack.channel("support")
        asked = slack.people.say("Ann", "My fern is yellow", room).ts
        team, person = slack.workspace.team, slack.person("Ann").id
        place = f"{team}:{room.id}:{asked}"
        contact, conversation = await state.contacts.resolve(
            TENANT, "slack", NAME, place, [Address(channel="slack", value=f"{team}:{person}")], now=clock()
        )
        origin = Origin(tenant=TENANT, channel="slack", account=NAME, place=place, contact_id=contact.id)
        await state.conversations.begin(conversation, origin, ["e"], now=clock())
        nothing: Any = None
        tools = ChannelServices(transcript=nothing, signals=nothing, clock=clock, read_file=no_files)
        account = Account(TENANT, "slack", NAME, load_settings_model("slack").model_validate(slack.settings()))
        made = open_channel("slack", tools)
        yield SlackConversation(slack, made, account, bus, state, clock, conversation, contact.id, place, asked)
    await state.close()
    await bus.close()
    await database.close()


@dataclass
class Lane:
    """A lane that stays with a reply which is being written."""

    world: SlackConversation
    batch: GrowingBatch
    running: asyncio.Task[None]

    async def end(self) -> None:
        async with asyncio.timeout(PATIENCE):
            await self.running


@pytest.fixture
async def lane(world: SlackConversation) -> AsyncIterator[Lane]:
    outbound, batch = world.outbound(), GrowingBatch(world.conversation, [world.begun()])
    running = asyncio.create_task(outbound.handle(batch))
    await world.until(lambda: batch.call is not None)
    yield Lane(world, batch, running)
    running.cancel()
    with suppress(asyncio.CancelledError, Exception):
        await running
    await outbound.close()


async def test_words_are_shown_as_they_come_and_become_the_whole_reply(world: SlackConversation, lane: Lane) -> None:
    """With its sources and choices, under one id."""
    await world.delta(0, FIRST)
    await world.until(lambda: len(world.shown) == 1)
    first = world.shown[0].id
    await world.delta(1, REST)
    await world.until(lambda: world.calls("chat.appendStream") == 1)
    citations = [Citation(n=1, document="care", title="Care", url="", quote="Once a week")]
    lane.batch.arrive(
        world.message(text=f"{FIRST}{REST} [1]", citations=citations, choices=[Choice(id="ok", label="Thanks")])
    )
    await lane.end()
    (shown,) = world.shown
    told = await world.state.deliveries.outcome(world.conversation, REPLY)
    assert told is not None
    assert (told.state, told.external_id, shown.id) == ("sent", first, first)
    assert (shown.marker, shown.choices) == (REPLY, ["Thanks"])
    assert shown.text.startswith("Water it _less_. Once a week is enough.")
    assert "Care" in shown.text
    assert world.calls("chat.postMessage") == 0


async def test_a_reply_that_is_whole_at_once_is_a_plain_message(world: SlackConversation, lane: Lane) -> None:
    await world.delta(0, FIRST)
    lane.batch.arrive(world.message())
    await lane.end()
    assert len(world.shown) == 1
    assert (world.calls("chat.startStream"), world.calls("chat.postMessage")) == (0, 1)


async def test_nobody_is_notified_by_words_that_are_being_written(world: SlackConversation, lane: Lane) -> None:
    await world.delta(0, "Hello <!channel> & all")
    await world.shows("Hello <!channel> & all")
    assert world.slack.notified == []


async def test_while_nothing_is_written_yet_the_contact_sees_that_something_will_be(
    world: SlackConversation, lane: Lane
) -> None:
    room, root = world.place.split(":")[1:]
    await world.until(lambda: world.slack.status(room, root) != "")
    lane.batch.arrive(world.message())
    await lane.end()
    assert world.slack.status(room, root) == ""


@pytest.mark.parametrize("frame", [{"type": "abort"}, {"type": "delta", "index": 0, "text": "No: ", "epoch": 0}])
async def test_an_aborted_draft_disappears(world: SlackConversation, lane: Lane, frame: dict[str, Any]) -> None:
    await world.delta(0, FIRST)
    await world.until(lambda: len(world.shown) == 1)
    await world.signal(**frame)
    await world.until(lambda: world.seen == [])
    lane.batch.arrive(world.message())
    await lane.end()
    assert len(world.shown) == 1
    assert await world.outcome() == "sent"


async def test_after_a_lost_signal_the_whole_makes_up_for_it(world: SlackConversation, lane: Lane) -> None:
    await world.delta(0, FIRST)
    await world.until(lambda: len(world.shown) == 1)
    await world.delta(2, "nothing to see")
    lane.batch.arrive(world.message(text="Less water."))
    await lane.end()
    assert world.seen == ["Less water."]


async def test_when_a_person_claims_the_agents_half_disappears_and_theirs_follows(
    world: SlackConversation, lane: Lane
) -> None:
    await world.delta(0, FIRST)
    await world.until(lambda: len(world.shown) == 1)
    owned = await world.state.conversations.own(
        world.conversation, "person", expected_epoch=0, request_id="claim", by="mo", now=world.clock()
    )
    assert owned.won
    await world.delta(1, REST)
    await world.until(lambda: world.seen == [])
    lane.batch.arrive(
        world.message(), world.message("p1", "Mo here.", author=Author(kind="person", name="Mo"), epoch=1)
    )
    await lane.end()
    assert world.seen == ["Mo here."]
    assert (await world.outcome(), await world.outcome("p1")) == ("stale_owner", "sent")


async def test_after_a_claim_nothing_of_the_agent_is_begun(world: SlackConversation, lane: Lane) -> None:
    await world.state.conversations.own(
        world.conversation, "person", expected_epoch=0, request_id="claim", by="mo", now=world.clock()
    )
    await world.delta(0, FIRST)
    lane.batch.arrive(world.message())
    await lane.end()
    assert world.slack.ledger.shown == []


async def test_another_turns_reply_takes_nothing_over(world: SlackConversation, lane: Lane) -> None:
    await world.delta(0, FIRST)
    await world.until(lambda: len(world.shown) == 1)
    lane.batch.arrive(world.message("r2", "Something else."))
    await lane.end()
    assert world.seen == ["Something else."]


@pytest.mark.parametrize("code", ["unknown_method", "not_allowed", "missing_scope", "channel_type_not_supported"])
async def test_a_place_without_streaming_gets_a_plain_message(world: SlackConversation, lane: Lane, code: str) -> None:
    world.slack.faults.next(Fault("refuse", "chat.startStream", status=200, code=code))
    await world.delta(0, FIRST)
    await world.until(lambda: world.calls("chat.startStream") == 1)
    lane.batch.arrive(world.message(text="Less water."))
    await lane.end()
    assert world.seen == ["Less water."]


async def test_a_refused_stream_is_not_tried_again_for_a_minute(world: SlackConversation) -> None:
    outbound = world.outbound()
    world.slack.faults.next(Fault("refuse", "chat.startStream", status=200, code="unknown_method"))
    for turn, asked in (("first", 1), ("second", 1), ("third", 2)):
        batch = GrowingBatch(world.conversation, [world.begun(turn)])
        running = asyncio.create_task(outbound.handle(batch))
        await world.until(batch.is_heard)
        await world.signal(type="delta", turn_id=turn, index=0, text=FIRST)
        if turn != "second":
            await world.until(partial(world.has_begun, asked))
        batch.arrive(world.message(ids.reply_id(turn, 0), turn_id=turn))
        await running
        assert world.calls("chat.startStream") == asked
        world.clock.now += timedelta(seconds=40)
    await outbound.close()
    assert len(world.seen) == 3


async def test_a_stream_that_was_deleted_or_ended_is_replaced_by_the_whole_message(
    world: SlackConversation, lane: Lane
) -> None:
    await world.delta(0, FIRST)
    await world.until(lambda: len(world.shown) == 1)
    world.slack.faults.next(Fault("refuse", "chat.update", status=200, code="message_not_found"))
    lane.batch.arrive(world.message(text="Less water."))
    await lane.end()
    assert world.seen == ["Less water."]


@pytest.mark.parametrize("kind", ["fail_after", "drop_after", "garbage", "drop", "lose", "limit"])
@pytest.mark.parametrize("operation", ["chat.appendStream", "chat.stopStream", "chat.update"])
async def test_a_lost_answer_leaves_one_whole_message(
    world: SlackConversation, lane: Lane, operation: str, kind: Any
) -> None:
    world.slack.faults.next(Fault(kind, operation, status=502, retry_after=1))
    await world.delta(0, FIRST)
    await world.until(lambda: len(world.shown) == 1)
    if operation == "chat.appendStream":
        await world.delta(1, REST)
        await world.until(lambda: world.calls(operation) == 1)
    lane.batch.arrive(world.message(text="Less water."))
    await lane.end()
    assert world.seen == ["Less water."]
    assert (world.shown[0].marker, await world.outcome()) == (REPLY, "sent")


@pytest.mark.parametrize("kind", ["fail_after", "drop_after", "garbage", "drop", "lose"])
async def test_a_beginning_in_doubt_is_looked_for_and_never_left_half(
    world: SlackConversation, lane: Lane, kind: Any
) -> None:
    world.slack.faults.next(Fault(kind, "chat.startStream", status=502))
    await world.delta(0, FIRST)
    await world.until(lambda: world.calls("conversations.replies") > 0 or lane.running.done())
    reply = world.message(text="Less water.")
    lane.batch.arrive(reply)
    with suppress(Parked):
        await lane.end()
    await world.later(*lane.batch.records, reply)
    assert world.seen == ["Less water."]


async def test_a_beginning_in_doubt_is_decided_soon(world: SlackConversation, lane: Lane) -> None:
    """Nobody waits for a start that takes longer than its reply, so the doubt ends the sooner."""
    world.slack.faults.next(Fault("drop", "chat.startStream"))
    began = world.clock()
    await world.delta(0, FIRST)
    with pytest.raises(Parked):
        await lane.end()
    deadline = await world.state.deliveries.intent_deadline(world.conversation, ids.live_part_id(REPLY))
    assert deadline == began + timedelta(seconds=start.START_TIMEOUT)


# ── killed ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class Killed(BaseException):
    """Nothing is tidied up after it, as after kill -9."""


@pytest.mark.parametrize("point", ["connector.after_intent", "connector.after_send", "connector.after_record"])
@pytest.mark.parametrize("comes", [True, False], ids=["reply", "no-reply"])
async def test_killed_at_the_beginning_one_whole_message_or_none_is_left(
    world: SlackConversation, monkeypatch: pytest.MonkeyPatch, point: str, comes: bool
) -> None:
    def reach(passed: str) -> None:
        if passed == point:
            raise Killed

    with monkeypatch.context() as killing:
        for module in ("live_replies.start", "outbound.sender", "outbound.delivery_log"):
            killing.setattr(f"connectors.{module}.reach", reach)
        begun = world.begun()
        outbound, batch = world.outbound(), GrowingBatch(world.conversation, [begun])
        running = asyncio.ensure_future(_swallowed(outbound.handle(batch)))
        await world.until(lambda: batch.call is not None)
        await world.delta(0, FIRST)
        assert await running
        await outbound.close()
    assert len(world.shown) == (point != "connector.after_intent")
    await (world.later(begun, world.message(text="Less water.")) if comes else world.much_later(begun))
    assert world.seen == (["Less water."] if comes else [])


async def _swallowed(handling: Any) -> bool:
    try:
        await handling
    except Killed:
        return True
    return False


@pytest.mark.parametrize("operation", ["chat.stopStream", "chat.update"])
async def test_killed_at_the_end_one_whole_message_is_left(
    world: SlackConversation, lane: Lane, operation: str
) -> None:
    """Before Slack's answer to the last calls; and what was done already is not undone when the record comes again."""
    world.slack.faults.next(Fault("slow", operation, seconds=30))
    await world.delta(0, FIRST)
    await world.until(lambda: len(world.shown) == 1)
    reply = world.message(text="Less water.")
    lane.batch.arrive(reply)
    await world.until(lambda: world.calls(operation) == 1)
    lane.running.cancel()
    begun = lane.batch.records[0]
    for _ in range(2):
        await world.later(begun, reply)
        assert world.seen == ["Less water."]
    await world.much_later(begun)
    assert world.seen == ["Less water."]


async def test_the_next_owner_of_the_partition_ends_what_was_begun(world: SlackConversation, lane: Lane) -> None:
    await world.delta(0, FIRST)
    await world.until(lambda: len(world.shown) == 1)
    lane.batch.revoking.set()
    with pytest.raises(Unavailable):
        await lane.end()
    await world.later(*lane.batch.records, world.message(text="Less water."))
    assert world.seen == ["Less water."]
    assert world.calls("chat.postMessage") == 0


async def test_a_reply_that_only_the_next_batch_gets_is_not_waited_for(world: SlackConversation, lane: Lane) -> None:
    """What of it is shown is taken away, and then it is there as a whole."""
    await world.delta(0, FIRST)
    await world.until(lambda: len(world.shown) == 1)
    lane.batch.backlog.set()
    await lane.end()
    await world.until(lambda: world.seen == [])
    await world.later(world.message())
    (shown,) = world.shown
    assert (shown.marker, await world.outcome()) == (REPLY, "sent")


async def test_a_reply_behind_one_that_was_parked_is_sent_as_soon_as_it_is_there(world: SlackConversation) -> None:
    """On a real lane. While something of the conversation is parked all that comes joins it: the announcement is
    brought back from there, alone, and so is the reply, later."""
    channel: Any = world.channel
    channel.live_reply_limits = replace(channel.live_reply_limits, max_duration=3600.0)
    world.slack.faults.next(Fault("lose", "chat.postMessage", status=502))
    async with sending_lanes(world):
        await world.append(world.message(ids.reply_id(EARLIER, 0), "Wait a moment", turn_id=EARLIER))
        await wait_until_true(world.has_parked(1))
        await world.append(world.begun())
        await wait_until_true(world.has_parked(2))
        world.clock.now += timedelta(minutes=3)
        await world.until(lambda: world.seen == ["Wait a moment"])
        await world.append(world.message())
        await world.until(lambda: len(world.seen) == 2)
        await wait_until_true(world.has_parked(0))
    assert await world.outcome() == "sent"


@asynccontextmanager
async def sending_lanes(world: SlackConversation) -> AsyncIterator[None]:
    outbound, lanes = world.outbound(), Lanes(world.bus, world.state.parking, clock=world.clock)
    running = asyncio.create_task(lanes.run([topics.outbound("slack")], "sender", outbound.handle, _no_giving_up))
    try:
        yield
    finally:
        lanes.stop()
        await running
        await outbound.close()


async def _no_giving_up(key: str, records: Sequence[Record], error: Exception, attempts: int) -> None:
    raise AssertionError(f"gave up {key}") from error
