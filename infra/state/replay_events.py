"""The events that a rebuild reads, and their payloads."""

from __future__ import annotations

from pydantic import BaseModel

from schemas import topics
from schemas.access import AccessToken
from schemas.actions import ActionIntended, ActionSettled
from schemas.conversation import Contact, DeadLetter, DeadLetterDiscarded, DeliveryOutcome, Snapshot, Turn
from schemas.conversation_activity import FilesStored, MessageDeleted, MessageEdited, SessionEnded
from schemas.desk import DeskCommand, DraftGenerated
from schemas.errors import SchemaMismatch
from schemas.messages import InboundMessage, OutboundMessage, Receipt
from schemas.ports import Record
from schemas.privacy.contact_keys import ContactKey

PROPOSED = frozenset({topics.MESSAGE_REVISE, topics.MESSAGE_RETRACT})
"""Edits and deletions of sent messages, which the vendor may have refused."""
WANTED: dict[str, type[BaseModel]] = {
    topics.CONVERSATION_SNAPSHOT: Snapshot,
    topics.CONTACT_SNAPSHOT: Contact,
    topics.TOKEN_SNAPSHOT: AccessToken,
    topics.CONTACT_KEY: ContactKey,
    topics.MESSAGE_RECEIVED: InboundMessage,
    topics.MESSAGE_EDITED: MessageEdited,
    topics.MESSAGE_DELETED: MessageDeleted,
    topics.MESSAGE_SEND: OutboundMessage,
    topics.MESSAGE_REVISE: MessageEdited,
    topics.MESSAGE_RETRACT: MessageDeleted,
    topics.RECEIPT_RECORDED: Receipt,
    topics.DELIVERY_RECORDED: DeliveryOutcome,
    topics.FILES_STORED: FilesStored,
    topics.TURN_COMPLETED: Turn,
    topics.ACTION_INTENDED: ActionIntended,
    topics.ACTION_SETTLED: ActionSettled,
    topics.SESSION_ENDED: SessionEnded,
    topics.DEADLETTER_RECORDED: DeadLetter,
    topics.DEADLETTER_DISCARDED: DeadLetterDiscarded,
    topics.DESK_COMMAND: DeskCommand,
    topics.DRAFT_GENERATED: DraftGenerated,
}

_WITHOUT_VERSION = {name.rpartition(".v")[0] for name in WANTED}


def decode(record: Record) -> BaseModel | None:
    """The payload of a record; None if a rebuild does not need it. Raises ValidationError, and SchemaMismatch for a
    newer version of a snapshot. Versions only ever rise."""
    type_ = record.headers.get("ce_type", "")
    kind = WANTED.get(type_)
    if kind is not None:
        return kind.model_validate_json(record.value or b"")
    if record.topic == topics.STATE and type_.rpartition(".v")[0] in _WITHOUT_VERSION:
        raise SchemaMismatch(
            f"{topics.STATE} holds {type_}, which this release does not know",
            fix="let the newer release rebuild the state; a rebuild here would leave those conversations out",
        )
    return None
