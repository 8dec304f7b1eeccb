"""The simulated Discord as the tests hold it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from tests.simulators.discord.api import ApiDispatcher, Call, Reply, Route, application
from tests.simulators.discord.bot_messages import Posts
from tests.simulators.discord.channels import Channels
from tests.simulators.discord.commands import Commands
from tests.simulators.discord.gateway import IDENTIFY_SECONDS, Gateway
from tests.simulators.discord.interactions import Interaction, Interactions
from tests.simulators.discord.limits import Limits
from tests.simulators.discord.message_validation import is_blank
from tests.simulators.discord.messages import Messages
from tests.simulators.discord.people import People
from tests.simulators.discord.server_state import Channel, ServerState
from tests.simulators.vendor import Faults, File, Ledger, ShownMessage


class Discord:
    """People write in their direct messages with the bot, unless ``move`` put them into another channel.

    ``now`` is the clock of everything that Discord dates or lets expire; it has to move, because limits end by it.
    ``pace`` shortens what a client waits for: the windows of the limits, and the pause between identifications."""

    name = "discord"

    def __init__(self, *, now: Callable[[], float] = time.time, pace: float = 1.0, seed: int = 1) -> None:
        self.ledger = Ledger()
        self.faults = Faults()
        self.world = ServerState(now, seed, self.ledger)
        self.limits = Limits(now, pace)
        self.posts = Posts(self.world)
        self.gateway = Gateway(self.world, self.ledger, pace)
        self.channels = Channels(self.world, self.posts)
        self.interactions = Interactions(self.world, self.posts)
        self.commands = Commands(self.world)
        self.people = People(self.world, self.channels, self.interactions, self.commands)
        self._places: dict[str, str] = {}
        self.port = 0

    @asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator[Discord]:
        app = application()
        door = ApiDispatcher(self.world, self.limits, self.faults, self.ledger)
        door.add_to(app, self._routes())
        app.router.add_get("/attachments/{rest:.*}", self.world.files.serve)
        app.router.add_get("/", self.gateway.serve)
        app.router.add_get("/resume", self.gateway.serve)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port or self.port).start()
        self.port = int(runner.addresses[0][1])
        self.gateway.base = f"ws://127.0.0.1:{self.port}"
        self.world.files.base = f"http://127.0.0.1:{self.port}"
        try:
            yield self
        finally:
            door.close()
            await self.gateway.close()
            await runner.cleanup()

    @property
    def api_base(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v10"

    def settings(self) -> dict[str, Any]:
        return {"token": self.world.token, "api_base": self.api_base, "gateway_url": f"{self.gateway.base}/"}

    def call(self, url: str) -> None:
        """Nothing: Discord pushes over the gateway."""

    def place(self, person: str) -> str:
        return self.channel(person).id

    def channel(self, person: str) -> Channel:
        """Where this person writes."""
        user = self.world.user(person)
        return self.world.channels[self._places[person]] if person in self._places else self.world.dm(user)

    def move(self, person: str, channel: Channel) -> None:
        """From now on they write there."""
        self.world.user(person)
        self._places[person] = channel.id

    async def say(self, person: str, text: str, *, files: Sequence[File] = (), reply_to: str = "") -> str:
        author = self.world.user(person)
        if is_blank(text) and not files:
            raise ValueError("there is nothing to send")
        return self.people.write(author, self.channel(person), text, files=files, reply_to=reply_to).id

    @property
    def mention(self) -> str:
        """How people call the bot."""
        return f"<@{self.world.bot.id}>"

    async def edit(self, person: str, message: str, text: str) -> None:
        channel, found = self.world.message(message)
        self.people.edit(channel, found, text)

    async def delete(self, person: str, message: str) -> None:
        self.people.delete(self.world.message(message)[0], message)

    async def react(self, person: str, message: str, emoji: str, *, take_back: bool = False) -> None:
        channel, found = self.world.message(message)
        change = self.people.reactions.remove if take_back else self.people.reactions.add
        change(channel, found, self.world.user(person), emoji)

    async def choose(self, person: str, shown: ShownMessage, label: str) -> str:
        """The id of the interaction; ``interactions.made`` tells what became of it."""
        channel, found = self.world.message(shown.id)
        return self.people.pick(self.world.user(person), channel, found, label).id

    def command(self, person: str, name: str, *values: str) -> Interaction:
        """Type a slash command at this person's place, with values for its options in their order."""
        return self.people.command(self.world.user(person), self.channel(person), name, *values)

    async def settled(self, *, deadline: float = 30) -> None:
        """Until every connected session has named the number of its newest event, and there is such a session.

        Some clients name it before what they do with the event is done, others after; those are asked again."""
        asked: dict[str, tuple[int, int, int]] = {}

        def all_heard() -> bool:
            there = [each for each in self.gateway.sessions.values() if each.connection is not None]
            for session in there:
                about = (session.seq, id(session.connection), int(time.monotonic()))
                if not session.is_heard and asked.get(session.id) != about and session.connection is not None:
                    asked[session.id] = about
                    session.connection.say(1)
            return bool(there) and all(each.is_heard for each in there)

        await self.ledger.until(all_heard, deadline=deadline)

    def redeliver(self, message: str, *, times: int = 1, at_once: bool = False) -> None:
        """As new events of the same message: what a resumed session gets of events that it had seen. A socket has an
        order, so ``at_once`` makes no difference."""
        channel, found = self.world.message(message)
        for _ in range(times):
            self.people.announce(channel, found)

    def _routes(self) -> list[Route]:
        rooms = (self.channels, Messages(self.world, self.posts), self.interactions, self.commands)
        return [
            *(route for room in rooms for route in room.routes()),
            Route("GET", "/gateway", "Get Gateway", lambda _: Reply(200, {"url": self.gateway.base})),
            Route("GET", "/gateway/bot", "Get Gateway Bot", self._gateway_bot),
        ]

    def _gateway_bot(self, call: Call) -> Reply:
        limit = {
            "total": self.gateway.identify_budget,
            "remaining": self.gateway.identifies_left,
            "reset_after": int(IDENTIFY_SECONDS * 1000),
            "max_concurrency": self.gateway.max_concurrency,
        }
        return Reply(200, {"url": self.gateway.base, "shards": self.gateway.shards, "session_start_limit": limit})
