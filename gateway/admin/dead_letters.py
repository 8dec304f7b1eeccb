"""Records that were given up on: looked at, and tried again."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from gateway.admin.guard import page_size
from gateway.admin.masking import masked
from gateway.http.responses import reply
from gateway.operators.replays import UNASSIGNED, Replays
from gateway.webchat.serialize import instant
from gateway.wiring.parts import Parts
from schemas.conversation import DeadLetter
from schemas.errors import InvalidRequest


class DeadLetterDesk:
    def __init__(self, parts: Parts) -> None:
        self._letters = parts.state.dead_letters
        self._replays = Replays(parts)

    async def listing(self, request: web.Request) -> web.Response:
        """``?unassigned=true`` lists those that belong to no tenant because they could not be read."""
        unassigned = request.query.get("unassigned", "false")
        if unassigned not in ("true", "false"):
            raise InvalidRequest("unassigned: must be true or false")
        tenant = UNASSIGNED if unassigned == "true" else request.match_info["tenant"]
        after = request.query.get("after", "")
        items, following = await self._letters.list_page(tenant, after=after, limit=page_size(request))
        return reply({"items": [shown(letter) for letter in items], "next": following})

    async def get(self, request: web.Request) -> web.Response:
        letter = await self._letter(request)
        where = {"partition": letter.partition, "offset": letter.offset, "headers": sorted(letter.headers)}
        return reply(shown(letter) | where)

    async def replay(self, request: web.Request) -> web.Response:
        done = await self._replays.replay(await self._letter(request))
        body = {"id": done.id, "replay_of": done.replay_of, "replays": done.number, "topic": done.topic}
        return reply(body, 202)

    async def _letter(self, request: web.Request) -> DeadLetter:
        return await self._replays.letter(request.match_info["tenant"], request.match_info["id"])


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
