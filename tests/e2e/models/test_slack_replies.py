"""Replies that people in Slack see while they are written, through whole installations that are killed meanwhile."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.conftest import ENGINES
from tests.harness.installation import QUESTIONS, Installation, config_of
from tests.harness.processes import ForkServer
from tests.simulators.models.server import ModelServer, Script
from tests.simulators.slack.server import SlackVendor
from tests.simulators.vendor import ShownMessage

ANSWERS = ("heat pack", "30 days", "rain water")


@dataclass
class Shop:
    installation: Installation
    slack: SlackVendor
    place: str = ""

    def ask(self) -> None:
        room = self.slack.channel("support")
        asked = self.slack.people.say("Ann", "\n".join(QUESTIONS), room)
        self.place = f"{room.id}:{asked.ts}"

    @property
    def shown(self) -> list[ShownMessage]:
        return self.slack.ledger.at(self.place)

    @property
    def sender(self) -> str:
        return "connectors" if self.installation.scaled else "dev"

    async def written(self, model: ModelServer) -> None:
        """A model writes slowly, from when the lane listens on: that is when people see that something comes."""
        model.next_scripts = [Script(hold_after=0, pace=0.1)]
        self.ask()
        call = await model.called()
        room, root = self.place.split(":")
        await self.slack.ledger.until(lambda: self.slack.status(room, root))
        call.gate.set()

    async def begun(self) -> None:
        await self.slack.ledger.until(lambda: self.shown and self.shown[0].text)

    async def whole(self) -> ShownMessage:
        """The one message, once it is the whole reply: only that carries our mark. What follows it is one as well."""
        await self.slack.ledger.until(lambda: any(each.marker for each in self.shown), deadline=60)
        room, root = self.place.split(":")
        self.slack.people.say("Ann", "Thank you!", self.slack.workspace.rooms[room], thread=root)
        await self.slack.ledger.until(lambda: sum(bool(each.marker) for each in self.shown) == 2, deadline=60)
        first, second = self.shown
        assert first.marker != second.marker
        return first


@pytest.fixture(params=ENGINES)
async def shop(
    request: pytest.FixtureRequest, fork_server: ForkServer, provider: ModelServer, model: ModelServer, tmp_path: Path
) -> AsyncIterator[Shop]:
    servers = {}
    if request.param == "scaled":
        servers = {"kafka": request.getfixturevalue("kafka_bootstrap"), "redis": request.getfixturevalue("redis_url")}
    entry = {"provider": "openai", "model": "adapter-7", "base_url": provider.base_url, "api_key": "sk-test"}
    tenants = config_of(tmp_path)["tenants"]
    slack = SlackVendor(pace=0.0002)
    async with slack.serving():
        tenants["plantstore"] |= {"model": "remote"}
        tenants["plantstore"]["channels"]["slack"] = {"main": slack.settings()}
        models = {"remote": entry, "local": {"provider": "local"}}
        prefix = f"t-{uuid.uuid4().hex[:8]}."
        installation = Installation.make(
            fork_server, tmp_path, prefix=prefix, models=models, tenants=tenants, **servers
        )
        await installation.prepare()
        await installation.start()
        if installation.scaled:
            await installation.put_documents()
        slack.call(f"{installation.base}/v1/webhooks/slack/plantstore/main")
        yield Shop(installation, slack)
        await installation.stop()


@pytest.mark.timeout(300)
async def test_a_reply_grows_before_peoples_eyes_and_survives_a_kill(shop: Shop, model: ModelServer) -> None:
    """Whoever sends is killed in the middle; embedded, whoever writes is killed with it."""
    await shop.written(model)
    await shop.begun()
    half = shop.shown[0]
    assert not all(answer in half.text for answer in ANSWERS)
    await shop.installation.kill(shop.sender)
    await shop.installation.start(shop.sender)
    reply = await shop.whole()
    assert all(answer in reply.text for answer in ANSWERS), reply.text


@pytest.mark.timeout(300)
@pytest.mark.parametrize("point", ["connector.after_send", "connector.after_record"])
async def test_a_sender_that_dies_at_the_beginning_leaves_one_whole_reply(
    shop: Shop, model: ModelServer, point: str
) -> None:
    """Not after the intent alone: until it is sure that nothing was shown, three quarters of a minute pass."""
    await shop.installation.kill(shop.sender)
    await shop.installation.start(shop.sender, env={"PARLEY_CRASH_AT": f"{point}:1"})
    await shop.written(model)
    status = await asyncio.wait_for(asyncio.shield(shop.installation.roles[shop.sender].exited), 60)
    assert status == -9
    await shop.installation.start(shop.sender)
    reply = await shop.whole()
    assert all(answer in reply.text for answer in ANSWERS), reply.text
