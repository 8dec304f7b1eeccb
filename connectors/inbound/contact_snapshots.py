"""Contacts on the log: a rebuilt state store must know again who has which addresses."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable
from datetime import datetime

from schemas import ids, topics
from schemas.conversation import Contact
from schemas.envelope import Envelope, envelope

REMEMBERED = 20_000


class ContactNews:
    """Which contacts this process has put on ``parley.state`` as they are now. A repeat after a restart, or by another
    process, does no harm: the topic is compacted."""

    def __init__(self) -> None:
        self._told: OrderedDict[str, Contact] = OrderedDict()

    def untold(self, contacts: Iterable[Contact], now: datetime) -> list[Envelope]:
        """Snapshots of those that are new or changed."""
        fresh: dict[str, Contact] = {}
        for contact in contacts:
            if not self._is_told(contact):
                fresh[contact.id] = contact
        return [_snapshot(contact, now) for contact in fresh.values()] if fresh else []

    def told(self, contacts: Iterable[Contact]) -> None:
        """They are on the log."""
        for contact in contacts:
            if self._told.get(contact.id) is not contact:
                self._told[contact.id] = contact
            self._told.move_to_end(contact.id)
        while len(self._told) > REMEMBERED:
            self._told.popitem(last=False)

    def _is_told(self, contact: Contact) -> bool:
        told = self._told.get(contact.id)
        return told is contact or told == contact


def _digest(contact: Contact) -> str:
    return hashlib.sha256(contact.model_dump_json().encode()).hexdigest()[:32]


def _snapshot(contact: Contact, now: datetime) -> Envelope:
    return envelope(
        topics.CONTACT_SNAPSHOT,
        contact,
        id=ids.derived_id(contact.id, _digest(contact)),
        time=now,
        source="/connectors",
        tenant=contact.tenant,
        subject=f"contact:{contact.id}",
    )
