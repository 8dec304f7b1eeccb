"""Names of contacts in conversations and transcripts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from schemas.conversation import Contact, Conversation
from schemas.messages import TranscriptMessage
from schemas.ports import Contacts


async def load_contacts(contacts: Contacts, conversations: Iterable[Conversation]) -> dict[str, Contact]:
    """Return the contacts by the id in the conversation, which also finds contacts that were merged later."""
    keys = {(each.origin.tenant, each.origin.contact_id) for each in conversations}
    loaded = await asyncio.gather(*(contacts.get(*each) for each in keys))
    return {id_: contact for (_, id_), contact in zip(keys, loaded, strict=True) if contact is not None}


def name_authors(
    lines: Sequence[TranscriptMessage], conversation: Conversation, contact: Contact | None
) -> list[TranscriptMessage]:
    """Add the contact's name to lines that were written before it was known. Lines in a room stay as they are, since
    other people write there too."""
    place = (conversation.origin.channel, conversation.origin.place)
    if contact is None or place not in {(each.channel, each.value) for each in (*contact.addresses, *contact.left)}:
        return list(lines)
    return [_name_author(line, contact.name) for line in lines]


def _name_author(line: TranscriptMessage, name: str) -> TranscriptMessage:
    if line.author.kind != "contact" or line.author.name:
        return line
    return line.model_copy(update={"author": line.author.model_copy(update={"name": name})})
