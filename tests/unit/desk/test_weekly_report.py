"""The weekly report is posted once in the desk's channel, on its day, whoever is killed or away meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from connectors.desk.contents import WeeklyReport
from connectors.desk.posts.consumer import DeskConsumer
from connectors.desk.posts.weekly_report import WeeklyReportTimer, find_occasion
from connectors.desk.rules import TenantDeskRules, WeeklyReportRules
from schemas.errors import Unavailable
from tests.simulators.slack.message_contents import words
from tests.unit.desk.conftest import TENANT, DeskEnvironment

BERLIN = ZoneInfo("Europe/Berlin")
MONDAYS = WeeklyReportRules(0, BERLIN)
DUE = datetime(2026, 5, 4, 7, 0, tzinfo=UTC)
"""A Monday, at nine in Berlin."""


class Reports:
    """Writes reports, and counts them. ``failing``: how many of the next fail."""

    def __init__(self, failing: int = 0) -> None:
        self.written: list[datetime] = []
        self.failing = failing

    async def write(self, tenant: str, until: datetime) -> WeeklyReport:
        if self.failing:
            self.failing -= 1
            raise Unavailable("the analysis failed")
        self.written.append(until)
        figures = ("31 conversations", "58% resolved by the agent for good")
        return WeeklyReport("The week", figures, ("1. <!here> *wrap* (thumb down, 9 times).",), "https://a.example/x")


class Desk:
    """The desk of one tenant. ``start``: a timer, as a process has it from its start on."""

    def __init__(self, world: DeskEnvironment, reports: Reports, report: WeeklyReportRules | None = MONDAYS) -> None:
        self._world = world
        self._reports = reports
        self._rules = {TENANT: TenantDeskRules(TENANT, "main", world.room, report=report)}
        self._consumers: list[DeskConsumer] = []

    def start(self) -> WeeklyReportTimer:
        world, consumer = self._world, self._world.keeper()
        self._consumers.append(consumer)
        return WeeklyReportTimer(consumer, self._rules, self._reports.write, state=world.state, clock=world.clock)

    async def __aenter__(self) -> Desk:
        return self

    async def __aexit__(self, *_: object) -> None:
        for consumer in self._consumers:
            await consumer.close()


def posts(world: DeskEnvironment) -> list[str]:
    return [words(post.body) for post in world.slack.workspace.rooms[world.room].top()]


@pytest.mark.parametrize(
    ("now", "due"),
    [
        (DUE, DUE),
        (DUE - timedelta(minutes=1), DUE - timedelta(days=7)),
        (DUE + timedelta(days=6, hours=23), DUE),
        # The clocks went forward on 29 March: nine o'clock is an hour earlier in UTC from then on.
        (datetime(2026, 3, 30, 7, 0, tzinfo=UTC), datetime(2026, 3, 30, 7, 0, tzinfo=UTC)),
        (datetime(2026, 3, 23, 7, 59, tzinfo=UTC), datetime(2026, 3, 16, 8, 0, tzinfo=UTC)),
    ],
)
def test_a_report_is_due_at_nine_on_its_day(now: datetime, due: datetime) -> None:
    assert find_occasion(MONDAYS, now) == due


async def test_a_report_is_posted_once_a_week(world: DeskEnvironment) -> None:
    reports = Reports()
    world.clock.now = DUE - timedelta(minutes=1)
    async with Desk(world, reports) as desk:
        timer = desk.start()
        await timer.run()
        assert reports.written == []
        for wait in (timedelta(minutes=2), timedelta(minutes=5), timedelta(hours=30), timedelta(days=6)):
            world.clock.now += wait
            await timer.run()
    assert reports.written == [DUE, DUE + timedelta(days=7)]
    assert len(posts(world)) == 2


async def test_a_restart_posts_nothing_twice(world: DeskEnvironment) -> None:
    reports = Reports()
    world.clock.now = DUE
    async with Desk(world, reports) as desk:
        for _ in range(3):
            world.clock.now += timedelta(minutes=20)
            await desk.start().run()
    assert (len(reports.written), len(posts(world))) == (1, 1)


async def test_contacts_words_are_shown_literally(world: DeskEnvironment) -> None:
    world.clock.now = DUE
    async with Desk(world, Reports()) as desk:
        await desk.start().run()
    (post,) = world.slack.workspace.rooms[world.room].top()
    texts = [block["text"] for block in post.body["blocks"] if block["type"] == "section"]
    assert [text["type"] for text in texts if "<!here>" in text["text"]] == ["plain_text"]
    assert "58% resolved by the agent for good" in words(post.body)
    assert "https://a.example/x" in words(post.body)


async def test_a_report_that_failed_is_tried_again_the_same_day(world: DeskEnvironment) -> None:
    world.clock.now = DUE
    async with Desk(world, Reports(failing=1)) as desk:
        timer = desk.start()
        await timer.run()
        assert posts(world) == []
        world.clock.now += timedelta(minutes=5)
        await timer.run()
    assert len(posts(world)) == 1


async def test_a_report_is_not_posted_days_later(world: DeskEnvironment) -> None:
    reports = Reports()
    world.clock.now = DUE + timedelta(days=2)
    async with Desk(world, reports) as desk:
        await desk.start().run()
    assert (reports.written, posts(world)) == ([], [])


async def test_without_the_setting_there_is_no_report(world: DeskEnvironment) -> None:
    reports = Reports()
    world.clock.now = DUE
    async with Desk(world, reports, None) as desk:
        await desk.start().run()
    assert reports.written == []
