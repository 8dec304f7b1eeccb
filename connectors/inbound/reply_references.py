"""What an event says about another message, which it names by the vendor's id: ours is found out here."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from schemas import ids, topics
from schemas.content import all_words
from schemas.conversation import Contact
from schemas.messages import Quote
from schemas.ports import Account, Conversations, Deliveries, Event, Transcript

Found = tuple[Contact, str]
"""A contact, and a conversation's id."""


@cache
def short_name(event_type: str) -> str:
    """``parley.message.received.v1`` → ``message.received``; the ``kind`` of an event id."""
    return event_type.removeprefix("parley.").rpartition(".v")[0]


def event_id(account: Account, place: str, external_id: str, event_type: str, revision: str = "") -> str:
    """Of what the vendor calls ``external_id``; the same each time (design §4)."""
    return ids.event_id(
        account.tenant, account.channel, account.name, place, external_id, short_name(event_type), revision
    )


def refers(event: Event) -> bool:
    """Whether it names another message by the vendor's id. Most do not, and they should not have to wait."""
    return "answers" in event.payload or event.type == topics.REACTION_CHANGED


def at_home(account: Account, event: Event, contact: Contact, conversation: str) -> Event:
    """The event at the place that named its conversation. A vendor may tell the same message twice, once with an
    address of the contact that the other telling lacks: it is one message, and has one id."""
    if len(contact.addresses) < 2:
        return event
    theirs = [each.value for each in contact.addresses if each.channel == account.channel]
    if len(theirs) < 2 or _named_by(account, event.place, conversation):
        return event
    place = next((value for value in theirs if _named_by(account, value, conversation)), event.place)
    return replace(event, place=place)


def _named_by(account: Account, place: str, conversation: str) -> bool:
    return ids.conversation_id(account.tenant, account.channel, account.name, place) == conversation


class References:
    def __init__(self, deliveries: Deliveries, conversations: Conversations, transcript: Transcript) -> None:
        self._deliveries = deliveries
        self._conversations = conversations
        self._transcript = transcript

    async def told(self, account: Account, event: Event, found: Found) -> tuple[Event, Found]:
        """The event with our ids, and where it belongs. Raises StateUnavailable, StateLost."""
        if event.type == topics.REACTION_CHANGED:
            return await self._reaction(account, event, found)
        answers = event.payload.get("answers")
        if not answers or event.payload.get("in_reply_to"):
            return event, found
        ours = await self._answered(account, event.place, str(answers), found[1])
        if not ours:
            return event, found
        told = {"in_reply_to": ours, **await self._quoted(event, ours, found)}
        return replace(event, payload={**event.payload, **told}), found

    async def _quoted(self, event: Event, ours: str, found: Found) -> dict[str, Quote]:
        """What the contact quotes, where we know the words: most vendors give an id alone."""
        quote = event.payload.get("quote")
        if not isinstance(quote, Quote):
            return {}
        line = await self._transcript.find(found[1], ours)
        if line is None or line.state == "deleted":
            return {"quote": quote.model_copy(update={"id": ours})}
        words = all_words(line)
        for cited in line.citations:
            words = words.replace(f" [{cited.n}]", "")
        return {"quote": Quote(id=ours, text=quote.text or words)}

    async def _answered(self, account: Account, place: str, answers: str, conversation: str) -> str:
        """Our id of the message, empty when it is none of this conversation's."""
        sent = await self._deliveries.by_external_id(account.tenant, account.channel, account.name, answers)
        if sent is not None:
            return sent[1] if sent[0] == conversation else ""
        theirs = event_id(account, place, answers, topics.MESSAGE_RECEIVED)
        return theirs if await self._transcript.find(conversation, theirs) is not None else ""

    async def _reaction(self, account: Account, event: Event, found: Found) -> tuple[Event, Found]:
        """It belongs where the message is. In a room the vendor may not say where that is, only which message."""
        sent = await self._deliveries.by_external_id(account.tenant, account.channel, account.name, event.external_id)
        if sent is None or sent[0] == found[1]:
            return event, found
        known = await self._conversations.get(sent[0])
        if known is None:
            return event, found
        return replace(event, place=known.origin.place), (found[0], sent[0])
