"""Dead letters, appended again under a new id; what is answered, the worker decides."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace

from gateway.wiring.parts import Parts
from schemas import ids, topics
from schemas.conversation import DeadLetter
from schemas.envelope import Envelope
from schemas.errors import Conflict, NotFound, RecordError, Unavailable

UNASSIGNED = ""
"""The tenant of letters whose record did not even say whose it was."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """``number`` counts the replays of this letter from 1."""

    id: str
    replay_of: str
    number: int
    topic: str


class Replays:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._letters = parts.state.dead_letters

    async def letter(self, tenant: str, wanted: str) -> DeadLetter:
        """One of the tenant's, or of nobody's. Raises NotFound."""
        for owner in (tenant, UNASSIGNED):
            letter = await self._letters.get(owner, wanted)
            if letter is not None:
                return letter
        raise NotFound("no such dead letter")

    async def replay(self, letter: DeadLetter) -> Replayed:
        """Raises Conflict when a replay would change nothing, Unavailable while state is being rebuilt."""
        original = decoded(letter)
        if self._parts.is_state_lost():
            raise Unavailable("state is being rebuilt", retry_after_ms=2000)
        number = await self._letters.count_replay(letter.tenant, letter.id)
        again = replace(
            original,
            id=ids.derived_id(original.id, "replay", number),
            replay_of=original.replay_of or original.id,
            causation_id=letter.id,
            time=self._parts.clock(),
        )
        await self._parts.bus.append([again], topic=letter.topic)
        return Replayed(again.id, again.replay_of, number, letter.topic)


def decoded(letter: DeadLetter) -> Envelope:
    """The record as it was. Raises Conflict when this release cannot read it: a replay would change nothing."""
    try:
        record = Envelope.from_wire(letter.headers, base64.b64decode(letter.value))
        if record.type not in topics.EVENT_TYPES:
            raise Conflict(f"this release does not know {record.type}; replay it after an upgrade")
        record.payload(topics.EVENT_TYPES[record.type][0])
    except (RecordError, ValueError) as error:
        raise Conflict(f"the record cannot be decoded, so it cannot be replayed ({letter.code})") from error
    return record
