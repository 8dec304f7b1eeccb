"""Where conversations are on Discord, and which channel a message to one of them goes to.

A direct message is its channel. In a server a question has a place of its own, ``channel/thread``: the thread that its
first answer opens from it, and that has its id. Threads that people have opened are named the same way. Where answers
stay in the channel, and for commands, the place is the person in the channel, ``channel:user``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from schemas.errors import SendRefused

_PLACE = re.compile(r"(\d{1,20})(?:(?P<sign>[/:])(\d{1,20}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Target:
    """``parent``: the channel in which the thread ``channel`` is, or is to be opened; empty for any other place."""

    channel: str
    parent: str = ""


def in_thread(channel: str, thread: str) -> str:
    return f"{channel}/{thread}"


def of_person(channel: str, user: str) -> str:
    return f"{channel}:{user}"


def target(place: str) -> Target:
    """Raises SendRefused for what is no place on Discord."""
    found = _PLACE.fullmatch(place)
    if found is None:
        raise SendRefused("not_found")
    first, _, second = found.groups()
    return Target(second, first) if found["sign"] == "/" else Target(first)
