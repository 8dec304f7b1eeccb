"""Backfill from the histories of the places that the bot can read.

Discord does not list a bot's direct messages; they are known from our conversations. So a contact's very first direct
message, if missed, stays missed until the next one.
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
from connectors.discord.models import DiscordModel, Dispatch, Snowflake, build_snowflake, get_log_fields
from connectors.discord.places import parse_place
from connectors.discord.rest import RestClient
from connectors.streams.history_retries import retry_when_limited
from schemas.errors import SendRefused
from schemas.ports import Account, BackfillContext, Event

log = structlog.get_logger("parley.discord")

PAGE_SIZE = 100
MAX_PAGES = 50
TEXT_TYPES = frozenset({0, 2, 5, 10, 11, 12, 13})
"""Types of channels with messages: text, news, threads, and the chat of voice channels."""


class Place(Room):
    last_message_id: Snowflake | None = None
    guild_id: Snowflake | None = None


class Server(DiscordModel):
    id: Snowflake


class MessageId(DiscordModel):
    id: Snowflake


@dataclass(frozen=True, slots=True)
class ReadablePlace:
    id: str
    server: str = ""


class History:
    """Reads the histories from ``since`` on."""

    def __init__(self, channel: DiscordChannel, account: Account, since: datetime) -> None:
        self._channel = channel
        self._account = account
        self._after = build_snowflake(since)
        self._rest = RestClient(account)
        self._directory = Directory(self._rest, account)

    async def read(self, known: BackfillContext) -> AsyncIterator[list[Event]]:
        """See schemas.ports.BackfillChannel."""
        try:
            listed: set[str] = set()
            async for readable in self._list_places(listed):
                async for events in self._read_place(readable):
                    yield events
            for place in await known.places():
                # Direct messages, and archived threads.
                target = parse_place(place)
                if ":" not in place and target.channel not in listed:
                    listed.add(target.channel)
                    async for events in self._read_place(await self._find_unlisted_place(target.channel)):
                        yield events
        finally:
            await self._rest.close()

    async def _list_places(self, listed: set[str]) -> AsyncIterator[ReadablePlace]:
        """Yield places with new messages; ``listed`` receives all that Discord lists."""
        for server in _parse_items(Server, await self._request("/users/@me/guilds")):
            try:
                channels = await self._request(f"/guilds/{server.id}/channels")
                threads = (await self._request(f"/guilds/{server.id}/threads/active", dict)).get("threads")
            except SendRefused as error:
                log.info("server_not_read", **get_log_fields(self._account), reason=error.message)
                continue
            for place in _parse_items(Place, [*channels, *(threads if isinstance(threads, list) else [])]):
                listed.add(place.id)
                self._directory.learn_room(place)
                if place.type in TEXT_TYPES and int(place.last_message_id or 0) > int(self._after):
                    yield ReadablePlace(place.id, server.id)

    async def _find_unlisted_place(self, channel: str) -> ReadablePlace:
        """Return a place that no server lists: a direct message, or an archived thread."""
        try:
            found = Place.model_validate(await self._request(f"/channels/{channel}", dict))
        except (SendRefused, ValidationError):
            return ReadablePlace(channel)
        self._directory.learn_room(found)
        return ReadablePlace(channel, found.guild_id or "")

    async def _read_place(self, readable: ReadablePlace) -> AsyncIterator[list[Event]]:
        """Yield events, oldest first; nothing of a place that the bot may not read."""
        after = self._after
        for _ in range(MAX_PAGES):
            try:
                page = await self._request(f"/channels/{readable.id}/messages?limit={PAGE_SIZE}&after={after}")
            except SendRefused as error:
                log.info("place_not_read", **get_log_fields(self._account), place=readable.id, reason=error.message)
                return
            messages = sorted(
                ((int(message.id), raw) for raw in page for message in _parse_items(MessageId, [raw])),
                key=lambda each: each[0],
            )
            yield [event for _, raw in messages for event in await self._parse(raw, readable)]
            if len(page) < PAGE_SIZE or not messages:
                return
            after = str(messages[-1][0])
        log.warning("history_cut", **get_log_fields(self._account), place=readable.id)

    async def _parse(self, raw: dict[str, Any], readable: ReadablePlace) -> list[Event]:
        """Raises a DeliveryError."""
        data = {**raw, **({"guild_id": readable.server} if readable.server else {})}
        context = await self._directory.load_context("MESSAGE_CREATE", data)
        return self._channel.parse_dispatch(Dispatch(t="MESSAGE_CREATE", d=data, context=context), self._account)

    async def _request(self, path: str, kind: type[Any] = list) -> Any:
        """Raises a DeliveryError."""
        return await retry_when_limited(partial(self._rest.read, path, kind))


def _parse_items(model: type[Any], items: list[Any]) -> list[Any]:
    found = []
    for item in items:
        try:
            found.append(model.model_validate(item))
        except ValidationError:
            log.warning("item_malformed", channel="discord", kind=model.__name__)
    return found
