"""What the contacts of conversations are called, for whoever reads them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from schemas.conversation import Contact, Conversation
from schemas.messages import TranscriptMessage
from schemas.ports import Contacts


async def contacts_of(contacts: Contacts, conversations: Iterable[Conversation]) -> dict[str, Contact]:
    """By the id that the conversation has; contacts that were merged since are found under it too."""
    wanted = {(each.origin.tenant, each.origin.contact_id) for each in conversations}
    found = await asyncio.gather(*(contacts.get(*each) for each in wanted))
    return {id_: contact for (_, id_), contact in zip(wanted, found, strict=True) if contact is not None}


def signed(
    lines: Sequence[TranscriptMessage], conversation: Conversation, contact: Contact | None
) -> list[TranscriptMessage]:
    """The lines; those that came before the contact's name was known under that name. Not in a room, where others write
    too."""
    place = (conversation.origin.channel, conversation.origin.place)
    if contact is None or place not in {(each.channel, each.value) for each in (*contact.addresses, *contact.left)}:
        return list(lines)
    return [_signed(line, contact.name) for line in lines]


def _signed(line: TranscriptMessage, name: str) -> TranscriptMessage:
    if line.author.kind != "contact" or line.author.name:
        return line
    return line.model_copy(update={"author": line.author.model_copy(update={"name": name})})
