"""The simulated Slack: one workspace, one app installed in it, and what all rooms of this house share."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.simulators.slack.encoding import Refusal
from tests.simulators.slack.event_delivery import EventDelivery, Transport
from tests.simulators.slack.events import EventPublisher
from tests.simulators.slack.http_delivery import HttpTransport
from tests.simulators.slack.ids import Ids
from tests.simulators.slack.limits import Limits
from tests.simulators.slack.modals import Views
from tests.simulators.slack.screen import choices, find_notified, marker, visible_text
from tests.simulators.slack.sockets import Sockets
from tests.simulators.slack.storage import Storage
from tests.simulators.slack.workspace import Json, Person, Post, Room, Workspace
from tests.simulators.vendor import Faults, File, Ledger, ShownMessage

Mode = Literal["http", "socket"]
ALL_SCOPES = frozenset(
    (
        "app_mentions:read",
        "assistant:write",
        "channels:history",
        "channels:join",
        "channels:read",
        "chat:write",
        "chat:write.customize",
        "commands",
        "files:read",
        "files:write",
        "groups:history",
        "groups:read",
        "im:history",
        "im:read",
        "im:write",
        "mpim:history",
        "mpim:read",
        "mpim:write",
        "reactions:read",
        "reactions:write",
        "users:read",
        "users:read.email",
    )
)


@dataclass
class AssistantThreads:
    """By channel and thread."""

    statuses: dict[tuple[str, str], tuple[Json, float]] = field(default_factory=dict)
    """With the time at which each ends."""
    prompts: dict[tuple[str, str], list[Json]] = field(default_factory=dict)
    titles: dict[tuple[str, str], str] = field(default_factory=dict)


class Slack:
    """``pace`` scales the waits before retries and nothing else; ``now`` is the server's clock, for timestamps, rate
    limits and what expires; ``ack_seconds`` is how long an event waits for its answer."""

    def __init__(
        self,
        *,
        mode: Mode = "http",
        seed: int = 1,
        now: Callable[[], float] = time.time,
        pace: float = 1.0,
        ack_seconds: float = 3.0,
        app_name: str = "Parley",
    ) -> None:
        self.mode: Mode = mode
        self.now = now
        self.pace = pace
        self.ids = Ids(seed)
        self.workspace = Workspace(self.ids, app_name)
        self.ledger = Ledger()
        self.faults = Faults()
        self.limits = Limits(now)
        self.scopes = set(ALL_SCOPES)
        self.bot_token = self.ids.secret("xoxb-")
        self.app_token = self.ids.secret("xapp-1-")
        self.signing_secret = self.ids.secret()
        self.verification_token = self.ids.new("", 24)
        self.revoked = ""
        """The refusal of every call once the app has lost its token."""
        self.origin = ""
        self.storage = Storage()
        self.views = Views(self.ids, now)
        self.event_delivery = EventDelivery(now, pace)
        self.hooks = HttpTransport(now, self.signing_secret, ack_seconds)
        self.sockets = Sockets(self.ids, self.workspace.app_id, ack_seconds)
        carrier: Transport = self.hooks if mode == "http" else self.sockets
        self.event_delivery.carrier = carrier
        self.announcer = EventPublisher(self.workspace, self.ids, self.event_delivery, now, self.verification_token)
        self.event_delivery.limited = self.announcer.rate_limited
        self.assistants = AssistantThreads()
        self.notified: list[tuple[str, str]] = []
        """Who was called by a mention of ours, and in which message. ``!channel`` and the like are people too."""

    @property
    def bot(self) -> Person:
        return self.workspace.bot

    def room(self, channel: Any, *, refusal: str = "channel_not_found") -> Room:
        """By id, by name, or a person's direct messages. Raises Refusal."""
        rooms = self.workspace.rooms
        if str(channel) in rooms:
            return rooms[str(channel)]
        name = str(channel).removeprefix("#")
        for room in rooms.values():
            if room.name and room.name == name:
                return room
        raise Refusal(refusal)

    def publish(self, room: Room, author: Person, body: Json, *, to: str = "") -> Post:
        """Put a message where it is read, write it into the ledger if it is ours, and announce it."""
        ts = self.ids.ts(self.now())
        body = {"type": "message", **body, "ts": ts, "team": author.team}
        if body.get("thread_ts") and body["thread_ts"] in room.posts:
            body["parent_user_id"] = room.posts[body["thread_ts"]].author.id
        post = Post(room, ts, body, author, to)
        self.workspace.keep(post)
        if author is self.bot:
            self.show(post)
        if not to:
            self.announcer.posted(post)
        return post

    def show(self, post: Post) -> ShownMessage:
        """Make the ledger's entry say what is on the screen now."""
        look: dict[str, Any] = {
            "text": visible_text(post.body, self.workspace),
            "choices": choices(post.body),
            "files": [self.storage.content(each["id"]) for each in post.body.get("files", [])],
            "marker": marker(post.body) or (post.shown.marker if post.shown else ""),
            "streamed": post.stream is not None,
            "native": post.body,
        }
        called = [who for who in find_notified(post.body, self.workspace) if who not in post.called]
        post.called.update(called)
        self.notified += [(who, post.ts) for who in called]
        if post.shown is None:
            root = post.root if post.is_reply else ""
            post.shown = ShownMessage(post.ts, self.bot.id, post.place, reply_to=root, **look)
            return self.ledger.show(post.shown)
        for name, value in look.items():
            setattr(post.shown, name, value)
        self.ledger.changed()
        return post.shown

    def rewrite(self, post: Post, body: Json, *, silent: bool = False) -> None:
        """A message says something else from now on. A silent change has no ``edited`` mark (unfurls, streams)."""
        before = post.body
        if not silent:
            body = {**body, "edited": {"user": post.author.id, "ts": self.ids.ts(self.now())}}
        post.body = body
        if post.author is self.bot:
            self.show(post)
        if not post.to:
            self.announcer.changed(post, before)

    def remove(self, post: Post) -> None:
        """A root with replies leaves a tombstone, anything else is gone."""
        before = post.body
        if not post.is_reply and post.room.replies(post.ts):
            post.body = {
                "type": "message",
                "subtype": "tombstone",
                "text": "This message was deleted.",
                "user": "USLACKBOT",
                "hidden": True,
                "ts": post.ts,
                "thread_ts": post.ts,
            }
            self.announcer.changed(post, before)
        else:
            del post.room.posts[post.ts]
            self.announcer.deleted(post)
        if post.shown is not None:
            post.shown.deleted = True
        self.ledger.changed()

    def file(self, file: File, owner: Person) -> Json:
        """Keep a file; its object as messages carry it."""
        return self.storage.add(file, self.ids.new("F"), owner, self.origin, int(self.now()))

    def status(self, channel: str, thread: str) -> str:
        """What stands under the assistant's name in this thread now."""
        status, ends = self.assistants.statuses.get((channel, thread), ({}, 0.0))
        return str(status.get("status", "")) if self.now() < ends else ""

    def lose_token(self, refusal: Literal["token_revoked", "account_inactive"] = "token_revoked") -> None:
        """Somebody took the app's token away, or removed the app altogether."""
        self.announcer.lost_token(uninstalled=refusal == "account_inactive")
        self.revoked = refusal
        self.event_delivery.losing = True
