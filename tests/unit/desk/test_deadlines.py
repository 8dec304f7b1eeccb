"""Deadlines for people's answers, and notices when they pass."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from connectors.desk.posts.timers import NoticeTimer
from connectors.desk.rules import DeskTimesRules, TenantDeskRules
from schemas import topics
from schemas.envelope import Envelope
from schemas.handoff.business_hours import OfficeHours
from tests.simulators.slack.message_contents import words
from tests.unit.desk.conftest import TENANT, DeskEnvironment

MINUTES = timedelta(minutes=1)


async def test_the_thread_is_reminded_once_and_another_channel_hears_when_it_is_too_late(
    world: DeskEnvironment,
) -> None:
    other = world.slack.channel("leads").id
    times = DeskTimesRules(first_reply=20 * MINUTES, remind=0.5, escalate_to=other, mention="here")
    await world.hand_off()
    keeper = world.keeper(times=times)
    await world.look(keeper)
    told = []
    for minutes in (9, 2, 1, 10, 1):
        world.clock.now += minutes * MINUTES
        await world.look(keeper)
        told.append((len(world.thread), len(world.slack.workspace.rooms[other].posts)))
    await keeper.close()
    assert told == [(0, 0), (1, 0), (1, 0), (2, 1), (2, 1)]
    assert "please answer by" in world.texts()[0]
    assert "should have had an answer" in world.texts()[1]
    (escalated,) = world.slack.workspace.rooms[other].posts.values()
    assert "<!here>" in words(escalated.body)
    assert f"/archives/{world.room}/p{world.cards[0].ts.replace('.', '')}|open" in words(escalated.body)


async def test_a_reply_ends_the_wait_and_the_next_message_begins_another(world: DeskEnvironment) -> None:
    times = DeskTimesRules(first_reply=20 * MINUTES, next_reply=60 * MINUTES)
    await world.hand_off()
    await world.say("We look into it", "person", name="Mo")
    known = await world.state.conversations.get(world.conversation)
    assert known is not None
    assert known.facts.handoff is not None
    handoff = known.facts.handoff.model_copy(update={"first_reply_at": world.clock()})
    await world.change(handoff=handoff.model_dump())
    keeper = world.keeper(times=times)
    world.clock.now += 120 * MINUTES
    await world.look(keeper)
    before = len(world.thread)
    await world.say("and?")
    world.clock.now += 61 * MINUTES
    await world.look(keeper)
    await keeper.close()
    assert (before, len(world.thread)) == (1, 3)
    assert "should have had an answer" in world.texts()[2]


async def test_only_office_hours_count(world: DeskEnvironment) -> None:
    """It is Monday, 9:30 in London's summer; people come at 11:00 UTC."""
    hours = OfficeHours(ZoneInfo("UTC"), {0: ((660, 720),)}, frozenset())
    await world.hand_off()
    keeper = world.keeper(hours=hours, times=DeskTimesRules(first_reply=30 * MINUTES))
    told = []
    for at in (10, 11):
        world.clock.now = datetime(2026, 5, 4, at, 40, tzinfo=UTC)
        await world.look(keeper)
        told.append(len(world.thread))
    await keeper.close()
    assert told == [0, 1]


async def test_a_window_that_closes_is_told_before_and_after(world: DeskEnvironment) -> None:
    await world.say("hello?")
    await world.hand_off()
    keeper = world.keeper(
        windows={("web", "main"): timedelta(hours=24)}, times=DeskTimesRules(first_reply=None, next_reply=None)
    )
    await world.look(keeper)
    assert "reply window closes" in words(world.cards[0].body)
    told = []
    for hours in (21, 2, 2):
        world.clock.now += timedelta(hours=hours)
        await world.look(keeper)
        told.append(len(world.thread))
    await keeper.close()
    assert told == [0, 1, 2]
    assert "has closed" in world.texts()[1]


async def test_the_sweep_wakes_the_keeper_when_something_is_due_and_not_before(world: DeskEnvironment) -> None:
    times = DeskTimesRules(first_reply=20 * MINUTES)
    rules = {TENANT: TenantDeskRules(TENANT, "main", world.room, times=times)}
    sweep = NoticeTimer("slack", rules, bus=world.bus, state=world.state, clock=world.clock)
    await world.hand_off()
    keeper = world.keeper(times=times)
    await world.look(keeper)
    told: list[int] = []
    events: list[Envelope] = []
    for minutes in (1, 30, 0):
        world.clock.now += minutes * MINUTES
        await sweep.run()
        read = await world.bus.read(topics.outbound("slack"))
        events = [Envelope.from_wire(record.headers, record.value) async for record in read]
        told.append(len(events))
        if minutes == 30:
            await world.look(keeper)
    await keeper.close()
    assert told == [0, 1, 1]
    assert all(event.type == topics.DESK_UPDATE and event.conversation == world.conversation for event in events)
