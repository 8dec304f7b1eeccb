"""Text written at the desk reaches the customer exactly where the rules allow it: every way to write, by everybody, at
every time, changed in every way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from itertools import product

import pytest

from tests.simulators.slack.workspace import Post, Room
from tests.simulators.vendor import File
from tests.unit.desk.conftest import DeskEnvironment
from tests.unit.desk.slack_team import DeskThread, Team

HOLD = 60.0
"""No reply goes out because of the time: whoever gives the conversation back lets it out."""
AT_ONCE = 24
CONTENTS = ("text", "file", "both")
CHANGES = (
    *("as it is", "two slashes", "a lock", "a lock by name", "broadcast", "told three times"),
    *("edited while held", "made a note by an edit", "deleted while held", "undone"),
    *("reacted to by its author", "reacted to by a colleague"),
    *("edited, which is told first", "deleted, which is told first", "reacted to, which is told first"),
    *("edited afterwards", "deleted afterwards"),
)
GOES_OUT = {"as it is", "broadcast", "told three times", "edited afterwards", "deleted afterwards"}
CHANGED = {"edited while held", "edited, which is told first"}
PREFIX = {"two slashes": "// ", "a lock": "🔒 ", "a lock by name": ":lock: "}
WHO = {
    "before anybody claims": "Ben",
    "by the holder": "Ben",
    "by another member": "Cleo",
    "by a guest": "Gil",
    "by an outsider": "Otto",
    "by a bot": "Robo",
    "before the claim, told after it": "Ben",
    "after a release": "Ben",
    "after it was given back": "Ben",
    "after it was resolved": "Ben",
    "after it was passed on": "Ben",
    "while the console holds it": "Ben",
    "after a colleague claimed it": "Ben",
    "in the channel itself": "Ben",
    "in a thread that is no conversation's": "Ben",
    "in the thread of another conversation": "Ben",
}


@dataclass
class Case:
    team: Team
    when: str
    content: str
    change: str
    talk: DeskThread
    room: Room
    form: asyncio.Lock
    thread: str = ""
    others: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.content}, {self.when}, {self.change}"

    @property
    def who(self) -> str:
        return WHO[self.when]

    @property
    def wanted(self) -> list[tuple[str, int]]:
        if self.when != "by the holder":
            return []
        files = 0 if self.content == "text" else 1
        if self.change in GOES_OUT:
            return [(self.text, files)]
        return [("changed", files)] if self.change in CHANGED else []

    @property
    def text(self) -> str:
        return "" if self.content == "file" else f"words of {self.talk.id}"

    def write(self) -> Post:
        text = (PREFIX.get(self.change, "") + self.text).strip() or PREFIX.get(self.change, "").strip()
        files = (
            [] if self.content == "text" else [File("a.pdf", "application/pdf", b"%PDF-1.4 " + self.talk.id.encode())]
        )
        broadcast = self.change == "broadcast"
        return self.team.slack.people.say(
            self.who, text, self.room, thread=self.thread, files=files, broadcast=broadcast
        )


async def _prepared(case: Case) -> None:
    """Everything until the reply is written."""
    talk, team = case.talk, case.team
    if case.when in ("before anybody claims", "before the claim, told after it"):
        return
    if case.when == "in the channel itself":
        case.thread = ""
    elif case.when == "in a thread that is no conversation's":
        case.thread = team.slack.people.say("Cleo", "lunch?", case.room).ts
    elif case.when == "in the thread of another conversation":
        other = await team.open()
        case.thread = other.root
        case.others.append(other.id)
    await talk.claim("Ben")
    if case.when in LEFT:
        await LEFT[case.when](case)


async def _released(case: Case) -> None:
    await case.talk.press("Ben", "Release")
    await case.talk.is_with("queue")


async def _claimed_by_another(case: Case) -> None:
    await _released(case)
    await case.talk.claim("Cleo")


async def _given_back(case: Case) -> None:
    await case.talk.press("Ben", "Return")
    await case.talk.is_with("agent")


async def _resolved(case: Case) -> None:
    await case.talk.react("Ben", "✅")
    await case.talk.is_with("closed")


async def _passed_on(case: Case) -> None:
    slack, cleo = case.team.slack, case.team.slack.person("Cleo").id
    async with case.form:  # nobody has two forms before them
        await case.talk.press("Ben", "Transfer")
        await slack.interactions.submit("Ben", {"To a colleague": cleo})
    await case.talk.is_with("person", f"slack:{cleo}")


async def _held_by_the_console(case: Case) -> None:
    await case.talk.own("person", "admin")


LEFT: dict[str, Callable[[Case], Awaitable[None]]] = {
    "after a release": _released,
    "after a colleague claimed it": _claimed_by_another,
    "after it was given back": _given_back,
    "after it was resolved": _resolved,
    "after it was passed on": _passed_on,
    "while the console holds it": _held_by_the_console,
}


async def _play(case: Case) -> None:
    team = case.team
    written: list[Post] = []
    told = team.captured(lambda: written.append(case.write()))

    def change() -> None:
        _change(case, written[0].ts)

    if case.change.endswith("told first"):
        told = [*team.captured(change), *told]
    elif case.change == "told three times":
        told = told * 3
    if case.when == "before the claim, told after it":
        await case.talk.claim("Ben")
    await team.bring(*told)
    if case.change == "undone" and case.when == "by the holder":
        await team.slack.interactions.press("Ben", await case.talk.offered("Ben"), "Undo")
    elif not case.change.endswith(("told first", "afterwards")):
        await team.bring(*team.captured(change))
    if case.when == "before anybody claims":
        await case.talk.claim("Ben")
    await case.talk.react("Ben", "🔁")
    if case.change.endswith("afterwards"):
        await team.quiet()
        await team.bring(*team.captured(change))


def _change(case: Case, ts: str) -> None:
    people = case.team.slack.people
    if case.change.startswith("edited"):
        people.edit(case.who, ts, "changed")
    elif case.change == "made a note by an edit":
        people.edit(case.who, ts, "// changed")
    elif case.change.startswith("deleted"):
        people.delete(case.who, ts)
    elif case.change.startswith("reacted"):
        people.react("Dan" if case.change.endswith("colleague") else case.who, ts, "🙈")


@pytest.fixture
async def team(world: DeskEnvironment) -> AsyncIterator[Team]:
    made = Team(world, undo=HOLD)
    for name, kind in (("Gil", "guest"), ("Otto", "outsider"), ("Robo", "bot")):
        made.slack.people.join(made.room, name, kind)  # type: ignore[arg-type]
    async with made.at_work() as team:
        yield team


async def _run(team: Team, when: str) -> list[Case]:
    free, form, cases = asyncio.Semaphore(AT_ONCE), asyncio.Lock(), list[Case]()

    async def one(content: str, change: str) -> None:
        async with free:
            talk = await team.open()
            case = Case(team, when, content, change, talk, team.room, form, talk.root)
            cases.append(case)
            await _prepared(case)
            await _play(case)

    plays: list[Awaitable[None]] = [one(*each) for each in product(CONTENTS, CHANGES)]
    await asyncio.gather(*plays)
    await team.quiet()
    return cases


QUICK = {"by the holder", "before the claim, told after it"}


@pytest.mark.parametrize(
    "when", [when if when in QUICK else pytest.param(when, marks=pytest.mark.slow) for when in WHO]
)
async def test_the_customer_sees_exactly_what_the_rules_allow(team: Team, when: str) -> None:
    cases = await _run(team, when)
    seen = await team.seen()
    assert len(cases) == len(CONTENTS) * len(CHANGES)
    assert {case.name: seen.get(case.talk.id, []) for case in cases} == {case.name: case.wanted for case in cases}
    assert not any(seen.get(other) for case in cases for other in case.others)
    assert team.carrier.strays == []


def test_there_are_more_than_five_hundred_cases() -> None:
    assert len(WHO) * len(CONTENTS) * len(CHANGES) >= 500
