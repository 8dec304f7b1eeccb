"""Conversations: begin, commit, outbox, owner, listing; the transcript that both sides see, and the turns behind it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from schemas.conversation import Conversation, Facts, Origin, Owner, PackedSnapshot, Snapshot, Turn
from schemas.envelope import Envelope
from schemas.messages import Attachment, MessageState, TranscriptMessage


@dataclass(slots=True)
class BegunConversation:
    """A conversation on which work has begun. ``token`` fences: a commit with an older token is refused. ``outbox``
    was committed but perhaps never published: publish it before anything else. ``handled``: those of the given event
    ids that need no answer any more.

    Treat it as immutable. It is not declared frozen because that makes creating one slower."""

    conversation: Conversation
    token: int
    handled: frozenset[str]
    outbox: list[Envelope] = field(default_factory=list)
    reused: frozenset[str] = frozenset()
    """Ids of the messages to add that the transcript already holds with other content."""
    recent: Sequence[TranscriptMessage] = ()
    """The last lines of the transcript, as requested; empty unless the agent owns the conversation."""
    deleted: frozenset[str] = frozenset()
    """Ids of those of ``recent`` that are deleted."""


@dataclass(frozen=True, slots=True)
class Publication:
    """What a commit publishes besides its outbox. ``build_snapshot`` builds the event of the snapshot, which comes
    first; ``turns``: see ``Conversations.published``."""

    build_snapshot: Callable[[PackedSnapshot], Envelope]
    turns: Sequence[Turn] = ()


@dataclass(frozen=True, slots=True)
class CommitResult:
    """``snapshot`` is the conversation as of this commit; None when the verdict is ``stale``, and when everything
    ``is_published``: then nothing of it is in the outbox."""

    verdict: Literal["committed", "stale"]
    snapshot: PackedSnapshot | None = None
    is_published: bool = False


@dataclass(frozen=True, slots=True)
class OwnershipResult:
    """Result of a compare-and-set of the owner. ``owner`` and ``epoch`` are the current ones."""

    won: bool
    owner: Owner
    epoch: int


@dataclass(frozen=True, slots=True)
class Page:
    """``next`` is the cursor of the following page, empty at the end."""

    items: list[Conversation]
    next: str = ""


class Conversations(Protocol):
    async def open(self, conversation: str, origin: Origin, *, now: datetime) -> None:
        """Create the conversation if it is new (owner agent, epoch 0, version 0). Raises no token and fences nobody."""

    async def begin(
        self,
        conversation: str,
        origin: Origin,
        event_ids: Sequence[str],
        *,
        now: datetime,
        messages: Sequence[TranscriptMessage] = (),
        recent: int = 0,
    ) -> BegunConversation:
        """Create the conversation if it is new, and issue a new fencing token. In the same step ``messages`` are added
        to the transcript as by ``Transcript.add``, and its last ``recent`` lines are read."""

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
        publication: Publication | None = None,
    ) -> CommitResult:
        """Write everything in one atomic step. ``stale`` when token, version or owner epoch has moved: then nothing was
        written. With a ``publication``, a store that shares its transactions with the log publishes in this step."""

    async def read_outbox(self, conversation: str) -> list[Envelope]:
        """The outbox, in commit order."""

    async def published(self, conversation: str, event_ids: Sequence[str], *, turns: Sequence[Turn] = ()) -> None:
        """Remove these events from the outbox, and in the same step add each of ``turns`` as ``Turns.add`` does. The
        records of these turns (``ids.turn_record_id``) are among the events."""

    async def list_unpublished(self, *, before: datetime, limit: int) -> list[str]:
        """Conversations whose outbox has held an event since before ``before``."""

    async def list_expiring(self, *, before: datetime, limit: int) -> list[str]:
        """Conversations with an approval that expired before ``before``, the longest expired first."""

    async def postpone(self, conversation: str, until: datetime) -> None:
        """Leave this conversation out of ``list_expiring`` until ``until``, unless it is committed meanwhile: then its
        facts decide again."""

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
    ) -> OwnershipResult:
        """Compare and set the owner. On success the epoch rises by one, ``agent_floor`` becomes that epoch if people
        claim (queue, person), the requester becomes ``holder`` since ``now``, and an ``owner.changed`` event is in the
        outbox. Idempotent by ``request_id``. Raises NotFound."""

    async def get(self, conversation: str) -> Conversation | None: ...
    async def snapshot(self, conversation: str) -> Snapshot | None: ...
    async def list_page(
        self, tenant: str, *, owner: Owner | None = None, channel: str = "", after: str = "", limit: int = 50
    ) -> Page:
        """One page of a tenant's conversations, newest activity first."""

    async def count(self, tenant: str, owner: Owner, *, channel: str = "") -> int:
        """Number of a tenant's conversations with this kind of owner."""

    async def counts(self) -> dict[Owner, int]:
        """Number of conversations by kind of owner, over all tenants."""


class Transcript(Protocol):
    async def add(self, conversation: str, message: TranscriptMessage) -> int:
        """Add a message and return its sequence number. Idempotent by ``message.id``. Raises IdReused when the same id
        comes with another text, other attachments or another kind of author."""

    async def mark(self, conversation: str, message_ids: Sequence[str], state: MessageState) -> None:
        """Set the state of messages. States only rise (accepted < sent < delivered < read); ``failed``, ``dropped`` and
        ``deleted`` are final. Unknown ids are ignored."""

    async def edit(self, conversation: str, message_id: str, text: str, *, revision: int = 0) -> bool:
        """Replace the text, or erase it with "". False when the message is unknown or already has a higher revision;
        revision 0 means that the vendor does not count, and always applies."""

    async def attach(
        self, conversation: str, message_id: str, attachments: Sequence[Attachment]
    ) -> TranscriptMessage | None:
        """Set a message's attachments; an empty list removes them. Changes nothing when the message is deleted, or has
        attachments that the list does not begin with. Returns the message as it is then, None when it is unknown."""

    async def find(self, conversation: str, message_id: str) -> TranscriptMessage | None: ...
    async def read(self, conversation: str, *, after: int = 0, limit: int = 200) -> list[TranscriptMessage]: ...
    async def read_recent(self, conversation: str, *, limit: int = 20) -> list[TranscriptMessage]:
        """The last ``limit`` messages, in ascending order."""

    async def head(self, conversation: str) -> int:
        """The highest sequence number; 0 when there is none."""


class Turns(Protocol):
    """The newest 200 turns of each conversation, for people to look up. The facts themselves are on ``parley.events``;
    a store that has lost its turns is not rebuilt for them."""

    async def add(self, conversation: str, turn: Turn) -> None:
        """Idempotent by ``turn.id``: the first one stays."""

    async def list_newest(self, conversation: str, *, limit: int = 200) -> list[Turn]:
        """The newest ``limit`` turns, oldest first."""
