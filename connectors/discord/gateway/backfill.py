"""Backfill from the histories of the places that the bot can read.

Discord does not list a bot's direct messages; they are known from our conversations. So a stranger's very first direct
message, if missed, is read when the next event names its channel.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import structlog
from discord import ChannelType
from pydantic import ValidationError

from connectors.discord.channel import DiscordChannel
from connectors.discord.directory import ROOM_EVENTS, THREAD_TYPES, Directory, Room
from connectors.discord.models import DiscordModel, Dispatch, Snowflake, build_snowflake, get_log_fields
from connectors.discord.places import parse_place
from connectors.discord.rest import RestClient
from connectors.streams.history_retries import retry_when_limited
from schemas.errors import SendRefused
from schemas.ports import Account, BackfillContext, ChannelEvent

log = structlog.get_logger("parley.discord")

PAGE_SIZE = 100
MAX_PAGES = 50
MAX_ID = 1 << 64
TEXT_TYPES = THREAD_TYPES | {
    each.value for each in (ChannelType.text, ChannelType.news, ChannelType.voice, ChannelType.stage_voice)
}
"""Types of channels with messages; voice channels have a chat."""


class Place(Room):
    last_message_id: Snowflake | None = None
    guild_id: Snowflake | None = None


class Server(DiscordModel):
    id: Snowflake


class MessageId(DiscordModel):
    id: Snowflake


class EventInChannel(DiscordModel):
    channel_id: Snowflake
    id: Snowflake = "0"


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

    async def read(self, known: BackfillContext) -> AsyncIterator[list[ChannelEvent]]:
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

    async def read_direct_messages(self, channel: str, before: int) -> AsyncIterator[list[ChannelEvent]]:
        """Yield the messages of one channel, up to the message ``before``."""
        try:
            async for events in self._read_place(ReadablePlace(channel), before):
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

    async def _read_place(self, readable: ReadablePlace, before: int = MAX_ID) -> AsyncIterator[list[ChannelEvent]]:
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
            wanted = [raw for id_, raw in messages if id_ < before]
            yield [event for raw in wanted for event in await self._parse(raw, readable)]
            if len(page) < PAGE_SIZE or len(wanted) < len(messages) or not messages:
                return
            after = str(messages[-1][0])
        log.warning("history_cut", **get_log_fields(self._account), place=readable.id)

    async def _parse(self, raw: dict[str, Any], readable: ReadablePlace) -> list[ChannelEvent]:
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


def find_direct_channels(received: Sequence[Dispatch]) -> dict[str, int]:
    """Return the channels of direct messages that events name, each with the id before which messages may be missing.
    A new message ends what may be missing; beside an edit, a reaction or a button, newer ones may be missing, too."""
    found: dict[str, int] = {}
    for each in received:
        if each.t in ROOM_EVENTS and each.d.get("guild_id") is None:
            with suppress(ValidationError):
                event = EventInChannel.model_validate(each.d)
                found.setdefault(event.channel_id, int(event.id) if each.t == "MESSAGE_CREATE" else MAX_ID)
    return found
