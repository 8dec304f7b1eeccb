"""Conversations, contacts and turns: what the state store holds and what snapshots carry."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from pydantic import Field

from schemas.actions import ActionMemory, ActionOutcome
from schemas.desk import Handoff
from schemas.messages import Address, OutboundMessage, WireModel, empty

Owner = Literal["agent", "queue", "person", "closed"]
HANDLED_HORIZON_DAYS = 8  # WhatsApp redelivers for 7
NAME_HOLDS = timedelta(hours=12)
"""How long a name that is said with every message is not written down again."""


class Origin(WireModel):
    """Where a conversation happens; never changes once it exists."""

    tenant: str
    channel: str
    account: str
    place: str
    contact_id: str


class Holder(WireModel):
    """Who made the owner what it is: ``by`` names them for good (``slack:U0123``, ``admin``, ``agent``), ``name`` is
    for people to read. While the owner is ``person`` this is who the conversation is assigned to."""

    by: str
    name: str = ""
    reason: str = ""
    since: datetime


class Facts(WireModel):
    """What the agent remembers between turns, transcript bodies excluded. ``heard_at``: when the contact wrote the
    newest message that is known; ``answered_at``: the newest of those that were answered, by the agent or a person;
    ``unanswered``: ids of those that wait though one of the same moment, or a later one, was answered."""

    locale: str = ""
    turns: int = 0
    last_turn_id: str = ""
    last_route: str = ""
    declined_in_a_row: int = 0
    person_offered: bool = False
    actions: ActionMemory | None = None
    handoff: Handoff | None = None
    heard_at: datetime | None = None
    answered_at: datetime | None = None
    unanswered: tuple[str, ...] = ()


class Conversation(WireModel):
    """``epoch`` rises with every change of owner; ``agent_floor`` is the epoch of the last claim by people;
    ``version`` rises with every commit; ``head_seq`` is the highest transcript number. ``holder`` is None until the
    owner changes for the first time."""

    id: str
    origin: Origin
    owner: Owner = "agent"
    epoch: int = 0
    agent_floor: int = 0
    version: int = 0
    head_seq: int = 0
    created_at: datetime
    updated_at: datetime
    holder: Holder | None = None
    facts: Facts = Facts()


class HandledId(WireModel):
    id: str
    at: datetime


class SeqOf(WireModel):
    """Which transcript number a message has; kept in snapshots so that a rebuild gives it the same one."""

    id: str
    seq: int


class PendingRecord(WireModel):
    """An outbox entry inside a snapshot: wire headers and the payload as text."""

    headers: dict[str, str]
    data: str


class Snapshot(WireModel):
    """``parley.conversation.snapshot.v1``: enough to rebuild a conversation, with the log for the bodies."""

    conversation: Conversation
    handled: list[HandledId] = []
    recent: list[SeqOf] = []
    outbox: list[PendingRecord] = []


@dataclass(frozen=True, slots=True)
class PackedSnapshot:
    """A snapshot as it goes on the log, and what its envelope says of the conversation. Every turn leaves one, and
    nobody there looks inside: making the model with all its parts, only to write it down, takes four times as long as
    writing it down."""

    id: str
    version: int
    origin: Origin
    data: bytes

    def unpacked(self) -> Snapshot:
        return Snapshot.model_validate_json(self.data)


class Contact(WireModel):
    """``parley.contact.snapshot.v1``. ``conversations`` maps channel:account to the conversation at its place.
    ``left``: addresses that were the contact's and are no longer, as the vendor said last at ``moved_at``;
    ``before``: of addresses (channel:value) that changed hands, whose they were (and until when).
    ``opted_at``: when the contact last said whether it may be written to; ``marketing_opted_out``: it wants no
    marketing messages, which keeps nobody from answering it. ``named_at``: when its vendor last said that
    ``name`` is what it is called; a name is for people to read, and says nothing about who it is."""

    id: str
    tenant: str
    name: str = ""
    locale: str = ""
    addresses: list[Address] = []
    left: list[Address] = []
    before: dict[str, str] = {}
    moved_at: datetime | None = None
    conversations: dict[str, str] = {}
    opted_out: bool = False
    opted_at: datetime | None = None
    marketing_opted_out: bool = False
    marketing_opted_at: datetime | None = None
    named_at: datetime | None = None
    created_at: datetime

    def called(self, name: str, locale: str, at: datetime) -> Contact:
        """The contact as it was called at that moment. Itself where that is no news: nobody said a name, a later one is
        known, or it is the same and was not said for the first time in ``NAME_HOLDS``."""
        if not name or (self.named_at is not None and at <= self.named_at):
            return self
        same = (name, locale or self.locale) == (self.name, self.locale)
        if same and self.named_at is not None and at < self.named_at + NAME_HOLDS:
            return self
        return self.model_copy(update={"name": name, "locale": locale or self.locale, "named_at": at})


class OwnerRequested(WireModel):
    """``parley.owner.requested.v1``: someone wants the conversation; the compare-and-set decides."""

    id: str
    to: Owner
    expected_epoch: int
    by: str
    name: str = ""
    reason: str = ""
    at: datetime


class OwnerChanged(WireModel):
    """``parley.owner.changed.v1``: the compare-and-set was won."""

    owner: Owner
    epoch: int
    by: str
    name: str = ""
    reason: str = ""
    at: datetime


class CitedPassage(WireModel):
    document: str
    heading: str = ""
    score: float
    cited: bool = False


class ActionRecord(WireModel):
    """One action of a turn; ``arguments`` are masked. ``title`` is for people to read; empty for an action that nobody
    knows, and in records of older releases."""

    name: str
    title: str = ""
    arguments: dict[str, str] = {}
    outcome: ActionOutcome
    reason: str = ""
    key: str = ""

    @property
    def called(self) -> str:
        return self.title or self.name


class Turn(WireModel):
    """``parley.turn.completed.v1``: everything done to answer the messages that waited. ``stages`` in ms,
    ``cost`` in US dollars.

    ``route``: who was to answer: local, cheap, strong or person; ``outcome``: what came of it: answer, action,
    declined, small_talk or person. ``intent`` of the messages, empty when none was learned; ``scores``: what was
    decided by."""

    id: str
    handled: list[str]
    route: str
    outcome: str = ""
    intent: str = ""
    scores: dict[str, float] = {}
    reasons: list[str] = empty()
    confidence: float = Field(default=0.0, ge=0.0, le=1.0)
    model: str = ""
    tokens: int = 0
    cost: float = 0.0
    stages: dict[str, float] = {}
    passages: list[CitedPassage] = empty()
    actions: list[ActionRecord] = empty()
    replies: list[OutboundMessage] = empty()
    at: datetime


class Delivered(WireModel):
    """``parley.delivery.recorded.v1``: a connector's outcome for one outbound message. ``seq`` is the transcript number
    under which the contact may have seen it, 0 when the transcript does not hold it; ``traceparent`` that of the send,
    which later receipts join. ``part_of`` is set when it is one piece of a longer message, and not the last."""

    message_id: str
    part_of: str = ""
    state: Literal["sent", "failed", "unknown", "expired", "stale_owner"]
    external_id: str = ""
    seq: int = 0
    reason: str = ""
    at: datetime
    traceparent: str = ""


Visibility = Literal["public", "verified", "internal"]
"""Whom a document may be shown to: everybody, contacts who proved who they are, or nobody outside."""


class Document(WireModel):
    """``parley.document.published.v1``: one whole document of the tenant's knowledge, body as markdown. ``source`` is
    the place it was read from; empty when it was written over the API."""

    id: str
    title: str
    body: str
    url: str = ""
    language: str = ""
    visibility: Visibility = "public"
    expires_at: datetime | None = None
    source: str = ""
    version: int
    updated_at: datetime


class DeadLetter(WireModel):
    """``parley.deadletter.recorded.v1``: a record given up on, with its original bytes (base64)."""

    id: str
    code: str
    reason: str
    attempts: int
    topic: str
    partition: int
    offset: int
    tenant: str = ""
    channel: str = ""
    conversation_id: str = ""
    headers: dict[str, str] = {}
    value: str = ""
    first_at: datetime
    last_at: datetime
    replays: int = 0


# What people read where a contact is meant.
SIGNED_IN = "id:"
"""Begins the place of a visitor whose identity the site signed; the site's own word for them follows."""
LONGEST_SUBJECT = 40
SHORT = 4
"""Letters of an id by which two are told apart."""


def called(contact: Contact | None, origin: Origin) -> str:
    """Their name; else what their site calls them; else a word by which two without a name are told apart."""
    if contact is not None and contact.name:
        return contact.name
    if origin.channel != "web":
        return f"Customer {origin.contact_id[:SHORT]}"
    if origin.place.startswith(SIGNED_IN):
        subject = origin.place.removeprefix(SIGNED_IN)
        return f"Visitor {subject if len(subject) <= LONGEST_SUBJECT else subject[: LONGEST_SUBJECT - 1] + '…'}"
    return f"Web visitor {origin.contact_id[:SHORT]}"
