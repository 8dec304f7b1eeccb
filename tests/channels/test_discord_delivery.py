"""The way out to Discord through lost answers, crashes and long outages: everything is shown once, and in order."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.outbound import sender as sending
from infra.bus.sqlite import SqliteBus
from infra.database import Database
from infra.metrics import PrometheusMetrics
from infra.state.sqlite.engine import open_sqlite_state
from schemas import ids, topics
from schemas.conversation import Origin
from schemas.errors import Parked
from schemas.messages import Address, OutboundMessage
from schemas.ports import Account, DeliveryPolicy
from tests.channels.discord_channel import SEND, Desk, desk_at_discord
from tests.simulators.vendor import Fault, FaultKind, Request
from tests.unit.connectors.conftest import ACCOUNT, CHANNEL, TENANT, Clock, ConnectorEnvironment

HOURS = timedelta(hours=3)


@dataclass
class AtDiscord(ConnectorEnvironment):
    """The shared way out, with Discord's channel; two clocks go together."""

    desk: Desk | None = None

    @property
    def there(self) -> Desk:
        assert self.desk is not None
        return self.desk

    def account(self, tenant: str, channel: str, name: str) -> Account | None:
        return self.there.account

    def say(self, id_: str, text: str, answers: str) -> OutboundMessage:
        return self.message(id_, text=text, answers=answers, place=self.there.place)

    async def send(self, *messages: OutboundMessage) -> None:
        """As a new process does that takes the conversation over, until everything has its outcome."""
        while True:
            outbound = self.outbound(self.there.channel)
            try:
                return await outbound.handle(self.batch(*messages))
            except Parked as parked:
                self.later(parked.until - self.clock.now)
            finally:
                await outbound.close()

    async def begin(self, message: OutboundMessage) -> None:
        """An intent without an outcome, as a killed sender leaves it."""
        begun = await self.state.deliveries.begin_send(
            self.conversation, message, deadline=DeliveryPolicy().deadline, now=self.clock()
        )
        assert begun == "go"

    async def show(self, message: OutboundMessage) -> str:
        """Killed right after the send."""
        await self.begin(message)
        (call,) = self.there.calls(message.text, answers=message.answers)
        return await self.there.send(call, message.id)

    def later(self, pause: timedelta) -> None:
        self.clock.now += pause
        self.there.clock.forward(pause.total_seconds())

    @property
    def seen(self) -> list[str]:
        return [each.text for each in self.there.shown]

    async def external(self, id_: str) -> str:
        outcome = await self.outcome(id_)
        assert outcome is not None
        assert outcome.state == "sent"
        return outcome.external_id


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[AtDiscord]:
    database = Database.open(tmp_path / "parley.db")
    bus, state, clock = SqliteBus(database), open_sqlite_state(database), Clock()
    await bus.start()
    await bus.create_topics(topics.topic_specs([CHANNEL], partitions=3, small=3))
    async with desk_at_discord() as desk:
        contact, conversation = await state.contacts.resolve(
            TENANT, CHANNEL, ACCOUNT, desk.place, [Address(channel=CHANNEL, value="mia")], now=clock()
        )
        origin = Origin(tenant=TENANT, channel=CHANNEL, account=ACCOUNT, place=desk.place, contact_id=contact.id)
        await state.conversations.begin(conversation, origin, ["e"], now=clock())
        yield AtDiscord(bus, state, PrometheusMetrics(), clock, conversation, contact.id, desk=desk)
    await state.close()
    await bus.close()
    await database.close()


@pytest.fixture
async def asked(world: AtDiscord) -> str:
    return await world.there.server.say("mia", "my fern is yellow")


@pytest.mark.parametrize("kind", ["fail_after", "drop_after", "garbage", "drop", "lose"])
async def test_a_lost_answer_costs_a_moment_and_no_second_message(
    world: AtDiscord, asked: str, kind: FaultKind
) -> None:
    world.there.server.faults.next(Fault(kind, SEND, status=502))
    await world.send(world.say("r1", "Less water.", asked))
    assert world.seen == ["Less water."]
    assert await world.external("r1") == world.there.shown[0].id
    assert world.there.asked("Get Channel Messages") == 0


