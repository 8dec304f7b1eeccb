"""Endpoints for dead letters: list, read, replay, discard."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from gateway.admin.guard import get_principal, read_page_size
from gateway.admin.masking import mask_payload
from gateway.http.responses import json_response
from gateway.operators.dead_letters import UNASSIGNED, DeadLetterService
from gateway.webchat.serialization import format_instant
from gateway.wiring.process_services import ProcessServices
from schemas.conversation import DeadLetter
from schemas.errors import Forbidden, InvalidRequest


class DeadLetterApi:
    def __init__(self, services: ProcessServices) -> None:
        self._letters = services.state.dead_letters
        self._service = DeadLetterService(services)

    async def list_dead_letters(self, request: web.Request) -> web.Response:
        """List the tenant's dead letters, or with ``?unassigned=true`` the unreadable ones without a tenant."""
        unassigned = request.query.get("unassigned", "false")
        if unassigned not in ("true", "false"):
            raise InvalidRequest("unassigned: must be true or false")
        if unassigned == "true" and not get_principal(request).sees_all:
            raise Forbidden("only the admin token of the installation may list dead letters without a tenant")
        tenant = UNASSIGNED if unassigned == "true" else request.match_info["tenant"]
        after = request.query.get("after", "")
        items, following = await self._letters.list_page(tenant, after=after, limit=read_page_size(request))
        return json_response({"items": [serialize_dead_letter(letter) for letter in items], "next": following})

    async def get(self, request: web.Request) -> web.Response:
        letter = await self._find(request)
        position = {"partition": letter.partition, "offset": letter.offset, "headers": sorted(letter.headers)}
        return json_response(serialize_dead_letter(letter) | position)

    async def replay(self, request: web.Request) -> web.Response:
        replay = await self._service.replay(await self._find(request))
        body = {"id": replay.id, "replay_of": replay.replay_of, "replays": replay.number, "topic": replay.topic}
        return json_response(body, 202)

    async def discard(self, request: web.Request) -> web.Response:
        await self._service.discard(await self._find(request), by=get_principal(request).by)
        return web.Response(status=204)

    async def _find(self, request: web.Request) -> DeadLetter:
        tenant, letter = request.match_info["tenant"], request.match_info["id"]
        return await self._service.find(tenant, letter, sees_all=get_principal(request).sees_all)


def serialize_dead_letter(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "code": letter.code,
        "reason": letter.reason,
        "attempts": letter.attempts,
        "replays": letter.replays,
        "topic": letter.topic,
        "channel": letter.channel,
        "conversation_id": letter.conversation_id,
        "first_at": format_instant(letter.first_at),
        "last_at": format_instant(letter.last_at),
        "payload": mask_payload(letter.value),
    }
