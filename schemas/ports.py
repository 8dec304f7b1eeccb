"""Every port on one page. No client library's type leaks through here; nobody here knows who calls.

Shared rules
- Every method may raise ``BusUnavailable`` / ``StateUnavailable`` (nothing is known about the outcome) or ``StateLost``
  (the shard must be rebuilt). Every transition may be repeated with the same arguments: the second call returns what
  the first did.
- Times are timezone-aware UTC and come from the caller (``now``), never from an adapter's clock. Durations: seconds.
- Topic and group names are logical: adapters add the installation's prefix.
- Ids are strings; a conversation id decides the shard (murmur2 mod 256) and the partition.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol

from schemas.conversation import (
    Contact,
    Conversation,
    DeadLetter,
    Delivered,
    Document,
    Facts,
    Origin,
    Owner,
    Snapshot,
    Turn,
)
from schemas.envelope import Envelope
from schemas.messages import (
    Address,
    Attachment,
    AuthorKind,
    Choice,
    Citation,
    MessageState,
    OutboundMessage,
    TranscriptMessage,
)
from schemas.topics import TopicSpec

Clock = Callable[[], datetime]

# ── Bus ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, order=True)
class TopicPartition:
    topic: str
    partition: int


class Position(NamedTuple):
    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Record:
    """A record as read: not yet decoded, so that poison can be set aside whole. ``value`` None is a tombstone."""

    topic: str
    partition: int
    offset: int
    key: str
    timestamp_ms: int
    headers: Mapping[str, str]
    value: bytes | None

    @property
    def source(self) -> TopicPartition:
        return TopicPartition(self.topic, self.partition)

    @property
    def size(self) -> int:
        return len(self.value or b"") + sum(map(len, self.headers)) + sum(map(len, self.headers.values()))


class RebalanceListener(Protocol):
    async def revoked(self, partitions: frozenset[TopicPartition]) -> None:
        """Called before the partitions go to somebody else; commits still work inside. Bounded by the drain budget."""

    async def assigned(self, partitions: frozenset[TopicPartition]) -> None:
        """Called with the partitions that are ours from now on (all of them, not only the new ones). An assignment
        clears every pause: pause again what must stay paused."""


class Subscription(Protocol):
    """One member of a consumer group. ``poll`` must be called often and never waits for handlers."""

    async def poll(self, *, max_records: int, timeout: float) -> list[Record]:
        """Records in order per partition; empty after ``timeout``. Paused partitions give nothing. Raises ``Fenced``
        when another member took our static name, ``BusUnavailable``."""

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Store the next offset to read. Raises ``Fenced`` when the group has moved on without us."""

    def pause(self, partitions: Iterable[TopicPartition]) -> None: ...
    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        """Records fetched but not handed out while paused are handed out again: nothing is skipped."""

    async def close(self) -> None:
        """Leave; the listener's ``revoked`` runs first, so that the last commits are made."""


class Bus(Protocol):
    atomic: bool
    """True when one ``append`` is one transaction over all its topics."""

    async def start(self) -> None: ...
    async def close(self) -> None: ...
    async def ready(self) -> None:
        """Raises BusUnavailable when the log cannot be written now."""

    async def append(self, envelopes: Sequence[Envelope], *, topic: str | None = None) -> list[Position]:
        """Durable when it returns. Order is kept per key. ``topic`` overrides ``topics.topic_of`` (replays). Raises
        BusUnavailable, TooLarge (over 1,000,000 bytes), TopicMismatch (no such topic)."""

    async def subscribe(
        self, topics: Sequence[str], group: str, listener: RebalanceListener, *, member: str = ""
    ) -> Subscription:
        """``member`` is a stable name for static membership: a restart with it gets its partitions back at once."""

    async def follow(self, topic: str) -> Follower:
        """Broadcast read of a compacted topic from its beginning, then live."""

    async def read(
        self, topic: str, *, since: Mapping[int, int] | None = None, keys: Callable[[str], bool] | None = None
    ) -> AsyncIterator[Record]:
        """Read a topic once, from its beginning (or from offsets by partition) to its end as of now, then stop."""

    async def lag(self, group: str, topics: Sequence[str]) -> dict[str, int]:
        """Records not yet committed, by topic."""

    async def committed(self, group: str, topic: str) -> dict[int, int]:
        """The offset that the group reads next, by partition. Partitions where it committed nothing are missing."""

    async def create_topics(self, specs: Sequence[TopicSpec]) -> list[str]:
        """Create what is missing; returns what was created. Raises TopicMismatch on another partition count."""

    async def describe_topics(self) -> dict[str, int]:
        """Partition count by topic, of the topics under our prefix."""


