"""Customers in the chat of a shop's web page. There is no vendor: what they see is what the chat's HTTP tells them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp

from tests.harness.chat_client import Contact
from tests.scenarios.customers.customer import Customers
from tests.simulators.vendor import Faults, File, Ledger, ShownMessage
from tests.simulators.vendor_clock import VendorClock

LOOK_EVERY = 0.2
"""Seconds."""


class WebPage:
    """As the simulated vendors are. Each visitor looks at the chat all the time, also while nobody answers."""

    name = "web"

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.faults = Faults()
        self.visitors: dict[str, Contact] = {}
        self._looking: list[asyncio.Task[None]] = []
        self._labels: dict[str, dict[str, str]] = {}
        self._files: dict[str, File] = {}

    @asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator[WebPage]:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as self._http:
            try:
                yield self
            finally:
                for task in self._looking:
                    task.cancel()
                await asyncio.gather(*self._looking, return_exceptions=True)

    def settings(self) -> dict[str, Any]:
        return {"messages_per_minute": 100_000}

    def call(self, url: str) -> None:
        self._base = url.partition("/v1/")[0]

    def place(self, person: str) -> str:
        return person

    async def visitor(self, person: str) -> Contact:
        if person not in self.visitors:
            found = Contact(self._base, self._http, person)
            await found.open()
            self.visitors[person] = found
            self._looking.append(asyncio.create_task(self._look(person)))
        return self.visitors[person]

    async def say(self, person: str, text: str, *, files: Sequence[File] = (), reply_to: str = "") -> str:
        found = await self.visitor(person)
        ids = [await self._upload(found, file) for file in files]
        more: dict[str, Any] = {"attachments": ids} if ids else {}
        return (await found.say(text, **more)).message_id

    async def _upload(self, visitor: Contact, file: File) -> str:
        """Again, when nobody is there to take it."""
        url, headers = f"{visitor.chat}/attachments", {"Authorization": f"Bearer {visitor.token}"}
        async with asyncio.timeout(60):
            while True:
                form = aiohttp.FormData()
                form.add_field("file", file.data, filename=file.name, content_type=file.type)
                with suppress(aiohttp.ClientError):
                    async with self._http.post(url, data=form, headers=headers) as answer:
                        if answer.status == 201:
                            return str((await answer.json())["attachment_id"])
                        assert answer.status == 503, await answer.text()
                await asyncio.sleep(LOOK_EVERY)

    async def edit(self, person: str, message: str, text: str) -> None:
        raise NotImplementedError

    async def delete(self, person: str, message: str) -> None:
        raise NotImplementedError

    async def react(self, person: str, message: str, emoji: str, *, take_back: bool = False) -> None:
        raise NotImplementedError

    async def choose(self, person: str, shown: ShownMessage, label: str) -> str:
        choice = {"in_reply_to": shown.id, "id": self._labels[shown.id][label]}
        return (await self.visitors[person].say(label, choice=choice)).message_id

    async def settled(self, *, deadline: float = 30) -> None:
        """Whoever has said something has been told that it was accepted."""

    def redeliver(self, message: str, *, times: int = 1, at_once: bool = False) -> None:
        raise NotImplementedError

    async def _look(self, person: str) -> None:
        visitor, known = self.visitors[person], dict[str, ShownMessage]()
        while True:
            for line in await visitor.transcript():
                if line["author"]["kind"] == "contact":
                    continue
                try:
                    shown = await self._shown(person, line)
                except aiohttp.ClientError:
                    break  # what stands behind it must not be seen before it
                if (before := known.get(shown.id)) is None:
                    known[shown.id] = self.ledger.show(shown)
                elif (before.text, before.files) != (shown.text, shown.files):
                    before.text, before.files = shown.text, shown.files
                    self.ledger.changed()
            await asyncio.sleep(LOOK_EVERY)

    async def _shown(self, person: str, line: dict[str, Any]) -> ShownMessage:
        self._labels[line["id"]] = {choice["label"]: choice["id"] for choice in line["choices"]}
        files = [await self._file(each) for each in line["attachments"]]
        return ShownMessage(line["id"], "main", person, line["text"], [*self._labels[line["id"]]], files, native=line)

    async def _file(self, told: dict[str, Any]) -> File:
        if told["id"] not in self._files:
            async with self._http.get(told["url"]) as answer:
                answer.raise_for_status()
                self._files[told["id"]] = File(told["name"], told["type"], await answer.read())
        return self._files[told["id"]]


class WebCustomers(Customers):
    channel = "web"
    send = ""
    cannot = {"edit": "the chat has no way to edit", "deletion": "the chat has no way to take something back"}

    def __init__(self, clock: VendorClock) -> None:
        self.vendor = WebPage()

    def conversations(self, tenant: str, person: str) -> list[str]:
        visitor = self.vendor.visitors.get(person)
        return [visitor.conversation] if visitor is not None else []

    def place(self, person: str) -> str:
        return person
