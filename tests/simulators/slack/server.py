"""The simulated Slack as the one harness drives it: it listens, people talk to it, and it keeps the ledger."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web

from tests.simulators.slack import files
from tests.simulators.slack.api import Api, wrap_other_handler
from tests.simulators.slack.core import Slack
from tests.simulators.slack.event_delivery import Delivery, Outcome
from tests.simulators.slack.interactions import Interactions
from tests.simulators.slack.people import People
from tests.simulators.slack.responses import Responses
from tests.simulators.slack.workspace import Person, Post, Room
from tests.simulators.vendor import File, ShownMessage

MOST_BODY = 64 * 1024**2


class SlackVendor(Slack):
    """A customer writes in direct messages. Everything else that people can do in a workspace, they do through
    ``people`` (write in channels and threads, as members, guests, outsiders or bots) and ``interactions``."""

    name = "slack"

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.people = People(self)
        self.responses = Responses(self)
        self.interactions = Interactions(self, self.responses)

    @asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator[SlackVendor]:
        runner = web.AppRunner(self._app(), shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        self.origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
        self.sockets.address = self.origin.replace("http", "ws", 1)
        self.hooks.session = aiohttp.ClientSession(trust_env=False)
        try:
            yield self
        finally:
            await self.event_delivery.close()
            await self.sockets.close()
            await self.hooks.session.close()
            await runner.cleanup()

    def _app(self) -> web.Application:
        app = web.Application(client_max_size=MOST_BODY)
        api = Api(self)
        app.router.add_route("*", "/api/{method}", api.handle)
        app.router.add_get("/link/", self._link)
        upload = wrap_other_handler(self, "files.upload", self._upload)
        download = wrap_other_handler(self, "files.download", lambda http, note: files.download(self, http, note))
        respond = wrap_other_handler(self, "response_url", self.responses.handle)
        app.router.add_post("/upload/v1/{ticket}", upload)
        app.router.add_get("/files-pri/{file}/{name:.*}", download)
        app.router.add_post("/{kind:actions|commands}/{team}/{secret}", respond)
        return app

    async def _link(self, http: web.Request) -> web.StreamResponse:
        return await self.sockets.handle(http)

    async def _upload(self, http: web.Request, note: Any) -> web.Response:
        response = await files.upload(self, http)
        note.did = response.status == 200
        return response

    @property
    def api_base(self) -> str:
        return f"{self.origin}/api/"

    def settings(self) -> dict[str, Any]:
        own: dict[str, Any] = {"signing_secret": self.signing_secret}
        if self.mode == "socket":
            own = {"app_token": self.app_token}
        return {"mode": self.mode, "bot_token": self.bot_token, **own, "api_base": self.api_base}

    def call(self, url: str) -> None:
        self.hooks.url = url

    async def verify_url(self) -> Outcome:
        """What Slack asks of a request URL before it accepts it: the challenge, signed, must come back."""
        challenge = self.ids.secret(length=52)
        from_slack = {"token": self.verification_token, "challenge": challenge, "type": "url_verification"}
        body, headers = self.hooks.request(Delivery("events_api", from_slack))
        outcome = await self.hooks.post(body, headers)
        echoed = outcome.payload.get("challenge") if isinstance(outcome.payload, dict) else outcome.payload
        return outcome if echoed == challenge else Outcome(False, outcome.reason or "challenge_failed")

    async def check_ssl(self) -> Outcome:
        """What Slack asks now and then of the address for commands, as a form and without a trigger."""
        asking = Delivery("slash_commands", {"ssl_check": "1", "token": self.verification_token})
        return await self.hooks.post(*self.hooks.request(asking))

    def person(self, name: str) -> Person:
        return self.workspace.person(name)

    def channel(self, name: str, **given: Any) -> Room:
        return self.workspace.channel(name, **given)

    def post(self, ts: str) -> Post:
        return self.workspace.find(ts)

    def place(self, person: str) -> str:
        return self.workspace.direct(self.person(person)).id

    async def say(self, person: str, text: str, *, files: Sequence[File] = (), reply_to: str = "") -> str:
        room = self.workspace.find(reply_to).room if reply_to else None
        return self.people.say(person, text, room, thread=reply_to, files=files).ts

    async def edit(self, person: str, message: str, text: str) -> None:
        self.people.edit(person, message, text)

    async def delete(self, person: str, message: str) -> None:
        self.people.delete(person, message)

    async def react(self, person: str, message: str, emoji: str, *, take_back: bool = False) -> None:
        self.people.react(person, message, emoji, removed=take_back)

    async def choose(self, person: str, shown: ShownMessage, label: str) -> str:
        return await self.interactions.press(person, self.post(shown.id), label)

    async def settled(self, *, deadline: float = 30) -> None:
        """Raises Undelivered for what Slack gave up: the real one would have lost it."""
        await self.event_delivery.settled(deadline)

    def redeliver(self, message: str, *, times: int = 1, at_once: bool = False, other_event_ids: bool = False) -> None:
        """With ``other_event_ids`` each is an event of its own: one message has been seen under eleven."""
        told = [each for each in self.event_delivery.log if each.about == message and each.what == "events_api"]
        if not told:
            raise LookupError(f"nothing announced {message}")
        event_ids = [self.ids.new("Ev") for _ in range(times)] if other_event_ids else None
        self.event_delivery.again(told[0], times=times, at_once=at_once, event_ids=event_ids)
