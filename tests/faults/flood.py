"""More than can be handled at once, straight onto the log: what a flood looks like behind the edge."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

from schemas import ids, topics
from schemas.envelope import Envelope, envelope
from schemas.messages import InboundMessage
from tests.harness.installation import QUESTIONS


def flood(
    tenant: str,
    *,
    conversations: int,
    each: int,
    first: int = 0,
    channel: str = "web",
    account: str = "main",
    texts: Sequence[str] = QUESTIONS,
) -> list[Envelope]:
    """``each`` messages in each of the conversations, in turn, as the edge would have written them. ``first`` is the
    number of the first conversation; what is said is one of ``texts`` after the other."""
    places = [f"flood-{n}" for n in range(first, first + conversations)]
    said = partial(_said, tenant, channel, account)
    return [said(place, number, texts[number % len(texts)]) for number in range(each) for place in places]


def conversation(tenant: str, place: str) -> str:
    return ids.conversation_id(tenant, "web", "main", place)


def _said(tenant: str, channel: str, account: str, place: str, number: int, text: str) -> Envelope:
    now = datetime.now(UTC)
    event = ids.event_id(tenant, channel, account, place, str(number), "message.received")
    message = InboundMessage(
        id=event,
        external_id=str(number),
        place=place,
        contact_id=ids.contact_id(tenant, channel, place),
        text=f"{text} ({number})",
        sent_at=now,
    )
    return envelope(
        topics.MESSAGE_RECEIVED,
        message,
        id=event,
        time=now,
        source=f"/connectors/{channel}/{tenant}/{account}",
        tenant=tenant,
        channel=channel,
        account=account,
        conversation=ids.conversation_id(tenant, channel, account, place),
        correlation_id=event,
    )
