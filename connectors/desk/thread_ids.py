"""How threads and messages of the desk are named: ``C0123:170.1`` is a thread, ``C0123/170.2`` a message."""

from __future__ import annotations


def place(channel: str, root: str) -> str:
    """The thread below the message ``root``."""
    return f"{channel}:{root}"


def shown(channel: str, stamp: str) -> str:
    """The external id of a message."""
    return f"{channel}/{stamp}"


def channel_of(name: str) -> str:
    """Of a thread, or of a message."""
    return name.replace("/", ":").partition(":")[0]


def stamp_of(name: str) -> str:
    """Of the message, or of the one that began the thread."""
    return name.replace("/", ":").partition(":")[2]


def root_of(place: str) -> str:
    """The external id of the message that began a thread."""
    return place.replace(":", "/")


def thread_of(external_id: str) -> str:
    """The thread that a message began."""
    return external_id.replace("/", ":")
