"""What is to be shown at the desk, and where it stands there. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from connectors.slack.desk.block_kit import Json
from schemas.messages import Attachment
from schemas.ports import Call

EARLIER = timedelta(minutes=1)
"""Clocks may differ by so much."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something of the desk stands: ``ts`` is empty for the channel itself."""

    channel: str
    ts: str = ""

    @classmethod
    def of(cls, external_id: str) -> Place:
        channel, _, ts = external_id.partition("/")
        return cls(channel, ts)

    @property
    def is_file(self) -> bool:
        """Then ``ts`` is the file's id: messages are named by a time."""
        return bool(self.ts) and "." not in self.ts


@dataclass(frozen=True, slots=True)
class Post:
    """Something to be shown once, under ``marker``. ``thread`` is empty for what begins one; ``since``: it was surely
    not shown before; ``with_files``: they are all of it."""

    marker: str
    channel: str
    since: datetime
    thread: str = ""
    text: str = ""
    blocks: tuple[Json, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)
    with_files: tuple[Attachment, ...] = ()

    def call(self) -> Call:
        since = f"{(self.since - EARLIER).timestamp():.6f}"
        where = {"thread_ts": self.thread} if self.thread else {}
        if self.with_files:
            return Call(
                "files.completeUploadExternal", {"channel_id": self.channel, **where, "since": since}, self.with_files
            )
        said = {"text": self.text, "blocks": list(self.blocks), "unfurl_links": False, "unfurl_media": False}
        arguments = {"channel": self.channel, **where, **said, "since": since}
        return Call("chat.postMessage", {**arguments, "about": dict(self.about)})
