"""Places on Discord, and the channels of their messages.

A direct message is its channel. In a server each question has a place, ``channel/thread``: the thread that its first
answer opens, with the id of the question. Threads that people opened are named the same way. If answers stay in the
channel, and for commands, the place is the person in the channel, ``channel:user``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from schemas.errors import SendRefused

_PLACE = re.compile(r"(\d{1,20})(?:(?P<sign>[/:])(\d{1,20}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Target:
    """``parent``: the channel of the thread ``channel``, which may have to be opened; empty for other places."""

    channel: str
    parent: str = ""


def build_thread_place(channel: str, thread: str) -> str:
    return f"{channel}/{thread}"


def build_person_place(channel: str, user: str) -> str:
    return f"{channel}:{user}"


def parse_place(place: str) -> Target:
    """Raises SendRefused for an invalid place."""
    match = _PLACE.fullmatch(place)
    if match is None:
        raise SendRefused("not_found")
    first, _, second = match.groups()
    return Target(second, first) if match["sign"] == "/" else Target(first)
