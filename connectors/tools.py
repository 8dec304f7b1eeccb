"""What a channel may use, handed to it when it is opened."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from schemas.messages import Attachment
from schemas.ports import Account, Clock, Signals, Transcript


def _nowhere(*about: object) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Tools:
    """``read_file``: ``(tenant, attachment id)`` → what it is and its bytes; raises NotFound.

    ``file_url``: ``(tenant, attachment id)`` → an address from which anybody may fetch it for an hour, for vendors that
    fetch what is sent. ``webhook_url``: where the vendor of an account reaches us. Both are empty while nobody said at
    which address this installation is reached."""

    transcript: Transcript
    signals: Signals
    clock: Clock
    read_file: Callable[[str, str], Awaitable[tuple[Attachment, bytes]]]
    file_url: Callable[[str, str], str] = _nowhere
    webhook_url: Callable[[Account], str] = _nowhere
