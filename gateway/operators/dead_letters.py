"""Replay and removal of dead letters. A replay appends the record again with a new id, and the worker decides what to
do with it."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace

from gateway.access.principals import SOURCE
from gateway.wiring.process_services import ProcessServices
from schemas import ids, topics
from schemas.conversation import DeadLetter, DeadLetterDiscarded
from schemas.envelope import Envelope, envelope
from schemas.errors import Conflict, NotFound, RecordError, Unavailable

UNASSIGNED = ""
"""The tenant of dead letters whose record does not name one."""


@dataclass(frozen=True, slots=True)
class Replay:
    """A replay of a dead letter. ``number`` counts its replays from 1."""

    id: str
    replay_of: str
    number: int
    topic: str


class DeadLetterService:
    def __init__(self, services: ProcessServices) -> None:
        self._services = services
        self._letters = services.state.dead_letters

    async def find(self, tenant: str, letter_id: str, *, sees_all: bool) -> DeadLetter:
        """Find a dead letter of the tenant; with ``sees_all`` also one without a tenant. Raises NotFound."""
        for owner in (tenant, UNASSIGNED) if sees_all else (tenant,):
            letter = await self._letters.get(owner, letter_id)
            if letter is not None:
                return letter
        raise NotFound("no such dead letter")

    async def replay(self, letter: DeadLetter) -> Replay:
        """Append the record again. Raises Conflict if the record cannot be read, Unavailable while state is rebuilt."""
        original = decode_letter(letter)
        if self._services.is_state_lost():
            raise Unavailable("state is being rebuilt", retry_after_ms=2000)
        number = await self._letters.count_replay(letter.tenant, letter.id)
        record = replace(
            original,
            id=ids.derived_id(original.id, "replay", number),
            replay_of=original.replay_of or original.id,
            causation_id=letter.id,
            time=self._services.clock(),
        )
        await self._services.bus.append([record], topic=letter.topic)
        return Replay(record.id, record.replay_of, number, letter.topic)

    async def discard(self, letter: DeadLetter, *, by: str) -> None:
        """Delete a letter for good. The log says so before the state forgets it. May be repeated."""
        now = self._services.clock()
        event = envelope(
            topics.DEADLETTER_DISCARDED,
            DeadLetterDiscarded(letter_id=letter.id, by=by, discarded_at=now),
            id=ids.derived_id(letter.id, "discarded"),
            time=now,
            source=SOURCE,
            tenant=letter.tenant,
            channel=letter.channel,
            conversation=letter.conversation_id,
            causation_id=letter.id,
        )
        await self._services.bus.append([event])
        await self._letters.remove(letter.tenant, letter.id)


def decode_letter(letter: DeadLetter) -> Envelope:
    """Decode the original record. Raises Conflict if this release cannot read it, since a replay would fail again."""
    try:
        record = Envelope.from_wire(letter.headers, base64.b64decode(letter.value))
        if record.type not in topics.EVENT_TYPES:
            raise Conflict(f"this release does not know {record.type}; replay it after an upgrade")
        record.payload(topics.EVENT_TYPES[record.type][0])
    except (RecordError, ValueError) as error:
        raise Conflict(f"the record cannot be decoded, so it cannot be replayed ({letter.code})") from error
    return record
