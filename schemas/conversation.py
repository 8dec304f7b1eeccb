"""Conversations, contacts and turns: the models that the state store holds and that snapshots carry."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from pydantic import Field

from schemas.actions import ActionMemory, ActionOutcome, ApprovalDecided
from schemas.desk import Handoff, Resolution
from schemas.messages import Address, OutboundMessage, WireModel, empty_list

Owner = Literal["agent", "queue", "person", "closed"]
HANDLED_HORIZON_DAYS = 8  # WhatsApp redelivers for 7
NAME_REFRESH = timedelta(hours=12)
"""Time for which an unchanged name that comes with every message is not stored again."""


class Origin(WireModel):
    """The place of a conversation; never changes once it exists."""

    tenant: str
    channel: str
    account: str
    place: str
    contact_id: str


class Holder(WireModel):
    """The party who last changed the owner: ``by`` is a permanent identifier (``slack:U0123``, ``admin``, ``agent``),
    ``name`` is for people to read. While the owner is ``person``, the conversation is assigned to this person."""

    by: str
    name: str = ""
    reason: str = ""
    since: datetime


class DocumentWait(WireModel):
    """A question that waits until the documents are read. ``message``: the newest one that was searched for;
    ``announced``: the contact was asked for patience."""

    since: datetime
    message: str
    announced: bool = False


class Facts(WireModel):
    """The agent's memory between turns, without the transcript. ``heard_at``: when the contact wrote the newest known
    message; ``answered_at``: when they wrote the newest one that was answered, by the agent or a person;
    ``unanswered``: ids of messages that wait although a message of the same time, or a later one, was answered.
    ``resolutions`` and ``decisions`` on approvals: the newest, for colleagues to read; never part of a message."""

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
    document_wait: DocumentWait | None = None
    resolutions: tuple[Resolution, ...] = ()
    decisions: tuple[ApprovalDecided, ...] = ()


class Conversation(WireModel):
    """``epoch`` rises with every change of owner; ``agent_floor`` is the epoch of the last claim by people; ``version``
    rises with every commit; ``head_seq`` is the highest transcript number. ``holder`` is None until the owner changes
    for the first time."""

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


class TranscriptNumber(WireModel):
    """The transcript number of a message; kept in snapshots so that a rebuild assigns the same one."""

    id: str
    seq: int


class PendingRecord(WireModel):
    """An outbox entry inside a snapshot: wire headers and the payload as text."""

    headers: dict[str, str]
    data: str


class Snapshot(WireModel):
    """``parley.conversation.snapshot.v1``: enough to rebuild a conversation, together with the messages on the log."""

    conversation: Conversation
    handled: list[HandledId] = []
    recent: list[TranscriptNumber] = []
    outbox: list[PendingRecord] = []


@dataclass(frozen=True, slots=True)
class PackedSnapshot:
    """An encoded snapshot, and what its envelope says about the conversation. Every turn writes one, and nobody there
    reads it: building the model only to encode it takes four times as long as encoding directly."""

    id: str
    version: int
    origin: Origin
    data: bytes

    def unpack(self) -> Snapshot:
        return Snapshot.model_validate_json(self.data)


class Contact(WireModel):
    """``parley.contact.snapshot.v1``. ``conversations`` maps channel:account to the conversation at its place.
    ``left``: addresses that are no longer the contact's, as the vendor last said at ``moved_at``; ``before``: for
    addresses (channel:value) that changed hands, the earlier contact (and until when). ``opted_at``: when the contact
    last said whether it may be written to; ``marketing_opted_out``: it wants no marketing messages, but may still be
    answered. ``named_at``: when the vendor last reported ``name``. A name is for people to read; it does not identify
    anybody."""

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

    def with_name(self, name: str, locale: str, at: datetime) -> Contact:
        """The contact with the name it had at that time. Returns itself when there is nothing to store: no name was
        given, a later one is known, or the same name was stored less than ``NAME_REFRESH`` ago."""
        if not name or (self.named_at is not None and at <= self.named_at):
            return self
        same = (name, locale or self.locale) == (self.name, self.locale)
        if same and self.named_at is not None and at < self.named_at + NAME_REFRESH:
            return self
        return self.model_copy(update={"name": name, "locale": locale or self.locale, "named_at": at})


class OwnerRequested(WireModel):
    """``parley.owner.requested.v1``: somebody wants the conversation; the compare-and-set decides."""

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
    """One action of a turn; ``arguments`` are masked. ``title`` is for people to read; empty for an unknown action, and
    in records of older releases."""

    name: str
    title: str = ""
    arguments: dict[str, str] = {}
    outcome: ActionOutcome
    reason: str = ""
    key: str = ""

    @property
    def display_name(self) -> str:
        return self.title or self.name


class Turn(WireModel):
    """``parley.turn.completed.v1``: everything done to answer the waiting messages. ``stages`` in ms, ``cost`` in US
    dollars.

    ``route``: who was to answer: local, cheap, strong or person; ``outcome``: answer, action, declined, small_talk or
    person. ``intent`` of the messages, empty when no intents were learned; ``scores``: the figures behind the
    decision."""

    id: str
    handled: list[str]
    route: str
    outcome: str = ""
    intent: str = ""
    scores: dict[str, float] = {}
    reasons: list[str] = empty_list()
    confidence: float = Field(default=0.0, ge=0.0, le=1.0)
    model: str = ""
    tokens: int = 0
    cost: float = 0.0
    stages: dict[str, float] = {}
    passages: list[CitedPassage] = empty_list()
    actions: list[ActionRecord] = empty_list()
    replies: list[OutboundMessage] = empty_list()
    at: datetime


class DeliveryOutcome(WireModel):
    """``parley.delivery.recorded.v1``: a connector's outcome for one outbound message. ``seq`` is the transcript number
    under which the contact may have seen it, 0 when the transcript does not hold it; ``traceparent`` is that of the
    send, which later receipts join. ``part_of`` is set on every piece but the last of a longer message."""

    message_id: str
    part_of: str = ""
    state: Literal["sent", "failed", "unknown", "expired", "stale_owner"]
    external_id: str = ""
    seq: int = 0
    reason: str = ""
    at: datetime
    traceparent: str = ""


Visibility = Literal["public", "verified", "internal"]
"""The readers of a document: everybody, contacts who proved their identity, or nobody outside."""


class DocumentProposal(WireModel):
    """What a draft is for: the ``document`` that it becomes when it is published, and the ``visibility`` that it then
    gets. ``origin`` names a program that suggested it, such as one that learns from conversations; ``reason`` says
    why."""

    document: str
    visibility: Visibility = "public"
    origin: str = ""
    reason: str = ""


class Document(WireModel):
    """``parley.document.published.v1``: one document of the tenant's knowledge, body as markdown. ``source`` is the
    location it was read from; empty when it was written over the API or in the console. ``changed_by`` names the person
    who wrote this version, as far as known. ``history``: the earlier versions, packed (``DocumentVersion``). A document
    with a ``proposal`` is a draft; its visibility is internal, so that no release finds it for a customer."""

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
    changed_by: str = ""
    history: str = ""
    proposal: DocumentProposal | None = None


class DocumentVersion(WireModel):
    """An earlier version of a document, as it was published at ``updated_at``."""

    version: int
    title: str
    body: str
    url: str = ""
    language: str = ""
    visibility: Visibility = "public"
    expires_at: datetime | None = None
    source: str = ""
    updated_at: datetime
    changed_by: str = ""


class DeadLetter(WireModel):
    """``parley.deadletter.recorded.v1``: a record that was given up on, with its original bytes (base64)."""

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


class DeadLetterDiscarded(WireModel):
    """``parley.deadletter.discarded.v1``: a colleague discarded a dead letter, which no rebuild brings back."""

    letter_id: str
    by: str
    discarded_at: datetime


# Display names of contacts.
SIGNED_IN = "id:"
"""Prefix of the place of a visitor whose identity the site signed; the site's own identifier follows."""
LONGEST_SUBJECT = 40
SHORT_ID = 4
"""Characters of an id that are enough to distinguish two contacts."""


def display_name(contact: Contact | None, origin: Origin) -> str:
    """The contact's name; else the site's identifier for them; else a word with part of their id."""
    if contact is not None and contact.name:
        return contact.name
    return _describe_unnamed(origin.contact_id, origin.channel, origin.place)


def contact_name(contact: Contact) -> str:
    """``display_name`` where no conversation is at hand: the contact's first address says how it writes."""
    if contact.name or not contact.addresses:
        return contact.name or f"Customer {contact.id[:SHORT_ID]}"
    first = contact.addresses[0]
    return _describe_unnamed(contact.id, first.channel, first.value)


def _describe_unnamed(contact_id: str, channel: str, place: str) -> str:
    if channel != "web":
        return f"Customer {contact_id[:SHORT_ID]}"
    if place.startswith(SIGNED_IN):
        subject = place.removeprefix(SIGNED_IN)
        return f"Visitor {subject if len(subject) <= LONGEST_SUBJECT else subject[: LONGEST_SUBJECT - 1] + '…'}"
    return f"Web visitor {contact_id[:SHORT_ID]}"
