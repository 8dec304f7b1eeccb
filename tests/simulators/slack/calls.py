"""One call of a Web API method: its arguments, and what every method checks about them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from tests.simulators.slack.core import Slack
from tests.simulators.slack.encoding import Refusal, structure
from tests.simulators.slack.workspace import Json, Person, Post, Room


@dataclass
class Call:
    slack: Slack
    method: str
    args: Json

    def need(self, *names: str) -> None:
        missing = [name for name in names if self.args.get(name) in (None, "")]
        if missing:
            raise Refusal("invalid_arguments", *(f"missing required field: {name}" for name in missing))

    def text(self, name: str, default: str = "") -> str:
        value = self.args.get(name)
        return default if value is None else str(value)

    def number(self, name: str, default: int, most: int) -> int:
        try:
            number = int(self.args.get(name) or default)
        except ValueError:
            raise Refusal("invalid_arguments", f"must be an integer [json-pointer:/{name}]") from None
        if not 1 <= number <= most:
            raise Refusal("invalid_limit")
        return number

    def room(self, name: str = "channel", *, refusal: str = "channel_not_found") -> Room:
        """The channel, if our bot may know of it."""
        self.need(name)
        room = self.slack.room(self.args[name], refusal=refusal)
        if room.is_private and self.slack.bot.id not in room.members:
            raise Refusal(refusal)
        return room

    def allow(self, room: Room, right: Literal["history", "read"]) -> Room:
        """Rights to read are given for each kind of room apart. Raises Refusal."""
        scope = f"{PLURALS[room.kind]}:{right}"
        if scope not in self.slack.scopes:
            raise Refusal("missing_scope", needed=scope, provided=",".join(sorted(self.slack.scopes)))
        return room

    def joined(self, name: str = "channel") -> Room:
        room = self.room(name)
        if self.slack.bot.id not in room.members:
            raise Refusal("not_in_channel")
        return room

    def post(self, room: Room, name: str = "ts", *, refusal: str = "message_not_found") -> Post:
        self.need(name)
        post = room.posts.get(self.text(name))
        if post is None or post.to:
            raise Refusal(refusal)
        return post

    def user(self, name: str = "user") -> Person:
        self.need(name)
        person = self.slack.workspace.by_id(self.text(name))
        if person is None:
            raise Refusal("user_not_found")
        return person

    def page(self, items: list[Any], limit: int) -> tuple[list[Any], Json]:
        """One page, and what the answer says of the next."""
        cursor = self.text("cursor")
        try:
            start = int(cursor.removeprefix("next:")) if cursor else 0
        except ValueError:
            raise Refusal("invalid_cursor") from None
        more = start + limit < len(items)
        return items[start : start + limit], {"next_cursor": f"next:{start + limit}" if more else ""}

    def metadata(self) -> Json | None:
        """None where nothing was said of it. Slack drops it in silence when its type has other signs than letters,
        digits, "_" and "-" (bolt-python issue 863)."""
        if self.args.get("metadata") is None:
            return None
        metadata = structure(self.args["metadata"], "invalid_metadata_format")
        if not isinstance(metadata, dict):
            raise Refusal("invalid_metadata_format")
        if metadata == {}:
            return {}
        if not isinstance(metadata.get("event_type"), str) or not isinstance(metadata.get("event_payload"), dict):
            raise Refusal("invalid_metadata_format")
        if len(str(metadata["event_payload"])) > METADATA:
            raise Refusal("metadata_too_large")
        return metadata if re.fullmatch(r"[\w-]+", metadata["event_type"], re.ASCII) else None


PLURALS = {"channel": "channels", "group": "groups", "im": "im", "mpim": "mpim"}
METADATA = 8_000
"""Characters of a payload. Slack refuses what is too large without saying how large; this is on the safe side."""


@dataclass(frozen=True)
class Method:
    """``json`` is False where Slack reads only queries and forms; ``tier`` 0 has a limit of its own."""

    run: Callable[[Call], Json]
    scope: str = ""
    tier: int = 3
    json: bool = True
    token: Literal["bot", "app"] = "bot"
