"""Channels whose vendor is connected to, and what a vendor kept while nobody heard it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from schemas.messages import Address
from schemas.ports.channel import Account, Event


class Line(Protocol):
    """An account's way in, in the hands of the only process that may use it."""

    @property
    def session(self) -> Mapping[str, Any]:
        """What the last holder, which may have been another process, remembered; empty at first."""

    async def take(self, events: Sequence[Event]) -> None:
        """Append them; durable when it returns, and only then may they be acknowledged. Raises RefusedForNow (nothing
        may be acknowledged; the same may be given again) and Fenced (the account is somebody else's by now)."""

    def remember(self, session: Mapping[str, Any]) -> None:
        """For the next holder; kept within seconds, and at the end."""

    async def save(self) -> None:
        """What was remembered is kept when it returns. Raises Unavailable, Fenced."""

    def behind(self) -> None:
        """Something was refused that the vendor may not tell again: its history is asked once events can be taken."""

    async def live(self, *, missed: bool, hold: float) -> None:
        """From now on the vendor tells what happens; what was remembered is kept at once. ``missed``: it will not tell
        what happened since the account was last heard, so its history is asked, and ``take`` waits for that, for at
        most ``hold`` seconds."""


@runtime_checkable
class Streaming(Protocol):
    """A channel with accounts that are heard over a connection of ours."""

    def streams(self, account: Account) -> bool: ...

    async def stream(self, account: Account, line: Line) -> None:
        """Hear the account until the connection ends; cancelled when the account is no longer ours, and then silent
        within a second. Raises CredentialsRevoked, SetupError (an operator has to change something), SendDelayed,
        Fenced."""


class Acquaintance(Protocol):
    """What we know of an account and of its contacts."""

    @property
    def session(self) -> Mapping[str, Any]:
        """What its stream remembered; see ``Line``."""

    async def places(self) -> Sequence[str]:
        """Where conversations are, those with the newest activity first."""

    async def addresses(self, place: str, addresses: Sequence[Address]) -> Sequence[Address]:
        """All addresses of the contact who has these."""


@runtime_checkable
class Backfilling(Protocol):
    """A channel whose vendor can be asked for what contacts wrote."""

    def backfills(self, account: Account) -> bool: ...

    def backfill(self, account: Account, since: datetime, known: Acquaintance) -> AsyncIterator[list[Event]]:
        """The messages since then, in order inside each place: the same events, with the same ids, as the vendor told
        or would have told. Raises a DeliveryError when it cannot be told whether these were all."""
