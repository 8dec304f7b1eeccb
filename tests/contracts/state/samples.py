"""Sample records for the tests of the state stores."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from schemas import ids, topics
from schemas.actions import ActionIntended, ActionOutcome, ActionSettled
from schemas.conversation import DeliveryOutcome, Facts, Origin
from schemas.envelope import Envelope, envelope
from schemas.messages import Attachment, Author, AuthorKind, OutboundMessage, TranscriptMessage
from schemas.ports import BegunConversation, Record, State

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


def later(seconds: float = 0, *, days: float = 0) -> datetime:
    return NOW + timedelta(seconds=seconds, days=days)


def new_id() -> str:
    return str(uuid4())


def origin(tenant: str = "plantstore", channel: str = "web", place: str = "") -> Origin:
    return Origin(tenant=tenant, channel=channel, account="main", place=place or new_id(), contact_id="contact-1")


def conversation_of(origin: Origin) -> str:
    return ids.conversation_id(origin.tenant, origin.channel, origin.account, origin.place)


async def begin_turn(
    state: State, conversation: str, *events: str, now: datetime = NOW, where: Origin | None = None
) -> BegunConversation:
    return await state.conversations.begin(conversation, where or origin(place=conversation), events, now=now)


async def commit_turn(
    state: State,
    conversation: str,
    begun: BegunConversation,
    *,
    handled: Sequence[str] = (),
    outbox: Sequence[Envelope] = (),
    facts: Facts | None = None,
    now: datetime = NOW,
    token: int | None = None,
    version: int | None = None,
    epoch: int | None = None,
) -> str:
    """Commit on what ``begun`` gave, unless another token, version or epoch is named."""
    made = await state.conversations.commit(
        conversation,
        token=begun.token if token is None else token,
        version=begun.conversation.version if version is None else version,
        epoch=begun.conversation.epoch if epoch is None else epoch,
        facts=facts or Facts(),
        handled=handled,
        outbox=outbox,
        now=now,
    )
    assert (made.snapshot is not None) == (made.verdict == "committed")
    return made.verdict


def outbound(**changes: Any) -> OutboundMessage:
    author: AuthorKind = changes.pop("author", "agent")
    fields: dict[str, Any] = {
        "id": new_id(),
        "author": Author(kind=author),
        "text": "Water it with rain water.",
        "place": "visitor-1",
        "contact_id": "contact-1",
        "created_at": NOW,
        "expires_at": later(days=1),
    }
    return OutboundMessage(**(fields | changes))


def reply(conversation: str, message: OutboundMessage | None = None, *, at: datetime = NOW) -> Envelope:
    message = message or outbound()
    return envelope(
        topics.MESSAGE_SEND,
        message,
        id=message.id,
        time=at,
        source="parley/worker",
        tenant="plantstore",
        channel="web",
        account="main",
        conversation=conversation,
        correlation_id="turn-1",
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )


def line(**changes: Any) -> TranscriptMessage:
    author: AuthorKind = changes.pop("author", "contact")
    fields: dict[str, Any] = {
        "id": new_id(),
        "author": Author(kind=author),
        "text": "Does my pitcher plant need food?",
        "created_at": NOW,
    }
    return TranscriptMessage(**(fields | changes))


def attachment(id_: str = "a" * 64) -> Attachment:
    return Attachment(id=id_, name="leaf.jpg", type="image/jpeg", size=12_345)


def make_delivered(message_id: str, state: Any, *, at: datetime = NOW, external_id: str = "") -> DeliveryOutcome:
    return DeliveryOutcome(message_id=message_id, state=state, at=at, external_id=external_id)


def record(offset: int, key: str, *, partition: int = 0, topic: str = "parley.inbound.web") -> Record:
    headers = {"ce_id": f"event-{offset}", "ce_note": "é:*\r\n"}
    return Record(
        topic, partition, offset, key, 1_772_366_400_000 + offset, headers, b"\x00\xff bytes" + bytes([offset])
    )


def make_intended(key: str = "key-1", **changes: Any) -> ActionIntended:
    fields: dict[str, Any] = {
        "key": key,
        "action": "refund",
        "arguments": {"order": "A-1", "amount": "12.50"},
        "authority": "confirmation-1",
        "contact_id": "contact-1",
        "turn_id": "turn-1",
        "deadline": later(10),
        "due": later(40),
        "at": NOW,
    }
    return ActionIntended(**(fields | changes))


def make_settled(key: str = "key-1", outcome: ActionOutcome = "succeeded", **changes: Any) -> ActionSettled:
    fields: dict[str, Any] = {"key": key, "action": "refund", "outcome": outcome, "at": NOW}
    return ActionSettled(**(fields | changes))
