"""What a channel may use, handed to it when it is opened."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from schemas.messages import Attachment
from schemas.ports import Account, Clock, Signals, Transcript


async def _unknown(tenant: str, channel: str, account: str, external_id: str) -> tuple[str, str] | None:
    return None


@dataclass(frozen=True, slots=True)
class Tools:
    """``read_file``: ``(tenant, attachment id)`` → what it is and its bytes; raises NotFound. ``link``: the same → a
    signed address for an hour or two, for vendors that fetch a file themselves. ``webhook``: where an account's vendor
    reaches us; empty while nobody said under which public address we are. ``known``: ``(tenant, channel, account,
    external id)`` → ``(conversation, message id)`` of what we have sent, if it is that."""

    transcript: Transcript
    signals: Signals
    clock: Clock
    read_file: Callable[[str, str], Awaitable[tuple[Attachment, bytes]]]
    link: Callable[[str, str], str] = lambda tenant, attachment: ""
    known: Callable[[str, str, str, str], Awaitable[tuple[str, str] | None]] = _unknown
    webhook: Callable[[Account], str] = lambda account: ""
