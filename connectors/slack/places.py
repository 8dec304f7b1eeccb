"""Places in Slack, and the ids of messages there.

A thread in a channel is a place; a direct message is one place with all its threads. A command is given outside of
threads; its place is the person. The direct message and the person are addresses of one contact, so both lead to the
same conversation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from schemas.errors import SendRefused
from schemas.messages import Address

Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
"""Id of a workspace, a channel, a person, or a file."""
_TIMESTAMP = re.compile(r"[0-9]{1,11}\.[0-9]{1,9}", re.ASCII)
Timestamp = Annotated[str, Field(pattern=rf"^{_TIMESTAMP.pattern}$")]
"""Seconds since 1970. A message's timestamp is its id in the channel."""
_PLACE = re.compile(r"[\w-]+:([\w-]+)(?::([0-9.]+))?", re.ASCII)
_THREAD_ID = re.compile(r"([0-9]+\.[0-9]+)/[0-9]+\.[0-9]+", re.ASCII)
_USER_PREFIXES = ("U", "W")


class SlackModel(BaseModel):
    """Slack may add fields."""

    model_config = ConfigDict(extra="ignore", frozen=True)


@dataclass(frozen=True, slots=True)
class MessagePlace:
    """A place, and the addresses of the person there. ``thread`` is the root of the thread, in direct messages only."""

    place: str
    addresses: tuple[Address, ...]
    thread: str = ""

    def external_id(self, stamp: str) -> str:
        """In a thread of a direct message the id includes the root, because the answer belongs into that thread."""
        return f"{self.thread}/{stamp}" if self.thread and self.thread != stamp else stamp


def build_place(
    team: str, channel: str, user: str, stamp: str, thread: str | None, *, is_direct: bool = False
) -> MessagePlace:
    """``stamp`` is the message's timestamp, which begins a thread if the message is in none."""
    person = Address(channel="slack", value=f"{team}:{user}", assurance="channel")
    if not is_direct and not channel.startswith("D"):
        return MessagePlace(f"{team}:{channel}:{thread or stamp}", (person,))
    place = f"{team}:{channel}"
    return MessagePlace(place, (person, Address(channel="slack", value=place, assurance="channel")), thread or "")


def build_command_place(team: str, user: str) -> MessagePlace:
    """The answer to a command goes to the direct message with the person."""
    place = f"{team}:{user}"
    return MessagePlace(place, (Address(channel="slack", value=place, assurance="channel"),))


def parse_place(place: str, answers: str) -> dict[str, str]:
    """Return ``channel`` (or a user) and ``thread_ts`` for sending there. Raises SendRefused."""
    match = _PLACE.fullmatch(place)
    if match is None:
        raise SendRefused("not_found")
    channel, thread = match.groups()
    if thread is None and (thread_match := _THREAD_ID.fullmatch(answers)):
        thread = thread_match.group(1)
    return {"channel": channel} | ({"thread_ts": thread} if thread else {})


def find_person(addresses: Sequence[Address]) -> Address | None:
    """Return the contact's own address; that of a direct message names no person."""
    return next((each for each in addresses if each.channel == "slack" and is_user_id(get_local_id(each))), None)


def get_local_id(address: Address) -> str:
    """Remove the workspace from an address."""
    return address.value.rpartition(":")[2]


def is_user_id(channel: str) -> bool:
    return channel.startswith(_USER_PREFIXES)


def parse_timestamp(stamp: str) -> datetime:
    seconds, _, fraction = stamp.partition(".")
    return datetime.fromtimestamp(int(seconds), UTC).replace(microsecond=int(fraction.ljust(6, "0")[:6]))


def to_microseconds(stamp: str) -> int:
    """Return a timestamp as an integer."""
    seconds, _, fraction = stamp.partition(".")
    return int(seconds) * 1_000_000 + int(fraction.ljust(6, "0")[:6])


def get_revision(edited: Mapping[str, Any] | None) -> int:
    """Return when a message was last edited, in microseconds; 0 if never, or unknown."""
    stamp = str((edited or {}).get("ts"))
    return to_microseconds(stamp) if _TIMESTAMP.fullmatch(stamp) else 0