@pytest.mark.parametrize("pause", [timedelta(seconds=10), timedelta(seconds=50), timedelta(minutes=2), HOURS])
async def test_a_sender_killed_after_the_send_leaves_one_message(
    world: AtDiscord, asked: str, pause: timedelta
) -> None:
    message = world.say("r1", "Less water.", asked)
    shown = await world.show(message)
    world.later(pause)
    await world.send(message)
    assert (world.seen, await world.external("r1")) == (["Less water."], shown)


@pytest.mark.parametrize("pause", [timedelta(seconds=10), timedelta(seconds=50), timedelta(minutes=2), HOURS])
async def test_a_sender_killed_before_the_send_leaves_one_message(
    world: AtDiscord, asked: str, pause: timedelta
) -> None:
    message = world.say("r1", "Less water.", asked)
    await world.begin(message)
    world.later(pause)
    await world.send(message)
    assert world.seen == ["Less water."]


@pytest.mark.parametrize("shown", [False, True])
async def test_the_same_words_twice_are_two_messages(world: AtDiscord, asked: str, shown: bool) -> None:
    first, second = world.say("r1", "Less water.", asked), world.say("r2", "Less water.", asked)
    await world.send(first)
    await (world.show(second) if shown else world.begin(second))
    world.later(HOURS)
    await world.send(first, second)
    assert world.seen == ["Less water."] * 2
    assert [await world.external("r1"), await world.external("r2")] == [each.id for each in world.there.shown]


async def test_two_equal_pieces_of_one_message_are_both_shown(world: AtDiscord, asked: str) -> None:
    message = world.say("r1", "x" * 4000, asked)
    first, second = (ids.part_id("r1", index, 2) for index in range(2))
    world.there.server.faults.always = lambda request: _second(world, Fault("drop", SEND))
    sending = asyncio.create_task(world.send(message))
    await world.there.server.ledger.until(lambda: _dropped(world))
    sending.cancel()
    with suppress(asyncio.CancelledError):
        await sending
    world.there.server.faults.always = lambda request: None
    assert (await world.external(first), await world.outcome(second)) == (world.there.shown[0].id, None)
    world.later(HOURS)
    await world.send(message)
    assert [len(each) for each in world.seen] == [2000, 2000]


def _dropped(world: AtDiscord) -> bool:
    return any(request.fault is not None for request in world.there.server.ledger.requests)


def _second(world: AtDiscord, fault: Fault) -> Fault | None:
    """A fault for everything after the first message that is shown."""
    return fault if world.there.shown else None


async def test_a_repeat_that_has_to_wait_longer_than_the_nonce_lives_shows_nothing_twice(
    world: AtDiscord, asked: str
) -> None:
    slowed = Fault("limit", SEND, retry_after=1336.5, code="shared")
    world.there.server.faults.next(Fault("drop_after", SEND), slowed)
    await world.send(world.say("r1", "Less water.", asked))
    assert world.seen == ["Less water."]
    assert await world.external("r1") == world.there.shown[0].id


async def test_a_reply_whose_history_is_hidden_may_be_lost_and_is_never_sent_twice(
    world: AtDiscord,
) -> None:
    server = world.there.server
    server.move("mia", server.world.home)
    message = world.say("r1", "Less water.", await server.say("mia", "my fern is yellow"))
    await world.show(message)
    server.world.home.denied.add("READ_MESSAGE_HISTORY")
    world.later(HOURS)
    await world.send(message)
    outcome = await world.outcome("r1")
    assert outcome is not None
    assert (world.seen, outcome.state, outcome.reason) == (["Less water."], "unknown", "history_hidden")


@pytest.mark.parametrize("seed", range(6))
async def test_in_a_storm_everything_is_shown_once_and_in_order(
    world: AtDiscord, asked: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "get_pause", lambda *_: 0.01)
    weather = random.Random(seed)
    kinds: list[FaultKind] = ["refuse", "limit", "drop", "lose", "fail_after", "drop_after", "garbage"]

    def storm(request: Request) -> Fault | None:
        return Fault(weather.choice(kinds), status=502, retry_after=0.05) if weather.random() < 0.6 else None

    world.there.server.faults.always = storm
    # As many as the pace lets through at once: this clock stands still.
    burst = world.there.channel.policy.contact_pace
    assert burst is not None
    messages = [world.say(f"r{number}", f"number {number}", asked) for number in range(burst.burst)]
    await world.send(*messages)
    assert world.seen == [message.text for message in messages]
