"""Records that were given up on: looked at, and tried again."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

from aiohttp import web

from gateway.admin.guard import page_size
from gateway.admin.masking import masked
from gateway.lines import instant
from gateway.parts import Parts
from gateway.responses import reply
from schemas import ids, topics
from schemas.conversation import DeadLetter
from schemas.envelope import Envelope
from schemas.errors import Conflict, InvalidRequest, NotFound, RecordError, Unavailable

UNASSIGNED = ""
"""The tenant of letters whose record did not even say whose it was."""


class DeadLetterDesk:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._letters = parts.state.dead_letters

    async def listing(self, request: web.Request) -> web.Response:
        """``?unassigned=true`` lists those that belong to no tenant because they could not be read."""
        unassigned = request.query.get("unassigned", "false")
        if unassigned not in ("true", "false"):
            raise InvalidRequest("unassigned: must be true or false")
        tenant = UNASSIGNED if unassigned == "true" else request.match_info["tenant"]
        after = request.query.get("after", "")
        items, following = await self._letters.listing(tenant, after=after, limit=page_size(request))
        return reply({"items": [shown(letter) for letter in items], "next": following})

    async def get(self, request: web.Request) -> web.Response:
        letter = await self._letter(request)
        where = {"partition": letter.partition, "offset": letter.offset, "headers": sorted(letter.headers)}
        return reply(shown(letter) | where)

    async def replay(self, request: web.Request) -> web.Response:
        """Append the record again under a new id; what is answered, the worker decides."""
        letter = await self._letter(request)
        original = decoded(letter)
        if self._parts.lost():
            raise Unavailable("state is being rebuilt", retry_after_ms=2000)
        number = await self._letters.replayed(letter.tenant, letter.id)
        again = replace(
            original,
            id=ids.derived_id(original.id, "replay", number),
            replay_of=original.replay_of or original.id,
            causation_id=letter.id,
            time=self._parts.clock(),
        )
        await self._parts.bus.append([again], topic=letter.topic)
        return reply({"id": again.id, "replay_of": again.replay_of, "replays": number, "topic": letter.topic}, 202)

    async def _letter(self, request: web.Request) -> DeadLetter:
        tenant, wanted = request.match_info["tenant"], request.match_info["id"]
        for owner in (tenant, UNASSIGNED):
            letter = await self._letters.get(owner, wanted)
            if letter is not None:
                return letter
        raise NotFound("no such dead letter")


def shown(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "code": letter.code,
        "reason": letter.reason,
        "attempts": letter.attempts,
        "replays": letter.replays,
        "topic": letter.topic,
        "channel": letter.channel,
        "conversation_id": letter.conversation_id,
        "first_at": instant(letter.first_at),
        "last_at": instant(letter.last_at),
        "payload": masked(letter.value),
    }


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
