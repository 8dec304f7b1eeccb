"""Names of the desk's threads and messages: ``C0123:170.1`` is a thread, ``C0123/170.2`` a message.

The ids of channels and messages are the vendor's. A thread has the id of the message that began it.
"""

from __future__ import annotations

from dataclasses import dataclass


def thread_id(channel: str, root: str) -> str:
    """Build the id of the thread below the message ``root``."""
    return f"{channel}:{root}"


def message_id(channel: str, message: str) -> str:
    """Build the external id of a message."""
    return f"{channel}/{message}"


def channel_of(name: str) -> str:
    """Return the channel of a thread or a message."""
    return name.replace("/", ":").partition(":")[0]


def message_of(name: str) -> str:
    """Return the vendor's id of a message, or of the one that began a thread."""
    return name.replace("/", ":").partition(":")[2]


def root_of(thread: str) -> str:
    """Return the external id of the message that began a thread."""
    return thread.replace(":", "/")


def thread_of(external_id: str) -> str:
    """Return the thread that a message began."""
    return external_id.replace("/", ":")


@dataclass(frozen=True, slots=True)
class Place:
    """A message in a channel of the desk, or the channel itself where ``message`` is empty."""

    channel: str
    message: str = ""

    @classmethod
    def of(cls, external_id: str) -> Place:
        channel, _, message = external_id.partition("/")
        return cls(channel, message)

    @property
    def external_id(self) -> str:
        return message_id(self.channel, self.message)
