"""The events that a rebuild reads, and their payloads."""

from __future__ import annotations

from pydantic import BaseModel

from schemas import topics
from schemas.access import AccessToken
from schemas.actions import ActionIntended, ActionSettled
from schemas.conversation import Contact, DeadLetter, DeliveryOutcome, Snapshot, Turn
from schemas.conversation_activity import FilesStored, MessageDeleted, MessageEdited, SessionEnded
from schemas.desk import DeskCommand, DraftGenerated
from schemas.messages import InboundMessage, OutboundMessage, Receipt
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
    topics.DESK_COMMAND: DeskCommand,
    topics.DRAFT_GENERATED: DraftGenerated,
}

_WITHOUT_VERSION = {name.rpartition(".v")[0] for name in WANTED}


def is_newer(type_: str) -> bool:
    """Return whether this is another version of an event that a rebuild reads. Versions only ever rise."""
    return type_ not in WANTED and type_.rpartition(".v")[0] in _WITHOUT_VERSION
