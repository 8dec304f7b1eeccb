"""Coordination between processes: rate limits, leases, signals, knowledge heads, tokens, metrics."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from schemas.access import AccessToken


class Limiter(Protocol):
    """Token buckets, counters and limited places that all processes share."""

    async def take(self, key: str, *, per_second: float, burst: int, now: datetime, keep: float = 0.0) -> float:
        """Take a token: 0 when one was there, else the seconds until the next one. ``keep``: seconds after which a
        bucket that nothing was taken from may be dropped, although it is not full; 0: never."""

    async def add(self, key: str, amounts: Mapping[str, int], *, keep: float, now: datetime) -> dict[str, int]:
        """Add to the counters of ``key`` and return their new totals by name. Counters that nothing was added to for
        ``keep`` seconds are dropped."""

    async def occupy(self, key: str, occupant: str, *, limit: int, keep: float, now: datetime) -> float:
        """Occupy one of ``limit`` places until ``vacate``, or for ``keep`` seconds. 0 if there was one, or the occupant
        has one already; else the seconds after which one should be free, by how long the places are in use."""

    async def vacate(self, key: str, occupants: Sequence[str]) -> None: ...


class Leases(Protocol):
    """Locks with an expiry and a fencing token: a single holder for each name."""

    async def acquire(self, name: str, holder: str, *, ttl: float, now: datetime) -> int | None:
        """Acquire or renew. Returns a fencing token that grows with every new holder; None while another holds it."""

    async def release(self, name: str, holder: str) -> None: ...

    async def save_note(self, name: str, token: int, note: str) -> bool:
        """Store a note for the next holder, in place of the earlier one. False, with nothing changed, when ``token`` is
        not the present holder's."""

    async def read_note(self, name: str) -> str:
        """The stored note; empty when there is none."""


class Signals(Protocol):
    """Ephemeral fan-out between processes. Lossy: readers that need the truth also re-read it every 2 s."""

    async def publish(self, topic: str, payload: bytes) -> None: ...
    def publish_nowait(self, topic: str, payload: bytes) -> None:
        """Publish without waiting, where a loss does not matter. Never raises."""

    def subscribe(self, topic: str) -> AsyncIterator[bytes]:
        """Ends when the iterator is closed. A slow reader loses the oldest payloads and never blocks a publisher."""


class KnowledgeHeads(Protocol):
    """The offset of each tenant's newest write to ``parley.knowledge``. A turn waits for it before it searches."""

    async def advance(self, tenant: str, partition: int, offset: int) -> None:
        """Raise the head; it never goes back."""

    async def of(self, tenant: str) -> dict[int, int]:
        """Offset of the newest write, by partition."""


class VisitorTokens(Protocol):
    """The state behind visitor tokens. An entry is dropped after ``until``."""

    async def bind(self, identity: str, session: str, *, until: datetime, now: datetime) -> str:
        """Bind a one-time identity to the first session that uses it. Returns that session, which may be another."""

    async def revoke(self, conversation: str, session: str, *, until: datetime, now: datetime) -> None:
        """End the session, in all processes, once this returns."""

    async def is_revoked(self, conversation: str, session: str, *, now: datetime) -> bool: ...


class AccessTokens(Protocol):
    """API tokens, by tenant and id. All processes see a change as soon as the call returns."""

    async def put(self, token: AccessToken) -> None:
        """Store the token, or replace it. A token that is revoked stays as it is."""

    async def get(self, tenant: str, id: str) -> AccessToken | None: ...

    async def list_all(self, tenant: str) -> list[AccessToken]:
        """List the tenant's tokens, the newest first."""

    async def remove(self, tenant: str, id: str) -> None:
        """Forget a token that nobody can use any more."""


class Metrics(Protocol):
    """The metrics that ``infra.metrics`` declares. An undeclared name is a programming error (KeyError)."""

    def count(self, name: str, amount: float = 1, **labels: str) -> None: ...
    def observe(self, name: str, seconds: float, **labels: str) -> None: ...
    def observe_many(self, name: str, by: str, seconds: Mapping[str, float], **labels: str) -> None:
        """Observe several series at once that differ in the label ``by``."""

    def gauge(self, name: str, value: float, **labels: str) -> None: ...
