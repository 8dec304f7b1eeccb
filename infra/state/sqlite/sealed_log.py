"""The log in embedded mode's file, sealed: for events that are appended in the same transaction as the state."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

from infra.bus.sealed_bus import EventSealer
from infra.state.sqlite import conversation_rows
from infra.state.sqlite.sealed_rows import use_key
from infra.state.sqlite.store import SharedLog
from schemas.envelope import Envelope
from schemas.privacy import sealed_events
from schemas.privacy.sealed_bodies import BodyOwner


class SealedLog:
    """Seals like ``SealedBus``. Where the process does not remember a key, it is read from the same file, or made there
    together with its record on the log."""

    sealer: EventSealer | None = None
    """Set once the state is open, from which keys come. Until then, and without one, nothing is sealed."""

    def __init__(self, log: SharedLog) -> None:
        self._log = log

    def insert(self, connection: sqlite3.Connection, envelopes: Sequence[Envelope]) -> Callable[[], None]:
        sealer = self.sealer
        if sealer is None:
            return self._log.insert(connection, envelopes)
        sealed = sealer.seal_now(envelopes)
        if sealed is None:
            sealed = [each for event in envelopes for each in _seal(connection, event, sealer)]
        return self._log.insert(connection, sealed)


def _seal(connection: sqlite3.Connection, event: Envelope, sealer: EventSealer) -> list[Envelope]:
    """The sealed event, after the record of its key if that is new."""
    contact = _find_contact(connection, event, sealer) if sealed_events.is_sealable(event) else ""
    if not contact:
        return [event]
    stored, records = use_key(connection, BodyOwner(event.tenant, contact), sealer.keys)
    return [*records, sealed_events.seal_event(event, contact, sealer.keys.unwrap(stored))]


def _find_contact(connection: sqlite3.Connection, event: Envelope, sealer: EventSealer) -> str:
    contact = sealer.find_contact(event)
    if contact is None:
        row = conversation_rows.load(connection, event.conversation)
        contact = row.conversation.origin.contact_id if row is not None else ""
    return contact
