"""What was written while no session heard it, from the histories of the places that the bot can read.

Discord does not tell a bot which direct messages it has: those are known from our own conversations, so the very first
direct message of somebody, when it was missed, stays missed until their next one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import structlog
from pydantic import ValidationError

from connectors.discord.channel import DiscordChannel
from connectors.discord.directory import Directory, Room
from connectors.discord.models import Dispatch, Shape, Snowflake, snowflake, where
from connectors.discord.places import target
from connectors.discord.rest import Rest
from connectors.streams.history_retries import patiently
from schemas.errors import SendRefused
from schemas.ports import Account, Acquaintance, Event

log = structlog.get_logger("parley.discord")

PAGE = 100
MOST_PAGES = 50
TEXT = frozenset({0, 2, 5, 10, 11, 12, 13})
"""Types of places with a history of messages: text, news, threads, and what is written beside voices."""


class Place(Room):
    last_message_id: Snowflake | None = None
    guild_id: Snowflake | None = None


class Server(Shape):
    id: Snowflake


class Said(Shape):
    id: Snowflake


@dataclass(frozen=True, slots=True)
class Spot:
    id: str
    server: str = ""


class History:
    """Read from the moment of ``after`` on."""

    def __init__(self, channel: DiscordChannel, account: Account, since: datetime) -> None:
        self._channel = channel
        self._account = account
        self._after = snowflake(since)
        self._rest = Rest(account)
        self._directory = Directory(self._rest, account)

    async def messages(self, known: Acquaintance) -> AsyncIterator[list[Event]]:
        """See schemas.ports.Backfilling."""
        try:
            listed: set[str] = set()
            async for spot in self._spots(listed):
                async for events in self._place(spot):
                    yield events
            for place in await known.places():
                # Direct messages, and threads that were put away meanwhile.
                where_ = target(place)
                if ":" not in place and where_.channel not in listed:
                    listed.add(where_.channel)
                    async for events in self._place(await self._unlisted(where_.channel)):
                        yield events
        finally:
            await self._rest.close()

    async def _spots(self, listed: set[str]) -> AsyncIterator[Spot]:
        """Where something was written; ``listed`` gets all that Discord names."""
        for server in _each(Server, await self._read("/users/@me/guilds")):
            try:
                channels = await self._read(f"/guilds/{server.id}/channels")
                threads = (await self._read(f"/guilds/{server.id}/threads/active", dict)).get("threads")
            except SendRefused as error:
                log.info("server_not_read", **where(self._account), reason=error.message)
                continue
            for place in _each(Place, [*channels, *(threads if isinstance(threads, list) else [])]):
                listed.add(place.id)
                self._directory.learn_room(place)
                if place.type in TEXT and int(place.last_message_id or 0) > int(self._after):
                    yield Spot(place.id, server.id)

    async def _unlisted(self, channel: str) -> Spot:
        """A place that no server names: a direct message, or a thread that was put away."""
        try:
            found = Place.model_validate(await self._read(f"/channels/{channel}", dict))
        except (SendRefused, ValidationError):
            return Spot(channel)
        self._directory.learn_room(found)
        return Spot(channel, found.guild_id or "")

    async def _place(self, spot: Spot) -> AsyncIterator[list[Event]]:
        """Oldest first; nothing of a place that the bot may not read."""
        after = self._after
        for _ in range(MOST_PAGES):
            try:
                page = await self._read(f"/channels/{spot.id}/messages?limit={PAGE}&after={after}")
            except SendRefused as error:
                log.info("place_not_read", **where(self._account), place=spot.id, reason=error.message)
                return
            told = sorted(
                ((int(said.id), raw) for raw in page for said in _each(Said, [raw])), key=lambda each: each[0]
            )
            yield [event for _, raw in told for event in await self._events(raw, spot)]
            if len(page) < PAGE or not told:
                return
            after = str(told[-1][0])
        log.warning("history_cut", **where(self._account), place=spot.id)

    async def _events(self, raw: dict[str, Any], spot: Spot) -> list[Event]:
        """Raises a DeliveryError."""
        data = {**raw, **({"guild_id": spot.server} if spot.server else {})}
        context = await self._directory.context("MESSAGE_CREATE", data)
        return self._channel.events(Dispatch(t="MESSAGE_CREATE", d=data, context=context), self._account)

    async def _read(self, path: str, kind: type[Any] = list) -> Any:
        """Raises a DeliveryError."""
        return await patiently(partial(self._rest.read, path, kind))


def _each(model: type[Any], items: list[Any]) -> list[Any]:
    found = []
    for item in items:
        try:
            found.append(model.model_validate(item))
        except ValidationError:
            log.warning("item_malformed", channel="discord", kind=model.__name__)
    return found
