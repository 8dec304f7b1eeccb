"""What a channel may use, handed to it when it is opened."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from schemas import ids
from schemas.conversation import Delivered
from schemas.messages import Attachment
from schemas.ports import Account, Clock, Signals, Transcript


async def _unknown(tenant: str, channel: str, account: str, external_id: str) -> tuple[str, str] | None:
    return None


async def _no_outcome(conversation: str, marker: str) -> Delivered | None:
    return None


@dataclass(frozen=True, slots=True)
class Tools:
    """``read_file``: ``(tenant, attachment id)`` → what it is and its bytes; raises NotFound. ``link``: the same → a
    signed address for an hour or two, for vendors that fetch a file themselves. ``webhook``: where an account's vendor
    reaches us; empty while nobody said under which public address we are. ``known``: ``(tenant, channel, account,
    external id)`` → ``(conversation, message id)`` of what we have sent, if it is that. ``outcome``: ``(conversation,
    marker)`` → what became of that piece, once it is known."""

    transcript: Transcript
    signals: Signals
    clock: Clock
    read_file: Callable[[str, str], Awaitable[tuple[Attachment, bytes]]]
    link: Callable[[str, str], str] = lambda tenant, attachment: ""
    known: Callable[[str, str, str, str], Awaitable[tuple[str, str] | None]] = _unknown
    outcome: Callable[[str, str], Awaitable[Delivered | None]] = _no_outcome
    webhook: Callable[[Account], str] = lambda account: ""

    async def is_another(self, account: Account, external_id: str, marker: str) -> bool:
        """Whether what a vendor shows under this id is on record as something else than the piece ``marker``. That it
        is on record as the piece's own message is no reason: a sender puts down the id first, and may die before it
        puts down that it was sent."""
        known = await self.known(account.tenant, account.channel, account.name, external_id)
        if known is None:
            return False
        conversation, message = known
        return message != ids.whole_of(marker) or await self._is_earlier(conversation, message, external_id, marker)

    async def _is_earlier(self, conversation: str, message: str, external_id: str, marker: str) -> bool:
        """Whether it is a piece of the message that went before: they are sent in order, and look alike at times."""
        number = 0
        while (piece := f"{message}.{number}") != marker:
            told = await self.outcome(conversation, piece)
            if told is None or told.external_id == external_id:
                return told is not None
            number += 1
        return False
