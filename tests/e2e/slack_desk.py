"""A shop whose people work in Slack: a whole Parley, a customer on the web, and the simulated Slack."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.harness.chat_client import Contact
from tests.harness.installation import QUICK_ERASURE, Installation
from tests.harness.processes import ForkServer
from tests.simulators.slack.message_contents import labels, words
from tests.simulators.slack.server import SlackVendor
from tests.simulators.slack.workspace import Post, Room

FASTER = 20
"""Than Slack lets a desk be. At Slack's own pace the scenarios of tests/scenarios/desk run."""
ENV = {"TEST_HURRY_DESK": str(FASTER), **QUICK_ERASURE}


def tenant(slack: SlackVendor, **desk: Any) -> dict[str, Any]:
    """The settings of a tenant with a desk in the channel ``support``."""
    return {
        "name": "Plant store",
        "fold": {"web": 0.05, "others": 0.05},
        "channels": {
            "web": {"main": {"messages_per_minute": 100_000}},
            "slack": {"main": slack.settings()},
        },
        "knowledge": {"paths": ["knowledge"]},
        "desk": {"channel": slack.channel("support").id, "undo_seconds": 0.2, **desk},
    }


@dataclass
class DeskInstallation:
    parley: Installation
    slack: SlackVendor

    @property
    def room(self) -> Room:
        return self.slack.channel("support")

    @property
    def cards(self) -> list[Post]:
        return [post for post in reversed(self.room.top()) if post.author is self.slack.bot]

    def thread(self, card: Post) -> list[Post]:
        return sorted(self.room.replies(card.ts), key=lambda post: post.ts)

    async def until(self, true: Callable[[], Any], *, deadline: float = 60) -> Any:
        return await self.slack.ledger.until(true, deadline=deadline)

    async def card(self) -> Post:
        found: list[Post] = await self.until(lambda: self.cards)
        return found[0]

    async def in_thread(self, card: Post, text: str) -> Post:
        """Once it stands there."""

        def found() -> Post | None:
            return next((post for post in self.thread(card) if text in words(post.body)), None)

        post: Post = await self.until(found)
        return post

    async def press(self, name: str, card: Post, label: str) -> None:
        await self.until(lambda: label in labels(card.body))
        self.slack.people.join(self.room, name)
        await self.slack.interactions.press(name, card, label)

    async def claimed(self, name: str, card: Post) -> None:
        await self.press(name, card, "Claim")
        await self.until(lambda: f"with {name}" in words(card.body))

    def reply(self, name: str, card: Post, text: str, **more: Any) -> Post:
        return self.slack.people.say(name, text, self.room, thread=card.ts, **more)


async def wait_for_transcript(
    contact: Contact, true: Callable[[list[dict[str, Any]]], Any], *, deadline: float = 60
) -> Any:
    """Until the customer's own transcript says so."""
    return await until(lambda: _read(contact, true), deadline)


async def _read(contact: Contact, true: Callable[[list[dict[str, Any]]], Any]) -> Any:
    return true(await contact.transcript())


async def until(found: Callable[[], Awaitable[Any]], deadline: float = 60) -> Any:
    async with asyncio.timeout(deadline):
        while not (value := await found()):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    return value


@asynccontextmanager
async def open_desk(
    request: pytest.FixtureRequest, fork_server: ForkServer, folder: Path, prefix: str, **desk: Any
) -> AsyncIterator[DeskInstallation]:
    """A whole installation, on the engine that the fixture's parameter names. ``desk``: settings beside the usual."""
    servers = {}
    if request.param == "scaled":
        servers = {"kafka": request.getfixturevalue("kafka_bootstrap"), "redis": request.getfixturevalue("redis_url")}
    slack = SlackVendor(pace=0.05)
    slack.limits.speed = FASTER
    async with slack.serving():
        tenants = {"plantstore": tenant(slack, **desk)}
        parley = Installation.make(fork_server, folder, prefix=prefix, tenants=tenants, **servers)
        parley.env.update(ENV)
        await parley.prepare()
        await parley.start()
        slack.call(f"{parley.base}/v1/webhooks/slack/plantstore/main")
        if parley.scaled:
            await parley.put_documents()
        yield DeskInstallation(parley, slack)
        await parley.stop()


@asynccontextmanager
async def open_visitor(stage: DeskInstallation, name: str) -> AsyncIterator[Contact]:
    """A customer on the web page."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
        contact = Contact(stage.parley.base, http, name)
        await contact.open()
        yield contact
