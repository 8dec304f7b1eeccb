"""Where something happens in Slack, and how its messages are named.

A thread in a channel is a place, and so is the direct message with somebody, whatever threads it has. A command is
given beside any thread; its place is the person. The direct message and the person are aliases of one contact, so
both lead to one conversation.
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
"""Of a workspace, a channel, a person, a file."""
_STAMP = re.compile(r"[0-9]{1,11}\.[0-9]{1,9}", re.ASCII)
Stamp = Annotated[str, Field(pattern=rf"^{_STAMP.pattern}$")]
"""Seconds since 1970. A message's is its id in its channel."""
_PLACE = re.compile(r"[\w-]+:([\w-]+)(?::([0-9.]+))?", re.ASCII)
_IN_THREAD = re.compile(r"([0-9]+\.[0-9]+)/[0-9]+\.[0-9]+", re.ASCII)
_PEOPLE = ("U", "W")


class Vendor(BaseModel):
    """What Slack tells; it may tell more."""

    model_config = ConfigDict(extra="ignore", frozen=True)


@dataclass(frozen=True, slots=True)
class Spot:
    """Somebody at a place. ``thread`` is the root of the thread, in a direct message only."""

    place: str
    addresses: tuple[Address, ...]
    thread: str = ""

    def external_id(self, stamp: str) -> str:
        """In a thread of a direct message the root is part of it: the answer belongs there too."""
        return f"{self.thread}/{stamp}" if self.thread and self.thread != stamp else stamp


def spot(team: str, channel: str, user: str, stamp: str, thread: str | None, *, is_direct: bool = False) -> Spot:
    """``stamp`` is the message's, which begins a thread where it is in none."""
    person = Address(channel="slack", value=f"{team}:{user}", assurance="channel")
    if not is_direct and not channel.startswith("D"):
        return Spot(f"{team}:{channel}:{thread or stamp}", (person,))
    place = f"{team}:{channel}"
    return Spot(place, (person, Address(channel="slack", value=place, assurance="channel")), thread or "")


def at_command(team: str, user: str) -> Spot:
    """The answer comes in the direct message with this person."""
    place = f"{team}:{user}"
    return Spot(place, (Address(channel="slack", value=place, assurance="channel"),))


def target(place: str, answers: str) -> dict[str, str]:
    """``channel`` (or a person) and ``thread_ts`` of what is sent there. Raises SendRefused."""
    found = _PLACE.fullmatch(place)
    if found is None:
        raise SendRefused("not_found")
    channel, thread = found.groups()
    if thread is None and (threaded := _IN_THREAD.fullmatch(answers)):
        thread = threaded.group(1)
    return {"channel": channel} | ({"thread_ts": thread} if thread else {})


def person_of(addresses: Sequence[Address]) -> Address | None:
    """A contact's own address; that of a direct message names nobody."""
    return next((each for each in addresses if each.channel == "slack" and is_person(inner_id(each))), None)


def inner_id(address: Address) -> str:
    """Without the workspace."""
    return address.value.rpartition(":")[2]


def is_person(channel: str) -> bool:
    return channel.startswith(_PEOPLE)


def moment(stamp: str) -> datetime:
    seconds, _, fraction = stamp.partition(".")
    return datetime.fromtimestamp(int(seconds), UTC).replace(microsecond=int(fraction.ljust(6, "0")[:6]))


def microseconds(stamp: str) -> int:
    """A stamp as a number that grows with time."""
    seconds, _, fraction = stamp.partition(".")
    return int(seconds) * 1_000_000 + int(fraction.ljust(6, "0")[:6])


def edition(edited: Mapping[str, Any] | None) -> int:
    """When a message got the words that it has; 0 where nobody changed them, or Slack does not say."""
    stamp = str((edited or {}).get("ts"))
    return microseconds(stamp) if _STAMP.fullmatch(stamp) else 0