class Follower(Protocol):
    """``caught_up`` is set once everything that was there at the start has been handed out."""

    caught_up: asyncio.Event

    def records(self) -> AsyncIterator[Record]: ...
    async def close(self) -> None: ...


# ── Lanes ────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Batch(Protocol):
    """What a lane hands to its handler: every record of one conversation that waits."""

    conversation: str
    attempt: int
    records: list[Record]
    """Grows by ``take_more``; the handler answers for all of them when it returns."""

    arrived: asyncio.Event
    """Set while records wait that ``take_more`` would return."""

    def on_arrival(self, call: Callable[[], None] | None) -> None:
        """From now on call this when another record arrives; None ends it. Nothing is called for those that wait."""

    hurry: asyncio.Event
    """Set when the partition is being taken away: finish now, do not wait for more."""

    def take_more(self) -> list[Record]:
        """The records that arrived meanwhile; they belong to this batch from now on."""


LaneHandler = Callable[[Batch], Awaitable[None]]
GiveUp = Callable[[str, Sequence[Record], Exception, int], Awaitable[None]]
"""``(conversation, records, error, attempts)``: dead-letter them, visibly. Must not raise."""


# ── State ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Begun:
    """``token`` fences: a commit with an older one is refused. ``outbox`` was committed but perhaps never published:
    publish it before anything else. ``handled`` are those of the asked event ids that need no answer any more."""

    conversation: Conversation
    token: int
    handled: frozenset[str]
    outbox: list[Envelope] = field(default_factory=list)
    reused: frozenset[str] = frozenset()
    """Of the messages to add, those that are there with other content."""
    recent: list[TranscriptMessage] = field(default_factory=list)
    """What was asked for, while the agent owns the conversation."""


@dataclass(frozen=True, slots=True)
class Committed:
    """What became of a commit. ``snapshot`` is the conversation in the same step; None when it was ``stale``."""

    verdict: Literal["committed", "stale"]
    snapshot: Snapshot | None = None


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
        """Remove these from the outbox, and in the same step do what ``Turns.add`` does with each of ``turns``."""

    async def unpublished(self, *, before: datetime, limit: int) -> list[str]:
        """Conversations whose outbox has held something since before ``before``."""

    async def own(
        self,
        conversation: str,
        to: Owner,
        *,
        expected_epoch: int,
        request_id: str,
        by: str,
        reason: str = "",
        now: datetime,
    ) -> Owned:
        """Compare-and-set; on success epoch + 1, ``agent_floor`` = epoch when people claim (queue, person), and an
        ``owner.changed`` event in the outbox. Idempotent by ``request_id``. Raises NotFound."""

    async def get(self, conversation: str) -> Conversation | None: ...
    async def snapshot(self, conversation: str) -> Snapshot | None: ...
    async def listing(
        self, tenant: str, *, owner: Owner | None = None, channel: str = "", after: str = "", limit: int = 50
    ) -> Page:
        """Newest activity first."""

    async def counts(self) -> dict[Owner, int]:
        """How many conversations each kind of owner has, over all tenants."""


class Contacts(Protocol):
    async def resolve(
        self, tenant: str, channel: str, account: str, place: str, addresses: Sequence[Address], *, now: datetime
    ) -> tuple[Contact, str]:
        """Atomically find or make the contact behind any of these addresses, and the conversation at its place:
        ``(contact, conversation id)``. A later call with a new alias leads to the same conversation. An address's
        assurance only rises."""

    async def get(self, tenant: str, contact: str) -> Contact | None: ...


