"""A simulated help desk: queues of threads that Parley fills, and people who act in them.

It is the other side of ``tests/desks/webhook``. What Parley asks is a POST of JSON to ``/OPERATION``; what people do is
told to Parley's webhook, one after another, again and again until it is taken.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any

import aiohttp
from aiohttp import web

from tests.simulators.http_faults import FaultResponses, carried_out
from tests.simulators.vendor import Faults, File, Ledger, Request
from tests.simulators.vendor_clock import VendorClock

SECRET = "secret-of-the-help-desk-for-tests"
MANNERS = FaultResponses(
    refusal=lambda fault: web.json_response({"error": fault.code or "refused"}, status=fault.status),
    limit=lambda fault: web.json_response({}, status=429, headers={"retry-after": str(fault.retry_after)}),
)
AGAIN = 0.1
"""Seconds until an act that was not taken is told again."""


@dataclass(eq=False)
class Post:
    """``by`` is empty for what Parley shows. ``thread`` is the post that began it, empty for one that begins one."""

    id: str
    queue: str
    thread: str = ""
    by: str = ""
    text: str = ""
    blocks: list[dict[str, Any]] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=dict)
    files: list[File] = field(default_factory=list)
    mark: str = ""

    @property
    def words(self) -> str:
        return "\n".join([*(block["text"] for block in self.blocks), *(file.name for file in self.files)]) or self.text

    @property
    def buttons(self) -> dict[str, dict[str, Any]]:
        """By label."""
        return {button["label"]: button for block in self.blocks for button in block["buttons"]}


class NotFound(Exception):
    """What is asked for is not there, or not any more."""


@dataclass(eq=False)
class Webhook:
    act: dict[str, Any]
    taken: asyncio.Event = field(default_factory=asyncio.Event)


class HelpDesk:
    def __init__(self, clock: VendorClock | None = None) -> None:
        self.ledger = Ledger()
        self.faults = Faults()
        self.posts: dict[str, Post] = {}
        self.people: dict[str, str] = {}
        """Names, by id; all of them are in every queue."""
        self.whispers: list[tuple[str, str]] = []
        self.files: dict[str, File] = {}
        self.told: list[Webhook] = []
        self._clock = clock or VendorClock()
        self._ids = count(1)
        self._markers: dict[str, str] = {}
        self._waiting: asyncio.Queue[Webhook] = asyncio.Queue()
        self._hook = ""
        self.url = ""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[HelpDesk]:
        app = web.Application(client_max_size=64 * 1024**2)
        app.router.add_post("/{operation}", self._serve)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        telling = asyncio.create_task(self._tell())
        try:
            yield self
        finally:
            telling.cancel()
            await runner.cleanup()

    def settings(self) -> dict[str, Any]:
        return {"url": self.url, "secret": SECRET}

    def call(self, url: str) -> None:
        self._hook = url

    # ── what Parley asks ─────────────────────────────────────────────────────────────────────────────────────────────

    async def _serve(self, request: web.Request) -> web.Response:
        assert request.headers["authorization"] == f"Bearer {SECRET}"
        operation, asked = request.match_info["operation"], await request.json()
        noted = self.ledger.note(Request(operation, "", asked))

        async def do() -> web.Response:
            noted.did = True
            try:
                answer = getattr(self, f"_on_{operation}")(asked)
            except NotFound:
                return web.json_response({}, status=404)
            self.ledger.changed()
            return web.json_response(answer)

        return await carried_out(request, noted, self.faults, MANNERS, do)

    def _on_post(self, asked: dict[str, Any]) -> Any:
        """The same marker is the same post."""
        if asked["thread"]:
            self._post(asked["thread"])
        if asked["marker"] not in self._markers:
            files = [File(each["name"], each["type"], base64.b64decode(each["data"])) for each in asked["files"]]
            about = {**asked["about"], "id": asked["marker"]}
            post = self._add(asked["queue"], asked["thread"], text=asked["text"], files=files, about=about)
            post.blocks, self._markers[asked["marker"]] = asked["blocks"], post.id
        return {"id": self._markers[asked["marker"]]}

    def _add(self, queue: str, thread: str, **more: Any) -> Post:
        post = Post(str(next(self._ids)), queue, thread, **more)
        self.posts[post.id] = post
        return post

    def _on_update(self, asked: dict[str, Any]) -> Any:
        post = self._post(asked["id"])
        post.text, post.blocks = asked["text"], asked["blocks"]
        return {}

    def _post(self, id_: str) -> Post:
        if id_ not in self.posts:
            raise NotFound
        return self.posts[id_]

    def _on_delete(self, asked: dict[str, Any]) -> Any:
        del self.posts[self._post(asked["id"]).id]
        return {}

    def _on_mark(self, asked: dict[str, Any]) -> Any:
        self._post(asked["id"]).mark = asked["mark"]
        return {}

    def _on_whisper(self, asked: dict[str, Any]) -> Any:
        self.whispers.append((self.people[asked["to"]], asked["text"]))
        return {}

    def _on_message(self, asked: dict[str, Any]) -> Any:
        post = self.posts.get(asked["id"])
        return None if post is None else {"thread": post.thread, "about": post.about}

    def _on_members(self, asked: dict[str, Any]) -> Any:
        return {"members": list(self.people)}

    def _on_person(self, asked: dict[str, Any]) -> Any:
        if asked["id"] not in self.people:
            raise NotFound
        return {"name": self.people[asked["id"]]}

    def _on_file(self, asked: dict[str, Any]) -> Any:
        file = self.files[asked["id"]]
        return {"name": file.name, "type": file.type, "data": base64.b64encode(file.data).decode()}

    # ── what people do ───────────────────────────────────────────────────────────────────────────────────────────────

    def join(self, name: str) -> str:
        known = next((id_ for id_, each in self.people.items() if each == name), None)
        id_ = known or f"p{len(self.people)}"
        self.people[id_] = name
        return id_

    def act(self, name: str, kind: str, post: Post, **more: Any) -> Webhook:
        """Somebody does something at a post."""
        at = datetime.fromtimestamp(self._clock.now(), UTC).isoformat()
        act = {"kind": kind, "by": self.join(name), "at": at, **more}
        about = {"queue": post.queue, "thread": post.thread or post.id, "message": post.id}
        telling = Webhook({**about, "act": act})
        self.told.append(telling)
        self._waiting.put_nowait(telling)
        return telling

    def press(self, name: str, post: Post, label: str, **fields: list[str]) -> Webhook:
        button = post.buttons[label]
        return self.act(name, button["act"], post, value=button["value"], fields=fields)

    def say(self, name: str, card: Post, text: str, files: Sequence[File] = ()) -> Post:
        post = self._add(card.queue, card.id, by=self.join(name), text=text, files=list(files))
        refs = [f"{post.id}-{number}" for number, _ in enumerate(files)]
        self.files |= dict(zip(refs, files, strict=True))
        sent = [{"ref": ref, "name": file.name, "type": file.type} for ref, file in zip(refs, files, strict=True)]
        self.act(name, "reply", post, text=text, files=sent)
        return post

    async def _tell(self) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
            while True:
                telling = await self._waiting.get()
                body = json.dumps([telling.act]).encode()
                signature = hmac.digest(SECRET.encode(), body, "sha256").hex()
                headers = {"content-type": "application/json", "x-signature": signature}
                while not await self._taken(http, body, headers):  # noqa: ASYNC110  # nothing tells that it is back
                    await asyncio.sleep(AGAIN)
                telling.taken.set()

    async def _taken(self, http: aiohttp.ClientSession, body: bytes, headers: dict[str, str]) -> bool:
        try:
            async with http.post(self._hook, data=body, headers=headers) as answer:
                assert answer.status == 200 or answer.status >= 429, await answer.text()
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False
