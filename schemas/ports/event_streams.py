"""Channels that receive over a connection of ours, and channels whose vendor keeps a history to backfill from."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from schemas.messages import Address
from schemas.ports.channel import Account, ChannelEvent


class EventStreamContext(Protocol):
    """The inbound side of an account, for the one process that holds its lease."""

    @property
    def session(self) -> Mapping[str, Any]:
        """Return the state that the last holder, perhaps another process, stored; empty at first."""

    @property
    def stored_session(self) -> Mapping[str, Any]:
        """Return the state that the next holder would get if this process died now."""

    async def take(self, events: Sequence[ChannelEvent]) -> None:
        """Append events; durable when it returns, and only then may they be acknowledged. Raises TemporaryRefusal
        (acknowledge nothing; the same events may be given again) and Fenced (another process holds the account)."""

    def remember(self, session: Mapping[str, Any]) -> None:
        """Keep ``session`` for the next holder. It is stored within seconds, and at the end."""

    async def save(self) -> None:
        """Store what was remembered; done when it returns. Raises Unavailable, Fenced."""

    def request_backfill(self) -> None:
        """Events were refused that the vendor may not send again: read its history once events can be taken."""

    async def live(self, *, missed: bool, hold: float) -> None:
        """The vendor sends events from now on; what was remembered is stored at once. ``missed``: the vendor will not
        send what happened since the account was last connected, so its history is read, and ``take`` waits for that
        for at most ``hold`` seconds. A history that the last holder did not finish is read in any case."""

    async def find_missed(
        self, place: str, read: Callable[[datetime], AsyncIterator[list[ChannelEvent]]]
    ) -> list[ChannelEvent]:
        """Return what was missed in a place that the last backfill did not know; ``read`` yields its history since a
        time. Nothing if the place was read since the last gap, or cannot be read now: then the backfill is repeated
        after the next ``take``."""

    def mark_pending(self, since: datetime | None) -> None:
        """Events have waited since then to be taken, and the vendor may not repeat them; None if none wait. Should
        this process die, its history is read from there."""

    def mark_disconnected(self) -> None:
        """The connection is down until ``live``."""


@runtime_checkable
class EventStreamChannel(Protocol):
    """A channel with accounts that receive over an event stream: a connection of ours."""

    def streams(self, account: Account) -> bool: ...

    async def stream(self, account: Account, context: EventStreamContext) -> None:
        """Receive the account's events until the connection ends. Cancelled when the account is no longer ours; then it
        stops within a second. Raises CredentialsRevoked, SetupError (an operator has to change something), RetryLater,
        Fenced."""


class BackfillContext(Protocol):
    """Stored facts about an account and its contacts."""

    @property
    def session(self) -> Mapping[str, Any]:
        """Return the stored state of the account's stream; see ``EventStreamContext``."""

    async def places(self) -> Sequence[str]:
        """The places of the account's conversations, newest activity first."""

    async def addresses(self, place: str, addresses: Sequence[Address]) -> Sequence[Address]:
        """All addresses of the contact who has these."""


@runtime_checkable
class BackfillChannel(Protocol):
    """A channel whose vendor can be asked for contacts' past messages."""

    def backfills(self, account: Account) -> bool: ...

    def backfill(
        self, account: Account, since: datetime, context: BackfillContext
    ) -> AsyncIterator[list[ChannelEvent]]:
        """The messages since then, in order within each place: the same events, with the same ids, as the vendor sent
        or would have sent. Raises a DeliveryError when it is uncertain whether these were all."""
