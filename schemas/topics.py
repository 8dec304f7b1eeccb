"""Every topic and every event type: name, key, partitions, retention."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from pydantic import BaseModel

from schemas import access, conversation_activity
from schemas import actions as a
from schemas import conversation as c
from schemas import desk as d
from schemas import messages as m
from schemas import turn_recording as r
from schemas.audit.records import AuditRecord
from schemas.envelope import Envelope
from schemas.errors import UnknownEventType
from schemas.privacy.contact_keys import ContactKey

DAY_MS = 86_400_000
_NO_EXCEPTIONS: Mapping[str, int] = {}
NO_DESKS: Mapping[str, str] = {}
EVENTS = "parley.events"
STATE = "parley.state"
KNOWLEDGE = "parley.knowledge"
DEADLETTER = "parley.deadletter"
AUDIT = "parley.audit"
KEYS = "parley.keys"
ERASURE = "parley/erasure"
"""The source of events about erased contacts."""

MESSAGE_RECEIVED = "parley.message.received.v1"
MESSAGE_EDITED = "parley.message.edited.v1"
MESSAGE_DELETED = "parley.message.deleted.v1"
MESSAGE_SEND = "parley.message.send.v1"
MESSAGE_REVISE = "parley.message.revise.v1"
MESSAGE_RETRACT = "parley.message.retract.v1"
REPLY_BEGUN = "parley.reply.begun.v1"
REACTION_CHANGED = "parley.reaction.changed.v1"
CONTACT_CHANGED = "parley.contact.changed.v1"
RECEIPT_RECORDED = "parley.receipt.recorded.v1"
OWNER_REQUESTED = "parley.owner.requested.v1"
OWNER_CHANGED = "parley.owner.changed.v1"
TURN_COMPLETED = "parley.turn.completed.v1"
TURN_RECORDED = "parley.turn.recorded.v1"
PASSAGE_RETRIEVED = "parley.passage.retrieved.v1"
DELIVERY_RECORDED = "parley.delivery.recorded.v1"
FILES_STORED = "parley.files.stored.v1"
SESSION_ENDED = "parley.session.ended.v1"
FEEDBACK_GIVEN = "parley.feedback.given.v1"
ACTION_INTENDED = "parley.action.intended.v1"
ACTION_SETTLED = "parley.action.settled.v1"
ACTION_RESOLVED = "parley.action.resolved.v1"
APPROVAL_REQUESTED = "parley.approval.requested.v1"
APPROVAL_DECIDED = "parley.approval.decided.v1"
APPROVAL_EXPIRED = "parley.approval.expired.v1"
DESK_UPDATE = "parley.desk.touched.v1"
DESK_COMMAND = "parley.desk.acted.v1"
DRAFT_REQUESTED = "parley.draft.requested.v1"
DRAFT_GENERATED = "parley.draft.made.v1"
DRAFT_SETTLED = "parley.draft.settled.v1"
HANDOFF_RESOLVED = "parley.handoff.resolved.v1"
HANDOFF_ENDED = "parley.handoff.ended.v1"
RATING_GIVEN = "parley.rating.given.v1"
CONVERSATION_SNAPSHOT = "parley.conversation.snapshot.v1"
CONTACT_SNAPSHOT = "parley.contact.snapshot.v1"
TOKEN_SNAPSHOT = "parley.token.snapshot.v1"
DOCUMENT_PUBLISHED = "parley.document.published.v1"
DEADLETTER_RECORDED = "parley.deadletter.recorded.v1"
DEADLETTER_DISCARDED = "parley.deadletter.discarded.v1"
AUDIT_RECORDED = "parley.audit.recorded.v1"
CONTACT_KEY = "parley.contact.key.v1"

# event type → (payload model, topic family)
EVENT_TYPES: dict[str, tuple[type[BaseModel], str]] = {
    MESSAGE_RECEIVED: (m.InboundMessage, "inbound"),
    MESSAGE_EDITED: (conversation_activity.MessageEdited, "inbound"),
    MESSAGE_DELETED: (conversation_activity.MessageDeleted, "inbound"),
    REACTION_CHANGED: (conversation_activity.ReactionChanged, "inbound"),
    CONTACT_CHANGED: (conversation_activity.ContactChanged, "inbound"),
    OWNER_REQUESTED: (c.OwnerRequested, "inbound"),
    RECEIPT_RECORDED: (m.Receipt, "inbound"),
    ACTION_RESOLVED: (a.ActionResolved, "inbound"),
    APPROVAL_DECIDED: (a.ApprovalDecided, "inbound"),
    APPROVAL_EXPIRED: (a.ApprovalExpired, "inbound"),
    DRAFT_REQUESTED: (d.DraftRequested, "inbound"),
    HANDOFF_RESOLVED: (d.HandoffResolved, "inbound"),
    DESK_UPDATE: (d.DeskUpdate, "desk"),
    DESK_COMMAND: (d.DeskCommand, "desk"),
    DRAFT_GENERATED: (d.DraftGenerated, "desk"),
    MESSAGE_SEND: (m.OutboundMessage, "outbound"),
    MESSAGE_REVISE: (conversation_activity.MessageEdited, "outbound"),
    MESSAGE_RETRACT: (conversation_activity.MessageDeleted, "outbound"),
    REPLY_BEGUN: (m.ReplyBegun, "outbound"),
    OWNER_CHANGED: (c.OwnerChanged, "events"),
    TURN_COMPLETED: (c.Turn, "events"),
    TURN_RECORDED: (r.TurnRecording, "events"),
    PASSAGE_RETRIEVED: (r.PassageRecord, "events"),
    DELIVERY_RECORDED: (c.DeliveryOutcome, "events"),
    FILES_STORED: (conversation_activity.FilesStored, "events"),
    SESSION_ENDED: (conversation_activity.SessionEnded, "events"),
    FEEDBACK_GIVEN: (conversation_activity.Feedback, "events"),
    ACTION_INTENDED: (a.ActionIntended, "events"),
    ACTION_SETTLED: (a.ActionSettled, "events"),
    APPROVAL_REQUESTED: (a.ApprovalRequested, "events"),
    DRAFT_SETTLED: (d.DraftSettled, "events"),
    HANDOFF_ENDED: (d.HandoffEnded, "events"),
    RATING_GIVEN: (d.Rating, "events"),
    CONVERSATION_SNAPSHOT: (c.Snapshot, "state"),
    CONTACT_SNAPSHOT: (c.Contact, "state"),
    TOKEN_SNAPSHOT: (access.AccessToken, "state"),
    DOCUMENT_PUBLISHED: (c.Document, "knowledge"),
    DEADLETTER_RECORDED: (c.DeadLetter, "deadletter"),
    DEADLETTER_DISCARDED: (c.DeadLetterDiscarded, "deadletter"),
    AUDIT_RECORDED: (AuditRecord, "audit"),
    CONTACT_KEY: (ContactKey, "keys"),
}


DEFAULT_DESK = "slack"
"""The kind of desk that a tenant has where its configuration names none."""
DESK_TYPES = frozenset(name for name, (_, family) in EVENT_TYPES.items() if family == "desk")


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """``retention_ms`` is None for a compacted topic. The partition count is chosen once, for good."""

    name: str
    partitions: int
    retention_ms: int | None

    @property
    def compacted(self) -> bool:
        return self.retention_ms is None


def inbound(channel: str) -> str:
    return f"parley.inbound.{channel}"


def outbound(channel: str) -> str:
    return f"parley.outbound.{channel}"


def worker_group(channel: str) -> str:
    return f"parley.worker.{channel}"


def sender_group(channel: str) -> str:
    return f"parley.sender.{channel}"


def receipts_group(channel: str) -> str:
    return f"parley.receipts.{channel}"


def desk_group(desk: str) -> str:
    """The consumer group that keeps the desks of one kind up to date."""
    return f"parley.desk.{desk}"


class TopicReader(NamedTuple):
    """A consumer group that reads a topic of ``channel``."""

    group: str
    topic: str
    channel: str


def list_readers(channels: Iterable[str], desks: Collection[str]) -> list[TopicReader]:
    """All that read the topics of these channels. ``desks``: the kinds of desks in use."""
    readers: list[TopicReader] = []
    for name in channels:
        readers.append(TopicReader(worker_group(name), inbound(name), name))
        readers.append(TopicReader(receipts_group(name), inbound(name), name))
        readers.append(TopicReader(sender_group(name), outbound(name), name))
    return readers + [
        TopicReader(desk_group(name), outbound(name), name) for name in sorted({*desks}.intersection(channels))
    ]


def topic_specs(
    channels: Iterable[str],
    *,
    partitions: int = 24,
    small: int = 6,
    days: Mapping[str, int] = _NO_EXCEPTIONS,
    channel_partitions: Mapping[str, int] = _NO_EXCEPTIONS,
) -> list[TopicSpec]:
    """All topics of an installation. ``partitions`` is for the per-conversation topics, unless ``channel_partitions``
    has another number for the channel, ``small`` for the others. ``days`` overrides the default retention by topic."""
    specs = []
    for channel in channels:
        count = channel_partitions.get(channel, partitions)
        specs.append(TopicSpec(inbound(channel), count, days.get(inbound(channel), 30) * DAY_MS))
        specs.append(TopicSpec(outbound(channel), count, days.get(outbound(channel), 7) * DAY_MS))
    return [
        *specs,
        TopicSpec(EVENTS, partitions, days.get(EVENTS, 90) * DAY_MS),
        TopicSpec(STATE, partitions, None),
        TopicSpec(KNOWLEDGE, small, None),
        TopicSpec(DEADLETTER, small, 90 * DAY_MS),
        TopicSpec(AUDIT, small, days.get(AUDIT, 400) * DAY_MS),
        TopicSpec(KEYS, small, None),
    ]


def topic_of(envelope: Envelope, desks: Mapping[str, str] = NO_DESKS) -> str:
    """The topic an envelope belongs on. ``desks``: by tenant, the kind of its desk, on whose outbound topic the desk is
    told of conversations of all channels. Raises UnknownEventType."""
    try:
        family = EVENT_TYPES[envelope.type][1]
    except KeyError:
        raise UnknownEventType(f"unknown event type {envelope.type!r}") from None
    if family == "desk":
        return outbound(desks.get(envelope.tenant, DEFAULT_DESK))
    if family in ("inbound", "outbound"):
        return f"parley.{family}.{envelope.channel}"
    return f"parley.{family}"


def key_of(envelope: Envelope) -> str:
    """The record key: the conversation; on compacted topics the item that ``subject`` names; in the audit trail the
    tenant."""
    if envelope.type == DOCUMENT_PUBLISHED:
        return f"{envelope.tenant}/{envelope.subject}"
    if envelope.type in (CONTACT_SNAPSHOT, TOKEN_SNAPSHOT, CONTACT_KEY):
        return envelope.subject
    if envelope.type == AUDIT_RECORDED:
        return envelope.tenant
    return envelope.conversation or envelope.id
