"""Many live handoffs in one channel, at Slack's limits, ten times as fast and in the same ratios."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime

from connectors.desk.posts.consumer import DeskConsumer
from connectors.desk.posts.timers import build_desk_timer
from connectors.desk.rules import TenantDeskRules
from connectors.registry import open_channel
from connectors.slack.channel import SlackChannel
from infra.bus.lanes import Lanes
from infra.metrics import PrometheusMetrics
from schemas import ids, topics
from schemas.conversation import Facts, Origin
from schemas.desk import Handoff
from schemas.messages import Address, Author, TranscriptMessage
from tests.harness.short_timeouts import speed_up_rates
from tests.simulators.slack.message_contents import words
from tests.unit.desk.conftest import TENANT, DeskEnvironment

FASTER = 10.0
LIVE, EACH = 30, 4
EVERY = 24.0 / FASTER
"""Seconds between two messages of a customer: five in four seconds, more than Slack takes one by one."""
MOST_LAG = 30.0 / FASTER
BUSY = 4
"""How many times as long it may take where other tests have the processors: the figure is printed."""
PAUSE = 0.02


def now() -> datetime:
    return datetime.now(UTC)


async def handed_off(world: DeskEnvironment, number: int) -> str:
    """A conversation that people have."""
    place, state = f"p{number}", world.state
    address = Address(channel="web", value=place)
    contact, conversation = await state.contacts.resolve(TENANT, "web", "main", place, [address], now=now())
    origin = Origin(tenant=TENANT, channel="web", account="main", place=place, contact_id=contact.id)
    await state.conversations.begin(conversation, origin, [], now=now())
    request = f"own-{number}"
    await state.conversations.own(conversation, "queue", expected_epoch=0, request_id=request, by="agent", now=now())
    begun = await state.conversations.begin(conversation, origin, [], now=now())
    facts = Facts(handoff=Handoff(number=1, reason=f"reason {number}", opened_at=now()))
    known = begun.conversation
    await state.conversations.commit(
        conversation,
        token=begun.token,
        version=known.version,
        epoch=known.epoch,
        facts=facts,
        handled=[],
        outbox=[],
        now=now(),
    )
    await world.bus.append([build_desk_timer("slack", TENANT, conversation, now())])
    return conversation


async def write(world: DeskEnvironment, conversation: str, number: int, said: dict[str, float]) -> None:
    """One customer, at their own pace."""
    await asyncio.sleep(EVERY * number / LIVE)
    for count in range(EACH):
        text = f"customer {number} says {count}."
        line = TranscriptMessage(
            id=ids.derived_id(conversation, "line", count), author=Author(kind="contact"), text=text, created_at=now()
        )
        await world.state.transcript.add(conversation, line)
        said[text] = time.monotonic()
        await world.bus.append([build_desk_timer("slack", TENANT, conversation, now())])
        await asyncio.sleep(EVERY)


class CpuWaitTime:
    """Time in which this process could have gone on and was not let: others had the processors. What it computes itself
    is no such time."""

    def __init__(self) -> None:
        self._moments: list[tuple[float, float]] = []

    async def watch(self) -> None:
        while True:
            wall, own = time.monotonic(), time.process_time()
            await asyncio.sleep(PAUSE)
            late = time.monotonic() - wall - PAUSE - (time.process_time() - own)
            self._moments.append((wall, max(0.0, late)))

    def between(self, begin: float, end: float) -> float:
        """Seconds."""
        return sum(late for at, late in self._moments if begin <= at <= end)


async def given_up(conversation: str, records: object, error: Exception, attempts: int) -> None:
    raise error


def keeper_at_slacks_limits(world: DeskEnvironment) -> DeskConsumer:
    """On the machine's clock, as the simulated Slack is then."""
    world.slack.now = world.slack.limits.now = time.time
    world.slack.limits.enforced, world.slack.limits.speed = True, FASTER
    channel = open_channel("slack", replace(world.tools, clock=now))
    assert isinstance(channel, SlackChannel)
    desk = channel.at_desk()
    return DeskConsumer(
        desk,
        {TENANT: TenantDeskRules(TENANT, "main", world.room)},
        bus=world.bus,
        state=world.state,
        metrics=PrometheusMetrics(),
        clock=now,
        account_of=world.account,
        rates=speed_up_rates(desk.rates, FASTER),
    )


async def seen_of(world: DeskEnvironment, said: dict[str, float]) -> dict[str, list[float]]:
    """When each text was shown, as often as it was, once all of them were."""
    seen: dict[str, list[float]] = defaultdict(list)

    def all_there() -> bool:
        for shown in world.slack.ledger.shown:
            for text in [text for text in said if text in words(shown.native)]:
                if shown.at not in seen[text]:
                    seen[text].append(shown.at)
        return all(seen[text] for text in said)

    await world.slack.ledger.until(all_there, deadline=60)
    return seen


async def test_thirty_live_handoffs_are_mirrored_at_slacks_limits_and_none_is_lost(
    world: DeskEnvironment,
) -> None:
    keeper = keeper_at_slacks_limits(world)
    lanes = Lanes(world.bus, world.state.parking, clock=now)
    running = asyncio.create_task(
        lanes.run([topics.outbound("slack")], topics.desk_group("slack"), keeper.handle, given_up)
    )
    conversations = [await handed_off(world, number) for number in range(LIVE)]
    room = world.slack.workspace.rooms[world.room]
    await world.slack.ledger.until(lambda: len(room.top()) == LIVE, deadline=60)
    said: dict[str, float] = {}
    async with asyncio.TaskGroup() as group:
        for number, conversation in enumerate(conversations):
            group.create_task(write(world, conversation, number, said))
    seen = await seen_of(world, said)
    lanes.stop()
    await running
    await keeper.close()
    lags = sorted(seen[text][0] - said[text] for text in said)
    assert len(lags) == LIVE * EACH
    assert all(len(times) == 1 for times in seen.values())
    assert len(room.top()) == LIVE
    print(
        f"lag: median {lags[len(lags) // 2] * FASTER:.1f} s, longest {lags[-1] * FASTER:.1f} s of {MOST_LAG * FASTER:g}"
    )
    assert lags[-1] <= BUSY * MOST_LAG
