"""Who talks with whom, what was said, and who may speak."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from schemas.conversation import Contact, Conversation, Facts, Origin, Owner, PackedSnapshot, Snapshot, Turn
from schemas.envelope import Envelope
from schemas.messages import Address, Attachment, MessageState, TranscriptMessage


@dataclass(slots=True)
class Begun:
    """``token`` fences: a commit with an older one is refused. ``outbox`` was committed but perhaps never published:
    publish it before anything else. ``handled`` are those of the asked event ids that need no answer any more.

    Never changed once made; not declared frozen, which would make making one slower."""

    conversation: Conversation
    token: int
    handled: frozenset[str]
    outbox: list[Envelope] = field(default_factory=list)
    reused: frozenset[str] = frozenset()
    """Of the messages to add, those that are there with other content."""
    recent: Sequence[TranscriptMessage] = ()
    """What was asked for, while the agent owns the conversation."""
    deleted: frozenset[str] = frozenset()
    """Of ``recent``, those that are deleted."""


@dataclass(frozen=True, slots=True)
class Committed:
    """What became of a commit. ``snapshot`` is the conversation in the same step; None when it was ``stale``."""

    verdict: Literal["committed", "stale"]
    snapshot: PackedSnapshot | None = None


@dataclass(frozen=True, slots=True)
class Owned:
    """Result of a compare-and-set of the owner. ``owner`` and ``epoch`` are what holds now."""

    won: bool
    owner: Owner
    epoch: int


@dataclass(frozen=True, slots=True)
class Page:
    """``next`` is the cursor for the following page, empty at the end."""

    items: list[Conversation]
    next: str = ""


class Conversations(Protocol):
    async def open(self, conversation: str, origin: Origin, *, now: datetime) -> None:
        """Make the conversation when it is new (owner agent, epoch 0, version 0, no token raised, nothing fenced); else
        change nothing."""

    async def begin(
        self,
        conversation: str,
        origin: Origin,
        event_ids: Sequence[str],
        *,
        now: datetime,
        messages: Sequence[TranscriptMessage] = (),
        recent: int = 0,
    ) -> Begun:
        """Creates the conversation when it is new. Raises a new fencing token each time. In the same step ``messages``
        join the transcript as by ``Transcript.add``, and its last ``recent`` lines are read."""

    async def commit(
        self,
        conversation: str,
        *,
        token: int,
        version: int,
        epoch: int,
        facts: Facts,
        handled: Sequence[str],
        outbox: Sequence[Envelope],
        now: datetime,
    ) -> Committed:
        """One atomic step. ``stale`` when token, version or owner epoch moved: nothing was written."""

    async def pending(self, conversation: str) -> list[Envelope]:
        """The outbox, in commit order."""

    async def published(self, conversation: str, event_ids: Sequence[str], *, turns: Sequence[Turn] = ()) -> None:
        """Remove these from the outbox, and in the same step do what ``Turns.add`` does with each of ``turns``, whose
        records (``ids.turn_record_id``) are among these events."""

    async def unpublished(self, *, before: datetime, limit: int) -> list[str]:
        """Conversations whose outbox has held something since before ``before``."""

    async def expiring(self, *, before: datetime, limit: int) -> list[str]:
        """Conversations in whose facts an approval has expired before ``before``, the longest first."""

    async def postpone(self, conversation: str, until: datetime) -> None:
        """Of an approval of this conversation ``expiring`` tells nothing before ``until``, unless the conversation is
        committed meanwhile: then by what its facts say."""

    async def own(
        self,
        conversation: str,
        to: Owner,
        *,
        expected_epoch: int,
        request_id: str,
        by: str,
        name: str = "",
        reason: str = "",
        now: datetime,
    ) -> Owned:
        """Compare-and-set; on success epoch + 1, ``agent_floor`` = epoch when people claim (queue, person), the
        ``holder`` is who asked, since ``now``, and an ``owner.changed`` event is in the outbox. Idempotent by
        ``request_id``. Raises NotFound."""

    async def get(self, conversation: str) -> Conversation | None: ...
    async def snapshot(self, conversation: str) -> Snapshot | None: ...
    async def listing(
        self, tenant: str, *, owner: Owner | None = None, channel: str = "", after: str = "", limit: int = 50
    ) -> Page:
        """Newest activity first."""

    async def count(self, tenant: str, owner: Owner, *, channel: str = "") -> int:
        """How many of a tenant's conversations have this kind of owner."""

    async def counts(self) -> dict[Owner, int]:
        """How many conversations each kind of owner has, over all tenants."""


@dataclass(frozen=True, slots=True)
class Change:
    """What the vendor says about a contact, and when. ``moved``: all addresses of the call are one contact's, of which
    ``left`` are theirs no more. ``name`` empty, ``opted_out`` or ``marketing_opted_out`` None: nothing was said about
    that. ``locale`` comes with a name."""

    at: datetime
    moved: bool = False
    left: Sequence[Address] = ()
    name: str = ""
    locale: str = ""
    opted_out: bool | None = None
    marketing_opted_out: bool | None = None


class Contacts(Protocol):
    async def resolve(
        self,
        tenant: str,
        channel: str,
        account: str,
        place: str,
        addresses: Sequence[Address],
        *,
        now: datetime,
        change: Change | None = None,
    ) -> tuple[Contact, str]:
        """Atomically find or make the contact behind these addresses, and the conversation at its place:
        ``(contact, conversation id)``. A later call with a new alias leads to the same conversation. An address's
        assurance only rises.

        The first address says who it is, the others are aliases. One that leads to somebody who is known by other
        addresses too has changed hands: it becomes this contact's, and leads to nothing that was said before. When the
        contact ``moved`` all are theirs, and who was known by a new one before the move is somebody else. A ``change``
        that is older than the last one changes nothing."""

    async def preview(
        self, tenant: str, channel: str, account: str, place: str, addresses: Sequence[Address], *, now: datetime
    ) -> tuple[Contact, str]:
        """What ``resolve`` would answer. Nothing is written, so the contact may not exist yet."""

    async def get(self, tenant: str, contact: str) -> Contact | None: ...


class Transcript(Protocol):
    async def add(self, conversation: str, message: TranscriptMessage) -> int:
        """Idempotent by ``message.id``; returns its sequence number. Raises IdReused when the same id comes with
        another text, attachments or author."""

    async def mark(self, conversation: str, message_ids: Sequence[str], state: MessageState) -> None:
        """Receipt states only rise (accepted < sent < delivered < read); ``failed``, ``dropped`` and ``deleted``
        are final. Unknown ids are ignored."""

    async def edit(self, conversation: str, message_id: str, text: str, *, revision: int = 0) -> bool:
        """Replace (or with "" erase) the text. False when the message is unknown, or has a higher revision already; 0
        is none, and changes it whatever it has."""

    async def attach(
        self, conversation: str, message_id: str, attachments: Sequence[Attachment]
    ) -> TranscriptMessage | None:
        """Give a message its attachments, unless it is deleted or has others than those that the list begins with; none
        take them all away. Returns the message as it is then, None when it is unknown."""

    async def find(self, conversation: str, message_id: str) -> TranscriptMessage | None: ...
    async def read(self, conversation: str, *, after: int = 0, limit: int = 200) -> list[TranscriptMessage]: ...
    async def recent(self, conversation: str, *, limit: int = 20) -> list[TranscriptMessage]:
        """The last ``limit``, ascending."""

    async def head(self, conversation: str) -> int: ...
