"""Services that a channel may use, passed to it when it is opened."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from schemas import ids
from schemas.conversation import DeliveryOutcome
from schemas.messages import Attachment
from schemas.ports import Account, Clock, Signals, Transcript


async def _find_nothing(tenant: str, channel: str, account: str, external_id: str) -> tuple[str, str] | None:
    return None


async def _find_no_outcome(conversation: str, marker: str) -> DeliveryOutcome | None:
    return None


@dataclass(frozen=True, slots=True)
class ChannelServices:
    """``read_file``: ``(tenant, attachment id)`` → the attachment and its bytes; raises NotFound. ``file_link``: the
    same arguments → a signed address, valid for an hour or two, for vendors that fetch files themselves.
    ``webhook_url``: the address at which an account's vendor reaches us; empty where no public address is configured.
    ``find_sent``: ``(tenant, channel, account, external id)`` → ``(conversation, message id)`` if we sent it.
    ``find_outcome``: ``(conversation, marker)`` → the outcome of that part, once known."""

    transcript: Transcript
    signals: Signals
    clock: Clock
    read_file: Callable[[str, str], Awaitable[tuple[Attachment, bytes]]]
    file_link: Callable[[str, str], str] = lambda tenant, attachment: ""
    find_sent: Callable[[str, str, str, str], Awaitable[tuple[str, str] | None]] = _find_nothing
    find_outcome: Callable[[str, str], Awaitable[DeliveryOutcome | None]] = _find_no_outcome
    webhook_url: Callable[[Account], str] = lambda account: ""

    async def is_other_message(self, account: Account, external_id: str, marker: str) -> bool:
        """Return whether this external id is on record as another message or part than ``marker``. If it is recorded
        for the part's own message, that proves nothing: a sender records the id first, and may crash before it records
        the outcome."""
        sent = await self.find_sent(account.tenant, account.channel, account.name, external_id)
        if sent is None:
            return False
        conversation, message = sent
        return message != ids.message_of_part(marker) or await self._is_earlier(
            conversation, message, external_id, marker
        )

    async def _is_earlier(self, conversation: str, message: str, external_id: str, marker: str) -> bool:
        """Return whether it is an earlier part of the same message: parts are sent in order and may look alike."""
        number = 0
        while (part := f"{message}.{number}") != marker:
            delivered = await self.find_outcome(conversation, part)
            if delivered is None or delivered.external_id == external_id:
                return delivered is not None
            number += 1
        return False
