"""What was written while nobody listened, from Slack's history: the same events as Slack would have sent.

In direct messages everything; in channels what calls us by our name, and everything else only where Slack was heard to
tell us everything: an app that is told of mentions alone must not answer what people say among themselves.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from connectors.slack.client import Client
from connectors.slack.desk.parse_events import parse_desk_event
from connectors.slack.errors import failure
from connectors.slack.events import from_events_api
from connectors.slack.requests import Json
from connectors.streams.history_retries import patiently
from schemas.errors import SendRefused
from schemas.ports import Account, Acquaintance, Event

log = structlog.get_logger("parley.slack")

HEARS_ROOMS = "channels"
"""In the stream's memory: Slack tells us of messages in channels that call nobody."""
PAGE = 100
MOST_PAGES = 50
"""Of one room; they come with the newest first, and are given with the oldest first."""
ROOTS = timedelta(days=3)
"""How much older the beginning of a thread may be than what was written in it meanwhile."""
KINDS = {"im": "im", "public_channel": "channel", "private_channel": "group", "mpim": "mpim"}
_THREAD = re.compile(r"[\w-]+:([\w-]+):([0-9]+\.[0-9]+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Us:
    team: str
    bot: str


@dataclass(frozen=True, slots=True)
class Room:
    id: str
    kind: str


async def messages(account: Account, since: datetime, known: Acquaintance) -> AsyncIterator[list[Event]]:
    """See schemas.ports.Backfilling."""
    client = Client(account.settings)
    try:
        history = History(account, client, f"{since.timestamp():.6f}", hears_rooms=bool(known.session.get(HEARS_ROOMS)))
        async for events in history.read(known):
            yield events
    finally:
        await client.close()


class History:
    """Read from ``oldest`` on."""

    def __init__(self, account: Account, client: Client, oldest: str, *, hears_rooms: bool) -> None:
        self._account = account
        self._client = client
        self._oldest = oldest
        self._hears_rooms = hears_rooms
        self._read: set[tuple[str, str]] = set()
        """Threads, by room and root."""

    async def read(self, known: Acquaintance) -> AsyncIterator[list[Event]]:
        us, places = await self._us(), await known.places()
        rooms = [room for kind in KINDS async for room in self._rooms(kind)]
        # Slack lets some fifty be read in a minute: those come first of whom nothing has been heard yet.
        heard = {place.split(":")[1] for place in places if ":" in place}
        rooms.sort(key=lambda room: room.id in heard)
        for room in rooms:
            async for said in self._room(room):
                yield self._events(us, room, said)
        # Threads that are older than what was read, and in which we are known to speak.
        kinds = {room.id: room.kind for room in rooms}
        for place in places:
            if (thread := _THREAD.fullmatch(place)) and thread.group(1) in kinds:
                room = Room(thread.group(1), kinds[thread.group(1)])
                async for said in self._thread(room, thread.group(2)):
                    yield self._events(us, room, said)

    async def _us(self) -> Us:
        told = await self._ask("auth.test", {})
        return Us(str(told.get("team_id") or ""), str(told.get("user_id") or ""))

    async def _rooms(self, kind: str) -> AsyncIterator[Room]:
        """Those that we are in. Without the scope to ask for them they are left out, and that is said."""
        asked: Json = {"types": kind, "exclude_archived": True, "limit": PAGE}
        try:
            async for found in self._pages("users.conversations", asked, "channels"):
                for each in found:
                    if isinstance(room := each.get("id"), str):
                        yield Room(room, KINDS[kind])
        except SendRefused as error:
            self._warn("rooms_not_listed", kind=kind, reason=error.message)

    async def _room(self, room: Room) -> AsyncIterator[list[Json]]:
        """What was said there, and then in the threads that went on."""
        roots: list[str] = []
        pages: list[list[Json]] = []
        asked: Json = {"channel": room.id, "limit": PAGE}
        asked["oldest"] = f"{float(self._oldest) - ROOTS.total_seconds():.6f}"
        try:
            async for page in self._pages("conversations.history", asked, "messages"):
                pages.append([each for each in page if self._is_new(each)])
                roots += [each["ts"] for each in page if _newest(each) > float(self._oldest)]
                if len(pages) == MOST_PAGES:
                    break
        except SendRefused as error:
            self._warn("room_not_read", kind=room.kind, reason=error.message)
        for page in reversed(pages):
            yield page
        for root in reversed(roots):
            async for said in self._thread(room, root):
                yield said

    async def _thread(self, room: Room, root: str) -> AsyncIterator[list[Json]]:
        if (room.id, root) in self._read:
            return
        self._read.add((room.id, root))
        asked = {"channel": room.id, "ts": root, "oldest": self._oldest, "limit": PAGE}
        try:
            async for page in self._pages("conversations.replies", asked, "messages"):
                yield [each for each in page if self._is_new(each)]
        except SendRefused as error:
            self._warn("thread_not_read", kind=room.kind, reason=error.message)

    def _events(self, us: Us, room: Room, said: list[Json]) -> list[Event]:
        found: list[Event] = []
        for message in sorted(said, key=lambda each: float(each["ts"])):
            if self._is_told(us, room, message):
                event = {**message, "type": "message", "channel": room.id, "channel_type": room.kind}
                told = [{"team_id": us.team, "user_id": us.bot}]
                wrapper = {"type": "event_callback", "team_id": us.team, "authorizations": told, "event": event}
                at_desk = parse_desk_event("events_api", wrapper, self._account)
                found += from_events_api(wrapper, self._account) if at_desk is None else at_desk
        return found

    def _is_told(self, us: Us, room: Room, message: Json) -> bool:
        """Whether Slack would have told us. At the desk we are told everything."""
        if room.kind == "im" or self._hears_rooms or room.id in self._account.desk:
            return True
        return f"<@{us.bot}" in str(message.get("text"))

    def _warn(self, event: str, **more: str) -> None:
        log.warning(event, tenant=self._account.tenant, channel="slack", account=self._account.name, **more)

    def _is_new(self, message: Json) -> bool:
        return float(message["ts"]) > float(self._oldest)

    async def _pages(self, method: str, asked: Json, name: str) -> AsyncIterator[list[Json]]:
        while True:
            body = await self._ask(method, asked)
            found = body.get(name)
            yield [each for each in found if _is_dated(each, name)] if isinstance(found, list) else []
            cursor = (body.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                return
            asked = {**asked, "cursor": cursor}

    async def _ask(self, method: str, asked: Json) -> Json:
        """Raises a DeliveryError."""

        async def once() -> Json:
            reply = await self._client.ask(method, asked)
            if (error := failure(reply)) is not None:
                # A scope that is only needed here is no reason to pause the account.
                raise SendRefused("missing_scope") if reply.body.get("error") == "missing_scope" else error
            body: Json = reply.body
            return body

        return await patiently(once)


def _is_dated(each: object, name: str) -> bool:
    if not isinstance(each, dict):
        return False
    try:
        return name != "messages" or float(each.get("ts", "")) > 0
    except (TypeError, ValueError):
        return False


def _newest(message: Json) -> float:
    """When somebody last wrote in the thread below a message; 0 where there is none."""
    try:
        return float(message.get("latest_reply") or 0)
    except (TypeError, ValueError):
        return 0.0
