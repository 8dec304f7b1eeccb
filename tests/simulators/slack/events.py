"""Slack's events, in the wrapper that both transports carry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.simulators.slack.event_delivery import Delivery, EventDelivery
from tests.simulators.slack.ids import Ids
from tests.simulators.slack.workspace import Json, Person, Post, Room, Workspace

MESSAGES = {"channel": "message.channels", "group": "message.groups", "im": "message.im", "mpim": "message.mpim"}
SUBSCRIPTIONS = frozenset(
    (
        "message.channels",
        "message.groups",
        "message.im",
        "message.mpim",
        "app_mention",
        "reaction_added",
        "reaction_removed",
        "file_shared",
        "member_joined_channel",
        "member_left_channel",
        "app_home_opened",
        "assistant_thread_started",
        "assistant_thread_context_changed",
        "tokens_revoked",
        "app_uninstalled",
    )
)


class EventPublisher:
    """``subscriptions`` are the app's; what is not subscribed is not sent."""

    def __init__(
        self,
        workspace: Workspace,
        ids: Ids,
        event_delivery: EventDelivery,
        now: Callable[[], float],
        verification_token: str,
    ) -> None:
        self._workspace = workspace
        self._ids = ids
        self._courier = event_delivery
        self._now = now
        self._token = verification_token
        self.subscriptions = set(SUBSCRIPTIONS)

    def tell(
        self, event: Json, *, subscription: str = "", about: str = "", room: Room | None = None, line: str = ""
    ) -> Delivery | None:
        """Send an event, unless it is not subscribed or happens where the app is not."""
        if (subscription or event["type"]) not in self.subscriptions:
            return None
        if room is not None and self._workspace.bot.id not in room.members:
            return None
        shared = room is not None and room.shared
        return self._courier.send("events_api", self.wrap(event, shared=shared), about=about, line=line)

    def wrap(self, event: Json, *, shared: bool = False) -> Json:
        team, bot = self._workspace.team, self._workspace.bot
        allowed = {"enterprise_id": None, "team_id": team, "user_id": bot.id}
        return {
            "token": self._token,
            "team_id": team,
            "context_team_id": team,
            "context_enterprise_id": None,
            "api_app_id": self._workspace.app_id,
            "event": event,
            "type": "event_callback",
            "event_id": self._ids.new("Ev"),
            "event_time": int(self._now()),
            "authorizations": [{**allowed, "is_bot": True, "is_enterprise_install": False}],
            "is_ext_shared_channel": shared,
            "event_context": self._ids.new("4-"),
        }

    def _stamp(self) -> str:
        return self._ids.ts(self._now())

    def _message(self, event: Json, post: Post) -> None:
        room = post.room
        event = {**event, "channel": room.id, "channel_type": room.kind}
        self.tell(event, subscription=MESSAGES[room.kind], about=post.ts, room=room, line=room.id)

    def posted(self, post: Post) -> None:
        event = {**_told(post, post.body), "event_ts": post.ts}
        if post.is_broadcast:
            root = post.room.posts.get(post.root)
            event["root"] = {**_told(root, root.body), **thread_facts(root)} if root else {}
        self._message(event, post)
        self._mentioned(post, event)
        for file in post.body.get("files", []):
            told = {"type": "file_shared", "file_id": file["id"], "user_id": post.author.id, "file": {"id": file["id"]}}
            self.tell({**told, "channel_id": post.room.id, "event_ts": post.ts}, about=post.ts, room=post.room)

    def _mentioned(self, post: Post, event: Json) -> None:
        """A mention in a channel is told a second time, with another event id. In direct messages it is not."""
        bot = self._workspace.bot
        if post.room.kind == "im" or post.author is bot or f"<@{bot.id}>" not in str(event.get("text") or ""):
            return
        if post.body.get("subtype") in (None, "file_share", "thread_broadcast"):
            kept = {name: value for name, value in event.items() if name not in ("subtype", "root")}
            self.tell({**kept, "type": "app_mention", "channel": post.room.id}, about=post.ts, room=post.room)

    def changed(self, post: Post, before: Json) -> None:
        stamp = self._stamp()
        now = {**_told(post, post.body), **thread_facts(post)}
        event = {"type": "message", "subtype": "message_changed", "hidden": True, "message": now}
        self._message({**event, "previous_message": _told(post, before), "ts": stamp, "event_ts": stamp}, post)

    def deleted(self, post: Post) -> None:
        stamp = self._stamp()
        event = {"type": "message", "subtype": "message_deleted", "hidden": True, "deleted_ts": post.ts}
        self._message({**event, "previous_message": _told(post, post.body), "ts": stamp, "event_ts": stamp}, post)

    def reacted(self, post: Post, person: Person, name: str, *, removed: bool) -> None:
        item = {"type": "message", "channel": post.room.id, "ts": post.ts}
        event = {"type": "reaction_removed" if removed else "reaction_added", "user": person.id, "reaction": name}
        told = {**event, "item": item, "item_user": post.author.id, "event_ts": self._stamp()}
        self.tell(told, about=post.ts, room=post.room, line=post.room.id)

    def moved(self, room: Room, person: Person, *, left: bool = False) -> None:
        kind = "member_left_channel" if left else "member_joined_channel"
        letter = "C" if room.kind == "channel" else "G"
        event = {"type": kind, "user": person.id, "channel": room.id, "channel_type": letter, "team": person.team}
        self.tell({**event, "event_ts": self._stamp()}, room=room, line=room.id)

    def opened_home(self, room: Room, person: Person, tab: str) -> None:
        event = {"type": "app_home_opened", "user": person.id, "channel": room.id, "tab": tab}
        self.tell({**event, "event_ts": self._stamp()})

    def assistant(self, kind: str, room: Room, person: Person, root: str, context: Json) -> None:
        thread = {"user_id": person.id, "context": context, "channel_id": room.id, "thread_ts": root}
        self.tell({"type": kind, "assistant_thread": thread, "event_ts": self._stamp()}, about=root, line=room.id)

    def lost_token(self, *, uninstalled: bool) -> None:
        tokens = {"oauth": [], "bot": [self._workspace.bot.id]}
        self.tell({"type": "tokens_revoked", "tokens": tokens, "event_ts": self._stamp()})
        if uninstalled:
            self.tell({"type": "app_uninstalled", "event_ts": self._stamp()})

    def rate_limited(self) -> Json:
        """It has no inner event."""
        minute = int(self._now() // 60 * 60)
        about = {"token": self._token, "type": "app_rate_limited", "team_id": self._workspace.team}
        return {**about, "minute_rate_limited": minute, "api_app_id": self._workspace.app_id}


def thread_facts(post: Post) -> Json:
    """What a root says of its thread."""
    replies = post.room.replies(post.ts) if not post.is_reply else []
    if not replies:
        return {}
    people = list(dict.fromkeys(reply.author.id for reply in replies))
    return {
        "thread_ts": post.ts,
        "reply_count": len(replies),
        "reply_users_count": len(people),
        "latest_reply": replies[-1].ts,
        "reply_users": people,
        "is_locked": False,
        "subscribed": post.author.kind == "bot",
    }


def _told(post: Post, body: Json) -> Json:
    """A message as events tell it: without metadata's payload (python-slack-sdk issue 1501), and in a shared channel
    without what is known of its files."""
    told: Json = dict(body)
    if told.get("metadata"):
        told["metadata"] = {"event_type": told["metadata"]["event_type"]}
    if post.author.kind == "outsider":
        told |= {"user_team": post.author.team, "source_team": post.author.team}
    if post.room.shared and told.get("files"):
        told["files"] = [_stub(file) for file in told["files"]]
    return told


def _stub(file: Json) -> dict[str, Any]:
    if file["mode"] == "tombstone":
        return file
    kept = ("id", "created", "timestamp", "user")
    return {**{name: file[name] for name in kept}, "mode": "file_access", "file_access": "check_file_info"}
