"""What is known of a contact that may decide who answers it."""

from __future__ import annotations

from typing import get_args

from schemas.conversation import Conversation
from schemas.messages import Assurance
from schemas.ports import Contacts

LEVELS: tuple[Assurance, ...] = get_args(Assurance)


async def tiers_of(conversation: Conversation, contacts: Contacts) -> frozenset[str]:
    """The highest assurance level of its addresses, and the account it writes to, as `channel/account`."""
    origin = conversation.origin
    contact = await contacts.get(origin.tenant, origin.contact_id)
    addresses = contact.addresses if contact is not None else []
    level = max((address.assurance for address in addresses), key=LEVELS.index, default=LEVELS[0])
    return frozenset({level, f"{origin.channel}/{origin.account}"})
