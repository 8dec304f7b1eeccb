"""Backfill from Slack's history: the same events that Slack would have sent while nobody listened.

In direct messages this is everything; in channels it is mentions of us, and other messages only where Slack is known to
send them all: an app that gets only mentions must not answer what people say to each other.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from connectors.slack.client import SlackClient
from connectors.slack.desk.parse_events import parse_desk_event
from connectors.slack.errors import find_error
from connectors.slack.inbound.events import parse_events_api
from connectors.slack.inbound.requests import Json
from connectors.streams.history_retries import retry_when_limited
from schemas.errors import SendRefused
from schemas.ports import Account, BackfillContext, ChannelEvent

log = structlog.get_logger("parley.slack")

RECEIVES_ROOMS = "channels"
"""Key in the stream's memory: Slack sends us messages in channels that mention nobody."""
PAGE_SIZE = 100
MAX_PAGES = 50
"""Per room. History comes newest first; events are yielded oldest first."""
THREAD_AGE = timedelta(days=3)
"""Largest age of a thread's start, measured from its missed messages."""
ROOM_KINDS = {"im": "im", "public_channel": "channel", "private_channel": "group", "mpim": "mpim"}
_THREAD = re.compile(r"[\w-]+:([\w-]+):([0-9]+\.[0-9]+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class AppIdentity:
    team: str
    bot: str


@dataclass(frozen=True, slots=True)
class Room:
    id: str
    kind: str


async def read_history(account: Account, since: datetime, known: BackfillContext) -> AsyncIterator[list[ChannelEvent]]:
    """See schemas.ports.BackfillChannel."""
    client = SlackClient(account.settings)
    try:
        history = History(
            account, client, f"{since.timestamp():.6f}", hears_rooms=bool(known.session.get(RECEIVES_ROOMS))
        )
        async for events in history.read(known):
            yield events
    finally:
        await client.close()


class History:
    """Reads the history from ``oldest`` on."""

    def __init__(self, account: Account, client: SlackClient, oldest: str, *, hears_rooms: bool) -> None:
        self._account = account
        self._client = client
        self._oldest = oldest
        self._hears_rooms = hears_rooms
        self._read_threads: set[tuple[str, str]] = set()
        """By room and root."""

    async def read(self, known: BackfillContext) -> AsyncIterator[list[ChannelEvent]]:
        app, places = await self._identify(), await known.places()
        rooms = [room for kind in ROOM_KINDS async for room in self._list_rooms(kind)]
        # Slack allows about fifty reads a minute, so rooms without a known conversation come first.
        known_rooms = {place.split(":")[1] for place in places if ":" in place}
        rooms.sort(key=lambda room: room.id in known_rooms)
        for room in rooms:
            async for messages in self._read_room(room):
                yield self._parse_messages(app, room, messages)
        # Older threads in which we have a conversation.
        kinds = {room.id: room.kind for room in rooms}
        for place in places:
            if (thread := _THREAD.fullmatch(place)) and thread.group(1) in kinds:
                room = Room(thread.group(1), kinds[thread.group(1)])
                async for messages in self._read_thread(room, thread.group(2)):
                    yield self._parse_messages(app, room, messages)

    async def _identify(self) -> AppIdentity:
        answer = await self._ask("auth.test", {})
        return AppIdentity(str(answer.get("team_id") or ""), str(answer.get("user_id") or ""))

    async def _list_rooms(self, kind: str) -> AsyncIterator[Room]:
        """List the rooms of one kind that we are in. A missing scope is logged."""
        arguments: Json = {"types": kind, "exclude_archived": True, "limit": PAGE_SIZE}
        try:
            async for rooms in self._read_pages("users.conversations", arguments, "channels"):
                for each in rooms:
                    if isinstance(room := each.get("id"), str):
                        yield Room(room, ROOM_KINDS[kind])
        except SendRefused as error:
            self._log_warning("rooms_not_listed", kind=kind, reason=error.message)

    async def _read_room(self, room: Room) -> AsyncIterator[list[Json]]:
        """Yield the messages of the room, then those of its active threads."""
        roots: list[str] = []
        pages: list[list[Json]] = []
        arguments: Json = {"channel": room.id, "limit": PAGE_SIZE}
        arguments["oldest"] = f"{float(self._oldest) - THREAD_AGE.total_seconds():.6f}"
        try:
            async for page in self._read_pages("conversations.history", arguments, "messages"):
                pages.append([each for each in page if self._is_new(each)])
                roots += [each["ts"] for each in page if _get_latest_reply(each) > float(self._oldest)]
                if len(pages) == MAX_PAGES:
                    break
        except SendRefused as error:
            self._log_warning("room_not_read", kind=room.kind, reason=error.message)
        for page in reversed(pages):
            yield page
        for root in reversed(roots):
            async for messages in self._read_thread(room, root):
                yield messages

    async def _read_thread(self, room: Room, root: str) -> AsyncIterator[list[Json]]:
        if (room.id, root) in self._read_threads:
            return
        self._read_threads.add((room.id, root))
        arguments = {"channel": room.id, "ts": root, "oldest": self._oldest, "limit": PAGE_SIZE}
        try:
            async for page in self._read_pages("conversations.replies", arguments, "messages"):
                yield [each for each in page if self._is_new(each)]
        except SendRefused as error:
            self._log_warning("thread_not_read", kind=room.kind, reason=error.message)

    def _parse_messages(self, app: AppIdentity, room: Room, messages: list[Json]) -> list[ChannelEvent]:
        events: list[ChannelEvent] = []
        for message in sorted(messages, key=lambda each: float(each["ts"])):
            if self._would_be_sent(app, room, message):
                event = {**message, "type": "message", "channel": room.id, "channel_type": room.kind}
                authorizations = [{"team_id": app.team, "user_id": app.bot}]
                wrapper = {
                    "type": "event_callback",
                    "team_id": app.team,
                    "authorizations": authorizations,
                    "event": event,
                }
                from_desk = parse_desk_event("events_api", wrapper, self._account)
                events += parse_events_api(wrapper, self._account) if from_desk is None else from_desk
        return events

    def _would_be_sent(self, app: AppIdentity, room: Room, message: Json) -> bool:
        """Return whether Slack would have sent us this message. At the desk it sends everything."""
        if room.kind == "im" or self._hears_rooms or room.id in self._account.desk:
            return True
        return f"<@{app.bot}" in str(message.get("text"))

    def _log_warning(self, event: str, **more: str) -> None:
        log.warning(event, tenant=self._account.tenant, channel="slack", account=self._account.name, **more)

    def _is_new(self, message: Json) -> bool:
        return float(message["ts"]) > float(self._oldest)

    async def _read_pages(self, method: str, arguments: Json, name: str) -> AsyncIterator[list[Json]]:
        while True:
            body = await self._ask(method, arguments)
            found = body.get(name)
            yield [each for each in found if _is_valid(each, name)] if isinstance(found, list) else []
            cursor = (body.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                return
            arguments = {**arguments, "cursor": cursor}

    async def _ask(self, method: str, arguments: Json) -> Json:
        """Raises a DeliveryError."""

        async def ask_once() -> Json:
            reply = await self._client.ask(method, arguments)
            if (error := find_error(reply)) is not None:
                # A scope that is needed only here is no reason to pause the account.
                raise SendRefused("missing_scope") if reply.body.get("error") == "missing_scope" else error
            body: Json = reply.body
            return body

        return await retry_when_limited(ask_once)


def _is_valid(each: object, name: str) -> bool:
    if not isinstance(each, dict):
        return False
    try:
        return name != "messages" or float(each.get("ts", "")) > 0
    except (TypeError, ValueError):
        return False


def _get_latest_reply(message: Json) -> float:
    """Return when the last reply in the message's thread was written; 0 where there is none."""
    try:
        return float(message.get("latest_reply") or 0)
    except (TypeError, ValueError):
        return 0.0