class Transcript(Protocol):
    async def add(self, conversation: str, message: TranscriptMessage) -> int:
        """Idempotent by ``message.id``; returns its sequence number. Raises IdReused when the same id comes with
        another text, attachments or author."""

    async def mark(self, conversation: str, message_ids: Sequence[str], state: MessageState) -> None:
        """Receipt states only rise (accepted < sent < delivered < read); ``failed``, ``dropped`` and ``deleted``
        are final. Unknown ids are ignored."""

    async def edit(self, conversation: str, message_id: str, text: str) -> bool:
        """Replace (or with "" erase) the text. False when the message is unknown."""

    async def find(self, conversation: str, message_id: str) -> TranscriptMessage | None: ...
    async def read(self, conversation: str, *, after: int = 0, limit: int = 200) -> list[TranscriptMessage]: ...
    async def recent(self, conversation: str, *, limit: int = 20) -> list[TranscriptMessage]:
        """The last ``limit``, ascending."""

    async def head(self, conversation: str) -> int: ...


SendVerdict = Literal["go", "stale_owner", "already_sent", "expired", "in_doubt"]


class Deliveries(Protocol):
    async def begin_send(
        self, conversation: str, message: OutboundMessage, *, deadline: float, now: datetime
    ) -> SendVerdict:
        """One atomic step: owner rule, expiry, and the intent with its hard deadline. ``in_doubt``: an intent without
        an outcome exists (a crash, or another sender): reconcile before sending again."""

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


class Turns(Protocol):
    """What was done to answer, for people who look: the newest 200 turns of a conversation. The facts themselves are on
    ``parley.events``; a store that lost its turns is not rebuilt for them."""

    async def add(self, conversation: str, turn: Turn) -> None:
        """Idempotent by ``turn.id``: the first stays."""

    async def listing(self, conversation: str, *, limit: int = 200) -> list[Turn]:
        """The newest ``limit``, oldest first."""


class Limiter(Protocol):
    async def take(self, key: str, *, per_second: float, burst: int, now: datetime) -> float:
        """0 when allowed (and taken), else seconds until one more is. Shared by all processes."""


class Leases(Protocol):
    async def acquire(self, name: str, holder: str, *, ttl: float, now: datetime) -> int | None:
        """A fencing token that grows with every new holder; None while another holds it. Renews for the holder."""

    async def release(self, name: str, holder: str) -> None: ...


class Signals(Protocol):
    """Ephemeral fan-out between processes. Lossy: whoever needs the truth re-reads it every 2 s."""

    async def publish(self, topic: str, payload: bytes) -> None: ...
    def subscribe(self, topic: str) -> AsyncIterator[bytes]:
        """Ends when the iterator is closed. A slow reader loses the oldest payloads, never blocks a publisher."""


class Heads(Protocol):
    """How far a tenant's newest write to ``parley.knowledge`` is: a turn waits for it before it searches."""

    async def raise_to(self, tenant: str, partition: int, offset: int) -> None:
        """Only ever upwards."""

    async def of(self, tenant: str) -> dict[int, int]:
        """Offset of the newest write, by partition."""


class Rebuild(Protocol):
    """The state store's side of a rebuild from the log (design §6)."""

    async def check(self) -> frozenset[int]:
        """Shards (0–255) that are lost: never set up, flushed or rolled back."""

    async def prepare(self, shards: frozenset[int]) -> None:
        """Empty these shards; they keep failing with StateLost until ``finish``."""

    async def restore(self, snapshot: Snapshot) -> None: ...
    async def restore_contact(self, contact: Contact) -> None: ...
    async def restore_message(self, conversation: str, message: TranscriptMessage) -> None:
        """``message.seq`` 0 takes the next number, else that number is used."""

    async def restore_delivery(self, conversation: str, outcome: Delivered) -> None: ...
    async def restore_parked(self, group: str, conversation: str, record: Record, *, until: datetime) -> None:
        """As ``Parking.park``, on a shard that is being rebuilt. An ``until`` that is still known stays."""

    async def finish(self, shards: frozenset[int]) -> None:
        """Give the shards a new epoch: work on them may resume, in every process."""


@dataclass(frozen=True, slots=True)
class State:
    """All state ports of one store."""

    conversations: Conversations
    contacts: Contacts
    transcript: Transcript
    deliveries: Deliveries
    parking: Parking
    dead_letters: DeadLetters
    turns: Turns
    limiter: Limiter
    leases: Leases
    signals: Signals
    heads: Heads
    rebuild: Rebuild
    ready: Callable[[], Awaitable[None]]
    """Raises StateUnavailable or StateLost when work cannot go on now."""
    close: Callable[[], Awaitable[None]]


