"""All ports of one state store, and how it is rebuilt from the log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from schemas.access import AccessToken
from schemas.actions import ActionIntended, ActionSettled
from schemas.conversation import Contact, DeadLetter, DeliveryOutcome, Snapshot
from schemas.conversation_activity import SessionEnded
from schemas.messages import TranscriptMessage
from schemas.ports.bus import Record
from schemas.ports.contacts import ContactErasure, ContactKeys, Contacts, ContactSearch
from schemas.ports.conversations import Conversations, Transcript, Turns
from schemas.ports.coordination import AccessTokens, KnowledgeHeads, Leases, Limiter, Signals, VisitorTokens
from schemas.ports.parking import DeadLetters, Parking, Strikes
from schemas.ports.retention import Retention
from schemas.ports.side_effects import Deliveries, Journal
from schemas.privacy.contact_keys import ContactKey

if TYPE_CHECKING:
    from schemas.privacy.sealed_bodies import BodySealer


class Rebuild(Protocol):
    """The state store's side of a rebuild from the log."""

    async def check(self) -> frozenset[int]:
        """The lost shards (0–255): never set up, flushed or rolled back."""

    async def prepare(self, shards: frozenset[int]) -> None:
        """Empty these shards; they keep failing with StateLost until ``finish``."""

    async def restore(self, snapshot: Snapshot) -> None: ...
    async def restore_contact(self, contact: Contact) -> None: ...
    async def restore_message(self, conversation: str, message: TranscriptMessage) -> None:
        """``message.seq`` 0 takes the next number; any other number is used as it is."""

    async def restore_delivery(
        self, conversation: str, outcome: DeliveryOutcome, *, channel: str = "", account: str = ""
    ) -> None:
        """``channel`` and ``account``: where the message was shown; empty means where the conversation happens."""

    async def restore_parked(self, group: str, conversation: str, record: Record, *, until: datetime) -> None:
        """Do as ``Parking.park``, on a shard that is being rebuilt. A stored ``until`` stays."""

    async def restore_intended(self, tenant: str, conversation: str, intended: ActionIntended) -> None:
        """Do as ``Journal.claim`` and ``Journal.admit``, on shards that are being rebuilt."""

    async def restore_settled(self, conversation: str, settled: ActionSettled) -> None:
        """Do as ``Journal.record``."""

    async def restore_session_ended(self, conversation: str, ended: SessionEnded, *, now: datetime) -> None:
        """Do as ``VisitorTokens.revoke``."""

    async def restore_access_token(self, token: AccessToken) -> None:
        """Do as ``AccessTokens.put``."""

    async def restore_dead_letter(self, letter: DeadLetter) -> None:
        """Add a letter unless it is known."""

    async def restore_contact_key(self, key: ContactKey) -> None:
        """Do as ``ContactKeys.put``."""

    async def finish(self, shards: frozenset[int]) -> None:
        """Give the shards a new epoch: work on them may resume, in every process."""


LogPositions = Mapping[str, Mapping[int, int]]
"""The offset to read next, by topic and partition."""


class Checkpoints(Protocol):
    """Positions on the log, kept in the store itself: everything that was done before they were saved is in the store,
    and what came later is on the log behind them. A store that went back in time, because a replica took over, then
    needs only the end of the log."""

    async def save(self, positions: LogPositions) -> None:
        """``positions`` were read after the last call. They are kept only if the store was complete since then."""

    async def load(self, shards: frozenset[int]) -> LogPositions | None:
        """From where the log has to be read to complete these lost shards; None: from its beginning."""

    async def keep(self, shards: frozenset[int]) -> None:
        """Do as ``Rebuild.prepare``, but keep the rows of the shards that ``load`` found positions for."""

    async def find_line(self, conversation: str, message_id: str) -> TranscriptMessage | None:
        """A line of the transcript that was kept."""


@dataclass(frozen=True, slots=True)
class State:
    """All state ports of one store."""

    conversations: Conversations
    contacts: Contacts
    contact_search: ContactSearch
    contact_keys: ContactKeys
    contact_erasure: ContactErasure
    transcript: Transcript
    deliveries: Deliveries
    parking: Parking
    dead_letters: DeadLetters
    strikes: Strikes
    turns: Turns
    limiter: Limiter
    leases: Leases
    signals: Signals
    heads: KnowledgeHeads
    journal: Journal
    tokens: VisitorTokens
    access_tokens: AccessTokens
    rebuild: Rebuild
    check_ready: Callable[[], Awaitable[None]]
    """Raises StateUnavailable or StateLost when work cannot go on now."""
    close: Callable[[], Awaitable[None]]
    stops_without: Callable[[frozenset[int]], bool] = bool
    """Whether all work must stop while these shards are lost, or only that on them."""
    checkpoints: Checkpoints | None = None
    """None: the store never goes back in time, or is rebuilt from the whole log then."""
    retention: Retention | None = None
    """None: the store keeps everything."""
    seal_with: Callable[[BodySealer], None] | None = None
    """Seals bodies from now on, and opens sealed ones. To be called before the first use, once the keys of contacts,
    which the store holds too, can be read. None: the store keeps them plain."""
    seal_contacts: Callable[[str], Awaitable[None]] | None = None
    """Seals the contacts of a tenant that an earlier release has stored, and those that are found by means of an
    earlier secret key: once it returns, nothing depends on that. Costs one read if nothing is to be done. None: there
    are no such contacts."""
