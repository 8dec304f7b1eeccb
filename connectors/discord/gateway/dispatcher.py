"""Append of the gateway's events, and the immediate responses to interactions."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import chain, starmap

import structlog

from connectors.discord.channel import DiscordChannel
from connectors.discord.directory import Directory
from connectors.discord.gateway.backfill import History, find_direct_channels
from connectors.discord.gateway.interaction_responses import respond
from connectors.discord.models import Dispatch, get_log_fields
from connectors.discord.rest import RestClient
from schemas.errors import RetryLater, SendUnknown, TemporaryRefusal
from schemas.ports import Account, ChannelEvent, EventStreamContext

log = structlog.get_logger("parley.discord")

RETRY_SECONDS = 5.0
READERS = 5
"""Histories read at a time."""


class EventDispatcher:
    def __init__(
        self, channel: DiscordChannel, account: Account, context: EventStreamContext, rest: RestClient
    ) -> None:
        self._channel = channel
        self._account = account
        self._context = context
        self._rest = rest
        self._directory = Directory(rest, account)
        self._responding: set[asyncio.Task[None]] = set()

    async def dispatch(self, received: Sequence[Dispatch]) -> None:
        """Append events, then respond to interactions. Raises CredentialsRevoked, Fenced."""
        if not received:
            return
        parsed = [(each, self._channel.parse_dispatch(await self._complete(each), self._account)) for each in received]
        missed = await self._find_missed(received)
        await self._append([*missed, *(event for _, events in parsed for event in events)])
        for each, events in parsed:
            if each.t == "INTERACTION_CREATE":
                task = asyncio.create_task(respond(self._rest, each.d, self._account, understood=bool(events)))
                self._responding.add(task)
                task.add_done_callback(self._responding.discard)

    def close(self) -> None:
        for task in self._responding:
            task.cancel()

    async def _append(self, events: list[ChannelEvent]) -> None:
        """Append, trying until it succeeds: the gateway cannot repeat one event, and later ones must not overtake."""
        while True:
            try:
                return await self._context.take(events)
            except TemporaryRefusal as error:
                log.warning("append_failed", **get_log_fields(self._account), code=error.code)
                await asyncio.sleep(min(RETRY_SECONDS, (error.retry_after_ms or 1000) / 1000))

    async def _find_missed(self, received: Sequence[Dispatch]) -> list[ChannelEvent]:
        """Return what strangers wrote, in direct messages of which Discord told nobody, before these events."""
        limit = asyncio.Semaphore(READERS)

        async def find(channel: str, before: int) -> list[ChannelEvent]:
            async with limit:
                return await self._context.find_missed(
                    channel,
                    lambda since: History(self._channel, self._account, since).read_direct_messages(channel, before),
                )

        found = await asyncio.gather(*starmap(find, find_direct_channels(received).items()))
        return list(chain.from_iterable(found))

    async def _complete(self, received: Dispatch) -> Dispatch:
        """Add the context. Wait until Discord gives it: the same event must always be parsed the same way. Raises
        CredentialsRevoked."""
        self._directory.learn(received.t, received.d)
        while True:
            try:
                context = await self._directory.load_context(received.t, received.d)
                return received.model_copy(update={"context": context})
            except (RetryLater, SendUnknown) as error:
                log.warning("server_unknown", **get_log_fields(self._account), reason=error.message)
                await asyncio.sleep(min(RETRY_SECONDS, (error.retry_after_ms or 1000) / 1000))