class Blobs(Protocol):
    async def put(self, tenant: str, name: str, declared_type: str, data: bytes) -> Attachment:
        """Stored under its content hash. Raises TooLarge, UnsupportedMediaType (typed by content, not by name)."""

    async def get(self, tenant: str, attachment: str) -> tuple[Attachment, bytes]:
        """Raises NotFound."""


class Metrics(Protocol):
    """The counters of contract §5. A name that is not declared there is a programming error (KeyError)."""

    def count(self, name: str, amount: float = 1, **labels: str) -> None: ...
    def observe(self, name: str, seconds: float, **labels: str) -> None: ...
    def gauge(self, name: str, value: float, **labels: str) -> None: ...


# ── Channel ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class RawRequest:
    """A webhook as it came: headers lower-cased, ``body`` untouched, ``url`` as the vendor called it.

    Never changed once made. Not declared frozen, nor is Event: that doubles the time of making one, and every webhook
    needs both."""

    method: str
    url: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Account:
    """Our identity on a channel. ``settings`` is the channel's own validated model."""

    tenant: str
    channel: str
    name: str
    settings: Any


@dataclass(slots=True)
class Event:
    """What ``parse`` finds in a request: a typed payload on its way to an envelope. Never changed once made."""

    type: str
    place: str
    external_id: str
    payload: Mapping[str, Any]
    addresses: Sequence[Address]
    revision: str = ""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the channel can show; what it cannot, outbound degrades. ``max_text`` in characters."""

    max_text: int
    max_choices: int = 0
    markdown: bool = False
    streaming: bool = False
    typing: bool = False
    attachments: bool = False
    receipts: bool = False
    idempotent_send: bool = False
    """Sending the same message id twice shows it once, so an intent in doubt may simply be sent again."""


class Channel(Protocol):
    name: str
    capabilities: Capabilities

    def verify(self, request: RawRequest, account: Account) -> None:
        """Raises Unauthorized. Constant time over the raw bytes."""

    def parse(self, request: RawRequest, account: Account) -> list[Event]:
        """Pure. Raises InvalidRequest; unknown kinds are reported through the log and left out."""

    async def send(self, conversation: str, message: OutboundMessage, account: Account) -> str:
        """Deliver; returns the vendor's id. Raises a DeliveryError."""


# ── Agent ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Passage:
    """One piece found. ``score`` is calibrated to 0–1; ``text`` is verbatim from the document."""

    tenant: str
    document: str
    version: int
    title: str
    heading: str
    url: str
    text: str
    score: float


@dataclass(frozen=True, slots=True)
class Found:
    """``answerable`` says whether the documents hold an answer, with ``confidence`` 0–1. ``encoder`` names what they
    were compared by; empty when by words alone."""

    passages: list[Passage]
    answerable: bool
    confidence: float
    encoder: str = ""


class Knowledge(Protocol):
    async def search(self, tenant: str, query: str, *, k: int = 8, wait: float = 0.25) -> Found:
        """Waits up to ``wait`` seconds for the newest write of the tenant to be searchable."""

    async def documents(self, tenant: str) -> list[Document]: ...
    async def document(self, tenant: str, document: str) -> Document | None: ...
    async def ready(self) -> None:
        """Returns once every tenant's documents are searchable."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a model is asked: the new messages folded to one text, the talk before, and what was found."""

    tenant: str
    text: str
    history: Sequence[TranscriptMessage]
    found: Found
    locale: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """A reply before the gate. ``answered`` False: the documents do not hold it, and the text says so.
    ``handoff``: the contact is to be passed to people; the worker then asks for the owner ``queue``. ``reasons``: what
    the turn's record is to say of how it came about, such as a model that failed before."""

    text: str
    answered: bool
    citations: list[Citation] = field(default_factory=list)
    choices: list[Choice] = field(default_factory=list)
    model: str = ""
    tokens: int = 0
    cost: float = 0.0
    author: AuthorKind = "agent"
    handoff: bool = False
    reasons: list[str] = field(default_factory=list)


class Model(Protocol):
    name: str

    async def answer(self, question: Question, emit: Callable[[str], Awaitable[None]]) -> Draft:
        """``emit`` streams whole sentences that are safe to show. Raises ModelFailed."""
