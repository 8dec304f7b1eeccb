"""How sure we are of whoever writes."""

from __future__ import annotations

from schemas.conversation import Origin
from schemas.messages import Assurance
from schemas.ports import Asker, Contacts

_LEVELS: tuple[Assurance, ...] = ("anonymous", "channel", "verified")


async def assurance_of(contacts: Contacts, origin: Origin) -> Assurance:
    """Of the address that they write from. What they have shown elsewhere does not count here: another person may
    hold this one now."""
    contact = await contacts.get(origin.tenant, origin.contact_id)
    here = [each for each in contact.addresses if each.channel == origin.channel] if contact else []
    exact = [each for each in here if each.value == origin.place]
    return max((each.assurance for each in exact or here), key=_LEVELS.index, default="anonymous")


async def looked_up(assurance: Assurance | Asker) -> Assurance:
    return assurance if isinstance(assurance, str) else await assurance()
