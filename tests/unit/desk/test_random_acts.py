"""People do anything in any order, and Slack tells of it twice, late and the wrong way round."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import pytest

from connectors.desk.thread_ids import message_of
from connectors.slack.places import parse_timestamp
from schemas import topics
from schemas.messages import InboundMessage
from schemas.ports import Conversations, OwnershipResult
from tests.simulators.slack.encoding import Refusal
from tests.simulators.slack.event_delivery import Delivery
from tests.unit.desk.conftest import DeskEnvironment
from tests.unit.desk.slack_team import COLLEAGUES, DeskThread, Team

WALKS, STEPS, AT_ONCE = 60, 30, 20


class WatchedConversations:
    """Conversations, with a list of who won them when."""

    def __init__(self, inner: Conversations) -> None:
        self._inner = inner
        self.won: dict[tuple[str, int], tuple[str, str, Any]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def own(self, conversation: str, to: Any, **more: Any) -> OwnershipResult:
        owned = await self._inner.own(conversation, to, **more)
        if owned.won:
            self.won.setdefault((conversation, owned.epoch), (to, more["by"], more["now"]))
        return owned


@dataclass
class RandomActs:
    """What people did in one conversation. ``said``: by message, its author and all that it ever said."""

    talk: DeskThread
    random: Random
    said: dict[str, tuple[str, set[str]]] = field(default_factory=dict)
    waiting: list[Delivery] = field(default_factory=list)

    def act(self) -> None:
        """One thing that somebody does."""
        name = self.random.choice(COLLEAGUES[:3])
        what = self.random.choice(("say", "say", "say", "note", "edit", "delete", "keep", "👀", "👀", "🔁", "🙈"))
        team = self.talk.team
        if what in ("say", "note"):
            text = ("// " if what == "note" else "") + f"words {len(self.said)}"
            post = self.talk.say(name, text)
            self.said[post.ts] = (name, {text})
        elif what in ("👀", "🔁"):
            team.slack.people.react(name, self.talk.root, what)
        elif self.said:
            self._amend(self.random.choice(list(self.said)), what)

    def _amend(self, ts: str, what: str) -> None:
        people, (name, texts) = self.talk.team.slack.people, self.said[ts]
        if what == "edit":
            texts.add(f"{min(texts)}, changed")
            people.edit(name, ts, f"{min(texts)}, changed")
        elif what == "delete":
            people.delete(name, ts)
        else:
            people.react(self.random.choice(COLLEAGUES[:3]), ts, "🙈")

    async def go(self) -> None:
        team = self.talk.team
        for _ in range(STEPS):
            try:
                self.waiting += team.captured(self.act)
            except (LookupError, Refusal):
                continue  # it is gone, or this was done already
            while self.waiting and self.random.random() < 0.6:
                told = self.waiting.pop(self.random.randrange(len(self.waiting)))
                await team.bring(told)
                if self.random.random() < 0.3:
                    self.waiting.append(told)
        await team.bring(*self.waiting)


@pytest.fixture
async def team(world: DeskEnvironment) -> AsyncIterator[Team]:
    watched: Any = WatchedConversations(world.state.conversations)
    world.state = replace(world.state, conversations=watched)
    async with Team(world, undo=0.02).at_work() as team:
        yield team


@pytest.mark.slow
async def test_the_customer_gets_only_messages_of_the_owner_and_each_once(team: Team) -> None:
    free, walks = asyncio.Semaphore(AT_ONCE), dict[str, RandomActs]()

    async def one(number: int) -> None:
        async with free:
            talk = await team.open()
            walks[talk.id] = RandomActs(talk, Random(number))
            await walks[talk.id].go()

    await asyncio.gather(*(one(number) for number in range(WALKS)))
    await team.quiet()
    watched: Any = team.world.state.conversations
    got: dict[str, InboundMessage] = {}
    for event in await team.inbound(topics.MESSAGE_RECEIVED):
        said = event.payload(InboundMessage)
        assert got.setdefault(event.id, said) == said
        ts = message_of(said.external_id)
        name, texts = walks[event.conversation].said[ts]
        to, by, since = watched.won[event.conversation, said.epoch]
        assert (to, by) == ("person", f"slack:{team.slack.person(name).id}")
        assert since < parse_timestamp(ts)
        assert said.text in texts
        assert not said.text.startswith("//")
    assert len({said.external_id for said in got.values()}) == len(got)
    assert len(got) > WALKS
    assert team.carrier.strays == []
