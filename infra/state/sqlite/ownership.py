"""Who may speak: the compare-and-set of a conversation's owner."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from infra.state import rules
from infra.state.sqlite import outbox, rows
from schemas.conversation import Conversation, Holder, Owner
from schemas.errors import NotFound
from schemas.ports import Owned


@dataclass(frozen=True, slots=True)
class Claim:
    conversation: str
    to: Owner
    expected_epoch: int
    request_id: str
    holder: Holder

    def settle(self, connection: sqlite3.Connection) -> Owned:
        """Raises NotFound. A repeat of a won request is told what it won, whatever has happened since."""
        row = rows.load(connection, self.conversation)
        if row is None:
            raise NotFound("no such conversation")
        earlier = connection.execute(
            "SELECT owner, epoch FROM state_claims WHERE conversation = ? AND request_id = ?",
            (self.conversation, self.request_id),
        ).fetchone()
        if earlier:
            return Owned(True, *earlier)
        held = row.conversation
        if held.epoch != self.expected_epoch:
            return Owned(False, held.owner, held.epoch)
        self._win(connection, held)
        return Owned(True, self.to, held.epoch + 1)

    def _win(self, connection: sqlite3.Connection, held: Conversation) -> None:
        now = self.holder.since
        at, epoch = rules.micros(now), held.epoch + 1
        connection.execute(
            "UPDATE state_conversations SET owner = ?, epoch = ?, agent_floor = ?, updated_at = MAX(updated_at, ?)"
            " WHERE id = ?",
            (self.to, epoch, rules.floor_after(self.to, epoch, held.agent_floor), at, held.id),
        )
        connection.execute(
            "DELETE FROM state_claims WHERE conversation = ?1 AND at < ?2 AND request_id NOT IN"
            " (SELECT request_id FROM state_claims WHERE conversation = ?1 ORDER BY at DESC LIMIT ?3)",
            (held.id, rules.micros(rules.handled_floor(now)), rules.KEPT_WHATEVER_AGE),
        )
        connection.execute(
            "INSERT INTO state_claims (conversation, request_id, owner, epoch, at) VALUES (?, ?, ?, ?, ?)",
            (held.id, self.request_id, self.to, epoch, at),
        )
        rows.hold(connection, held.id, self.holder)
        event = rules.owner_changed(held, self.to, self.holder, epoch=epoch, request_id=self.request_id)
        outbox.put(connection, held.id, [event], at)
