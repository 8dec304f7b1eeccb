"""Snapshots of contacts on the log, from which a lost state store learns again who has which addresses."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable
from datetime import datetime

from schemas import ids, topics
from schemas.conversation import Contact
from schemas.envelope import Envelope, envelope

MAX_REMEMBERED = 5_000
"""Contacts kept in memory, 3 KB each. One that was dropped is appended again with its next message."""


class ContactSnapshots:
    """Remembers which contacts this process has appended to ``parley.state`` in their current form. A duplicate after a
    restart, or from another process, does no harm: the topic is compacted."""

    def __init__(self) -> None:
        self._appended: OrderedDict[str, Contact] = OrderedDict()

    def build_changed(self, contacts: Iterable[Contact], now: datetime) -> list[Envelope]:
        """Return a snapshot of each contact that is new or changed."""
        changed: dict[str, Contact] = {}
        for contact in contacts:
            if not self._is_appended(contact):
                changed[contact.id] = contact
        return [build_contact_event(contact, now) for contact in changed.values()] if changed else []

    def mark_appended(self, contacts: Iterable[Contact]) -> None:
        """Remember that snapshots of these contacts are on the log."""
        for contact in contacts:
            if self._appended.get(contact.id) is not contact:
                self._appended[contact.id] = contact
            self._appended.move_to_end(contact.id)
        while len(self._appended) > MAX_REMEMBERED:
            self._appended.popitem(last=False)

    def _is_appended(self, contact: Contact) -> bool:
        appended = self._appended.get(contact.id)
        return appended is contact or appended == contact


def _digest(contact: Contact) -> str:
    return hashlib.sha256(contact.model_dump_json().encode()).hexdigest()[:32]


def build_contact_event(contact: Contact, now: datetime) -> Envelope:
    """Build the event of a contact's snapshot. Its id follows from the content."""
    return envelope(
        topics.CONTACT_SNAPSHOT,
        contact,
        id=ids.derived_id(contact.id, _digest(contact)),
        time=now,
        source="/connectors",
        tenant=contact.tenant,
        subject=f"contact:{contact.id}",
    )
