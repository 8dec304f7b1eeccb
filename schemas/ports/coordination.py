"""What processes share beside the log and the state of conversations."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from schemas.messages import Attachment


class Limiter(Protocol):
    async def take(self, key: str, *, per_second: float, burst: int, now: datetime) -> float:
        """0 when allowed (and taken), else seconds until one more is. Shared by all processes."""

    async def add(self, key: str, amounts: Mapping[str, int], *, keep: float, now: datetime) -> dict[str, int]:
        """Add to the counters of ``key`` and get their new totals, by the same names. What was not added to for
        ``keep`` seconds is forgotten."""


class Leases(Protocol):
    async def acquire(self, name: str, holder: str, *, ttl: float, now: datetime) -> int | None:
        """A fencing token that grows with every new holder; None while another holds it. Renews for the holder."""

    async def release(self, name: str, holder: str) -> None: ...

    async def leave(self, name: str, token: int, note: str) -> bool:
        """Keep a note for whoever holds the lease next, in the place of the one before. False, and nothing changed,
        when ``token`` is not that of the present holder."""

    async def note(self, name: str) -> str:
        """The note that was left last; empty when there is none."""


class Signals(Protocol):
    """Ephemeral fan-out between processes. Lossy: whoever needs the truth re-reads it every 2 s."""

    async def publish(self, topic: str, payload: bytes) -> None: ...
    def tell(self, topic: str, payload: bytes) -> None:
        """Publish without waiting: for what nobody misses. Never raises."""

    def subscribe(self, topic: str) -> AsyncIterator[bytes]:
        """Ends when the iterator is closed. A slow reader loses the oldest payloads, never blocks a publisher."""


class Heads(Protocol):
    """How far a tenant's newest write to ``parley.knowledge`` is: a turn waits for it before it searches."""

    async def raise_to(self, tenant: str, partition: int, offset: int) -> None:
        """Only ever upwards."""

    async def of(self, tenant: str) -> dict[int, int]:
        """Offset of the newest write, by partition."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A stored file and whose it is: the conversation that it may be referenced in, and the contact who uploaded it
    (empty: a colleague). Files of releases that did not bind them have neither."""

    attachment: Attachment
    conversation: str = ""
    uploader: str = ""


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload whose message was not yet seen in the transcript. ``claimed``: a message that references it was, or
    was about to be, put on the log."""

    tenant: str
    id: str
    at: datetime
    conversation: str = ""
    claimed: bool = False


class Blobs(Protocol):
    """Files that came with messages. An id is random and says nothing about the content; name and type belong to it."""

    async def put(
        self,
        tenant: str,
        name: str,
        declared_type: str,
        data: bytes,
        *,
        conversation: str = "",
        uploader: str = "",
        claimed: bool = True,
    ) -> Attachment:
        """Store a file under a new id, bound to its conversation and uploader. ``claimed`` False: it is an upload, and
        is deleted a day later unless a message claims it. Without a conversation it is kept, and no client can
        reference it.

        Raises TooLarge, UnsupportedMediaType (typed by content, not by name); where quotas are kept also StorageFull
        and RateLimited."""

    async def get(self, tenant: str, attachment: str) -> tuple[Attachment, bytes]:
        """Raises NotFound."""

    async def describe(self, tenant: str, attachment: str) -> StoredFile:
        """Raises NotFound."""

    async def claim(self, tenant: str, attachment: str) -> None:
        """Keep it: a message that references it is about to be put on the log. May be repeated. Raises NotFound, also
        of an upload that is old enough to be deleted."""

    async def settle(self, tenant: str, attachment: str) -> None:
        """It is in the transcript: no longer an upload."""

    def uploads(self, *, before: datetime) -> AsyncIterator[Upload]:
        """Those of all tenants from before that time."""

    async def delete(self, tenant: str, attachment: str) -> int:
        """Remove file and description; returns the bytes of the file. May be repeated."""

    async def total(self, tenant: str) -> int:
        """Bytes of all files of a tenant, by listing them."""


class VisitorTokens(Protocol):
    """What must be known of visitor tokens beside what they say themselves. An entry is forgotten after ``until``."""

    async def bind(self, identity: str, session: str, *, until: datetime, now: datetime) -> str:
        """The session that was the first to use a one-time identity: this one, unless another was faster."""

    async def revoke(self, conversation: str, session: str, *, until: datetime, now: datetime) -> None:
        """The session is over, for all processes and once this returns."""

    async def is_revoked(self, conversation: str, session: str, *, now: datetime) -> bool: ...


class Metrics(Protocol):
    """The counters of contract §5. A name that is not declared there is a programming error (KeyError)."""

    def count(self, name: str, amount: float = 1, **labels: str) -> None: ...
    def observe(self, name: str, seconds: float, **labels: str) -> None: ...
    def observe_each(self, name: str, by: str, seconds: Mapping[str, float], **labels: str) -> None:
        """Observe several series at once, which differ in their label ``by``."""

    def gauge(self, name: str, value: float, **labels: str) -> None: ...
