"""What became of messages: sent, set aside, given up on, and the turns that made them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal, NamedTuple, Protocol

from schemas.conversation import DeadLetter, Delivered, Turn
from schemas.messages import OutboundMessage
from schemas.ports.bus import Record, TopicPartition

SendVerdict = Literal["go", "stale_owner", "already_sent", "expired", "in_doubt"]


class Deliveries(Protocol):
    async def begin_send(
        self, conversation: str, message: OutboundMessage, *, deadline: float, now: datetime
    ) -> SendVerdict:
        """One atomic step: owner rule, expiry, and the intent with its hard deadline. ``in_doubt``: an intent without
        an outcome exists (a crash, or another sender): reconcile before sending again."""

    async def begin_again(
        self,
        conversation: str,
        message: OutboundMessage,
        *,
        deadline: float,
        now: datetime,
        held: datetime | None = None,
    ) -> SendVerdict:
        """As ``begin_send`` for a message in doubt that certainly was not shown: the owner rule and the expiry once
        more, and a new intent in the place of the old one. ``in_doubt`` while the old deadline has not passed, unless
        it is ``held``: the deadline of the caller's own intent, whose attempt has ended."""

    async def withdraw(self, conversation: str, message_id: str) -> None:
        """Take an intent back whose call certainly did nothing. Changes nothing once there is an outcome."""

    async def doubtful_until(self, conversation: str, message_id: str) -> datetime | None:
        """The deadline of an intent without an outcome: its sender may act until then. None when there is none."""

    async def record(self, conversation: str, outcome: Delivered) -> None:
        """Final for ``sent``, ``failed``, ``expired``, ``stale_owner``; ``unknown`` may be resolved later."""

    async def outcome(self, conversation: str, message_id: str) -> Delivered | None: ...
    async def by_external_id(self, tenant: str, channel: str, account: str, external_id: str) -> tuple[str, str] | None:
        """``(conversation, message id)``, as the sender bound it with ``bind``."""

    async def bind(
        self, tenant: str, channel: str, account: str, external_id: str, conversation: str, message_id: str
    ) -> None: ...
    async def unresolved(self, *, before: datetime, limit: int) -> list[tuple[str, str]]:
        """Intents without an outcome whose deadline passed before ``before``: ``(conversation, message id)``."""


class Parking(Protocol):
    """Ordered lists of records set aside, by consumer group and conversation. Durable when ``park`` returns."""

    async def park(self, group: str, conversation: str, records: Sequence[Record], *, until: datetime) -> None:
        """Idempotent by record position. ``until`` replaces the earlier one."""

    async def parked(self, group: str, conversation: str, *, limit: int) -> list[Record]:
        """The oldest, in the order of their offsets, whatever the order in which they were parked."""

    async def unpark(self, group: str, conversation: str, records: Sequence[Record]) -> int:
        """Remove handled ones; returns how many are left."""

    async def waiting(
        self, group: str, partitions: Iterable[TopicPartition]
    ) -> dict[str, tuple[TopicPartition, datetime]]:
        """Conversations with parked records of these partitions, and until when."""


class DeadLetters(Protocol):
    async def add(self, letter: DeadLetter) -> None:
        """Idempotent by id."""

    async def get(self, tenant: str, letter: str) -> DeadLetter | None: ...
    async def replayed(self, tenant: str, letter: str) -> int:
        """Count a replay; returns its number, from 1. Raises NotFound."""

    async def listing(self, tenant: str, *, after: str = "", limit: int = 50) -> tuple[list[DeadLetter], str]:
        """Newest first, with the next cursor."""


StrikeCode = Literal["process_stalled", "process_crashed", "memory_exhausted"]


class Strike(NamedTuple):
    """A record whose code ran when its process stalled or died. ``incident`` is that event's own id."""

    group: str
    topic: str
    partition: int
    offset: int
    incident: str
    code: StrikeCode
    at: datetime


class Strikes(Protocol):
    """Records that may have stalled or killed a process, by consumer group."""

    async def add(self, strikes: Sequence[Strike]) -> None:
        """Durable when it returns. Idempotent by record and incident."""

    async def of(self, group: str, source: TopicPartition) -> list[Strike]: ...
    async def clear(self, strikes: Sequence[Strike]) -> None:
        """The records are done."""


class Turns(Protocol):
    """What was done to answer, for people who look: the newest 200 turns of a conversation. The facts themselves are on
    ``parley.events``; a store that lost its turns is not rebuilt for them."""

    async def add(self, conversation: str, turn: Turn) -> None:
        """Idempotent by ``turn.id``: the first stays."""

    async def listing(self, conversation: str, *, limit: int = 200) -> list[Turn]:
        """The newest ``limit``, oldest first."""
