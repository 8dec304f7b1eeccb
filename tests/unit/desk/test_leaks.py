"""What is written at the desk reaches the customer exactly where the rules allow it: every way to write, by everybody,
at every time, changed in every way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, field
from itertools import product

import pytest

from tests.platforms.slack.workspace import Post, Room
from tests.platforms.vendor import File
from tests.unit.desk.colleagues import Talk, Team
from tests.unit.desk.conftest import World

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
    talk: Talk
    room: Room
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
        files = [] if self.content == "text" else [File("a.pdf", "application/pdf", b"%PDF-1.4 " + self.talk.id.encode())]
        broadcast = self.change == "broadcast"
        return self.team.slack.people.say(
            self.who, text, self.room, thread=self.thread, files=files, broadcast=broadcast
        )


async def _prepared(case: Case) -> None:
    """Everything until the reply is written."""
    talk, team = case.talk, case.team
    match case.when:
        case "before anybody claims" | "before the claim, told after it":
            return
        case "while the console holds it":
            await talk.claim("Ben")
            return await talk.own("person", "admin")
        case "in the channel itself":
            case.thread = ""
        case "in a thread that is no conversation's":
            case.thread = team.slack.people.say("Cleo", "lunch?", case.room).ts
        case "in the thread of another conversation":
            other = await team.open()
            case.thread = other.root
            case.others.append(other.id)
    await talk.claim("Ben")
    match case.when:
        case "after a release" | "after a colleague claimed it":
            await talk.press("Ben", "Release")
            await _until(talk, "queue")
            if case.when == "after a colleague claimed it":
                await talk.claim("Cleo")
        case "after it was given back":
            await talk.react("Ben", "🔁")
            await _until(talk, "agent")
        case "after it was resolved":
            await talk.react("Ben", "✅")
            await _until(talk, "closed")
        case "after it was passed on":
            await talk.press("Ben", "Transfer")
            await team.slack.interactions.submit("Ben", {"To a colleague": team.slack.person("Cleo").id})
            await _until(talk, "person", f"slack:{team.slack.person('Cleo').id}")


async def _until(talk: Talk, owner: str, by: str = "") -> None:
    async with asyncio.timeout(30):
        while (found := await talk.now()).owner != owner or (by and (not found.holder or found.holder.by != by)):
            await asyncio.sleep(0.005)


async def _play(case: Case) -> None:
    team, people = case.team, case.team.slack.people
    written: list[Post] = []
    told = team.captured(lambda: written.append(case.write()))
    post = written[0]

    def change() -> None:
        match case.change:
            case "edited while held" | "edited, which is told first" | "edited afterwards":
                people.edit(case.who, post.ts, "changed")
            case "made a note by an edit":
                people.edit(case.who, post.ts, "// changed")
            case "deleted while held" | "deleted, which is told first" | "deleted afterwards":
                people.delete(case.who, post.ts)
            case "reacted to by its author" | "reacted to, which is told first":
                people.react(case.who, post.ts, "🙈")
            case "reacted to by a colleague":
                people.react("Dan", post.ts, "🙈")

    if case.change.endswith("told first"):
        told = [*team.captured(change), *told]
    elif case.change == "told three times":
        told = told * 3
    if case.when == "before the claim, told after it":
        await case.talk.claim("Ben")
    await team.bring(*told)
    if case.change == "undone":
        await _undo(case)
    elif not case.change.endswith(("told first", "afterwards")):
        await team.bring(*team.captured(change))
    if case.when == "before anybody claims":
        await case.talk.claim("Ben")
    await case.talk.react("Ben", "🔁")
    if case.change.endswith("afterwards"):
        await _drained(team)
        await team.bring(*team.captured(change))


async def _undo(case: Case) -> None:
    """Whoever may say something to the customer is offered an Undo; nobody else is."""
    if case.when != "by the holder":
        return
    async with asyncio.timeout(30):
        while not (offered := [post for post in case.talk.thread("Ben") if "Goes to" in post.body["text"]]):
            await asyncio.sleep(0.005)
    await case.team.slack.interactions.press("Ben", offered[0], "Undo")


async def _drained(team: Team) -> None:
    await team.quiet()


@pytest.fixture
async def team(world: World) -> AsyncIterator[Team]:
    made = Team(world, undo=HOLD)
    for name, kind in (("Gil", "guest"), ("Otto", "outsider"), ("Robo", "bot")):
        made.slack.people.join(made.room, name, kind)  # type: ignore[arg-type]
    async with made.at_work() as team:
        yield team


async def _run(team: Team, when: str) -> list[Case]:
    free, cases = asyncio.Semaphore(AT_ONCE), []

    async def one(content: str, change: str) -> None:
        async with free:
            talk = await team.open()
            case = Case(team, when, content, change, talk, team.room, talk.root)
            cases.append(case)
            await _prepared(case)
            await _play(case)

    plays: list[Awaitable[None]] = [one(*each) for each in product(CONTENTS, CHANGES)]
    await asyncio.gather(*plays)
    await team.quiet()
    return cases


@pytest.mark.parametrize("when", WHO)
async def test_the_customer_sees_exactly_what_the_rules_allow(team: Team, when: str) -> None:
    cases = await _run(team, when)
    seen = await team.seen()
    assert len(cases) == len(CONTENTS) * len(CHANGES)
    assert {case.name: seen.get(case.talk.id, []) for case in cases} == {case.name: case.wanted for case in cases}
    assert not any(seen.get(other) for case in cases for other in case.others)
    assert team.carrier.strays == []


def test_there_are_more_than_five_hundred_cases() -> None:
    assert len(WHO) * len(CONTENTS) * len(CHANGES) >= 500
