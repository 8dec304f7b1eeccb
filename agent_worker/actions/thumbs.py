"""A thumb up on the message that asked is a yes (design §7)."""

from __future__ import annotations

from collections.abc import Sequence

from agent_worker.actions.wording import YES
from agent_worker.events import Event
from schemas.actions import PendingConfirmation
from schemas.changes import ReactionChanged
from schemas.conversation import Conversation
from schemas.messages import Choosing, InboundMessage
from schemas.ports import Deliveries


def question_of(conversation: Conversation) -> PendingConfirmation | None:
    memory = conversation.facts.actions
    return memory.confirmation if memory is not None else None


async def as_choices(
    deliveries: Deliveries, events: Sequence[Event], conversation: Conversation
) -> dict[str, InboundMessage]:
    """The thumbs on the open question, as the choice that they are, by event."""
    pending = question_of(conversation)
    found: dict[str, InboundMessage] = {}
    if pending is None:
        return found
    for event in events:
        reaction, at = event.payload, event.envelope
        if not isinstance(reaction, ReactionChanged):
            continue
        message = await deliveries.by_external_id(at.tenant, at.channel, at.account, reaction.external_id)
        if message == (conversation.id, pending.message_id):
            found[event.id] = InboundMessage(
                id=event.id,
                external_id=reaction.external_id,
                place=reaction.place,
                contact_id=reaction.contact_id,
                choice=Choosing(in_reply_to=pending.message_id, id=f"{YES}{pending.id}"),
                sent_at=reaction.at,
            )
    return found
