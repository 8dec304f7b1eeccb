"""Discord's Python library, as it is, led to the simulated Discord."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from unittest import mock

import yarl

import discord as discord
from tests.simulators.discord.vendor import Discord


class Bot(discord.Client):
    """Remembers what the library told it. Waits for nothing that only crowds of bots need to wait for."""

    def __init__(self, **options: Any) -> None:
        chosen = discord.Intents.default()
        chosen.message_content = True
        settings: dict[str, Any] = {"intents": chosen, "max_messages": None, "chunk_guilds_at_startup": False}
        super().__init__(**{**settings, "guild_ready_timeout": 0.0, **options})
        self.seen: list[tuple[str, Any]] = []
        self.running: asyncio.Task[None] | None = None
        """What ``connected`` started; it ends when the library gives up."""
        self._news = asyncio.Event()

    def dispatch(self, event: str, /, *args: Any, **kwargs: Any) -> None:
        self.seen.append((event, args[0] if args else None))
        self._news.set()
        self._news = asyncio.Event()
        super().dispatch(event, *args, **kwargs)

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """The library's own waits five seconds here."""

    def all(self, event: str) -> list[Any]:
        return [what for name, what in self.seen if name == event]

    async def until(self, true: Callable[[], Any], *, deadline: float = 60) -> Any:
        async with asyncio.timeout(deadline):
            while not (result := true()):
                await self._news.wait()
        return result

    async def nth(self, event: str, number: int = 1) -> Any:
        """What the library told with this event for the nth time."""
        return await self.until(lambda: self.all(event)[number - 1 : number]) and self.all(event)[number - 1]


@asynccontextmanager
async def led_to(server: Discord) -> AsyncIterator[None]:
    """The library has its addresses in two class attributes."""
    gateway = yarl.URL(server.settings()["gateway_url"])
    with (
        mock.patch.object(discord.http.Route, "BASE", server.api_base),
        mock.patch.object(discord.gateway.DiscordWebSocket, "DEFAULT_GATEWAY", gateway),
    ):
        yield


@asynccontextmanager
async def connect_bot(server: Discord, bot: Bot | None = None) -> AsyncIterator[Bot]:
    """A bot that is logged in and told that it is ready."""
    bot = bot or Bot()
    async with led_to(server), bot:
        bot.running = task = asyncio.create_task(bot.start(server.world.token))
        ready = asyncio.create_task(bot.nth("ready"))
        try:
            await asyncio.wait([task, ready], return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                await task
            yield bot
        finally:
            await bot.close()
            ready.cancel()
            await asyncio.gather(task, ready, return_exceptions=True)
