"""Resolution of references to other messages: events name them by the vendor's id, envelopes by ours."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from schemas import ids, topics
from schemas.content import describe_message
from schemas.conversation import Contact
from schemas.messages import Quote
from schemas.ports import Account, ChannelEvent, Conversations, Deliveries, Transcript

ResolvedContact = tuple[Contact, str]
"""A contact, and a conversation's id."""


@cache
def get_event_kind(event_type: str) -> str:
    """``parley.message.received.v1`` → ``message.received``; the ``kind`` of an event id."""
    return event_type.removeprefix("parley.").rpartition(".v")[0]


def derive_event_id(account: Account, place: str, external_id: str, event_type: str, revision: str = "") -> str:
    """Return our id for the vendor's ``external_id``, the same each time."""
    return ids.event_id(
        account.tenant, account.channel, account.name, place, external_id, get_event_kind(event_type), revision
    )


def has_reference(event: ChannelEvent) -> bool:
    """Return whether the event names another message by the vendor's id. Most do not, and skip the lookup."""
    return "answers" in event.payload or event.type == topics.REACTION_CHANGED


def restore_place(account: Account, event: ChannelEvent, contact: Contact, conversation: str) -> ChannelEvent:
    """Return the event with the place that named its conversation. A vendor may send the same message twice, once
    without one of the contact's addresses; it must get the same id both times."""
    if len(contact.addresses) < 2:
        return event
    own_values = [each.value for each in contact.addresses if each.channel == account.channel]
    if len(own_values) < 2 or _names_conversation(account, event.place, conversation):
        return event
    place = next((value for value in own_values if _names_conversation(account, value, conversation)), event.place)
    return replace(event, place=place)


def _names_conversation(account: Account, place: str, conversation: str) -> bool:
    return ids.conversation_id(account.tenant, account.channel, account.name, place) == conversation


class ReferenceResolver:
    def __init__(self, deliveries: Deliveries, conversations: Conversations, transcript: Transcript) -> None:
        self._deliveries = deliveries
        self._conversations = conversations
        self._transcript = transcript

    async def resolve(
        self, account: Account, event: ChannelEvent, resolved: ResolvedContact
    ) -> tuple[ChannelEvent, ResolvedContact]:
        """Return the event with our ids, and where it belongs. Raises StateUnavailable, StateLost."""
        if event.type == topics.REACTION_CHANGED:
            return await self._resolve_reaction(account, event, resolved)
        answers = event.payload.get("answers")
        if not answers or event.payload.get("in_reply_to"):
            return event, resolved
        message_id = await self._find_answered(account, event.place, str(answers), resolved[1])
        if not message_id:
            return event, resolved
        references = {"in_reply_to": message_id, **await self._build_quote(event, message_id, resolved)}
        return replace(event, payload={**event.payload, **references}), resolved

    async def _build_quote(self, event: ChannelEvent, message_id: str, resolved: ResolvedContact) -> dict[str, Quote]:
        """Return the quoted text from the transcript where we have it: most vendors give only an id."""
        quote = event.payload.get("quote")
        if not isinstance(quote, Quote):
            return {}
        line = await self._transcript.find(resolved[1], message_id)
        if line is None or line.state == "deleted":
            return {"quote": quote.model_copy(update={"id": message_id})}
        text = describe_message(line)
        for citation in line.citations:
            text = text.replace(f" [{citation.n}]", "")
        return {"quote": Quote(id=message_id, text=quote.text or text)}

    async def _find_answered(self, account: Account, place: str, answers: str, conversation: str) -> str:
        """Return our id of the message, empty when it is not part of this conversation."""
        sent = await self._deliveries.by_external_id(account.tenant, account.channel, account.name, answers)
        if sent is not None:
            return sent[1] if sent[0] == conversation else ""
        message_id = derive_event_id(account, place, answers, topics.MESSAGE_RECEIVED)
        return message_id if await self._transcript.find(conversation, message_id) is not None else ""

    async def _resolve_reaction(
        self, account: Account, event: ChannelEvent, resolved: ResolvedContact
    ) -> tuple[ChannelEvent, ResolvedContact]:
        """Return the event at the place of the message that it reacts to. In a room the vendor may say only which
        message that is, not where."""
        sent = await self._deliveries.by_external_id(account.tenant, account.channel, account.name, event.external_id)
        if sent is None or sent[0] == resolved[1]:
            return event, resolved
        conversation = await self._conversations.get(sent[0])
        if conversation is None:
            return event, resolved
        return replace(event, place=conversation.origin.place), (resolved[0], sent[0])
