"""Actions that wait for a colleague's yes, and that yes."""

from __future__ import annotations

from typing import Annotated, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from gateway.http.responses import read_json, reply
from gateway.operators.approvals import Decisions, waiting
from gateway.webchat.serialize import instant
from gateway.wiring.parts import Parts
from schemas.actions import PendingApproval
from schemas.conversation import Conversation
from schemas.errors import NotFound
from schemas.messages import Printable

SOURCE = "parley/admin"


class Decision(BaseModel):
    """Body of ``POST …/approvals/{approval}``. ``by`` is for the record: who it was."""

    model_config = ConfigDict(extra="forbid", strict=True)

    decision: Literal["approve", "deny"]
    by: Annotated[Printable, Field(min_length=1, max_length=100)] = "admin"
    reason: Annotated[Printable, Field(max_length=500)] = ""


class ApprovalDesk:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._decisions = Decisions(parts)

    async def listing(self, request: web.Request) -> web.Response:
        items = [_shown(approval) for approval in waiting(await self._found(request))]
        return reply({"items": items, "next": ""})

    async def decide(self, request: web.Request) -> web.Response:
        body = await read_json(request, Decision)
        found = await self._found(request)
        wanted = request.match_info["approval"]
        await self._decisions.decide(found, wanted, body.decision, by=body.by, reason=body.reason, source=SOURCE)
        return reply({"approval_id": wanted, "decision": body.decision}, 202)

    async def _found(self, request: web.Request) -> Conversation:
        found = await self._parts.state.conversations.get(request.match_info["id"])
        if found is None or found.origin.tenant != request.match_info["tenant"]:
            raise NotFound("no such conversation")
        return found


def _shown(approval: PendingApproval) -> dict[str, object]:
    return {
        "id": approval.id,
        "action": approval.action,
        "arguments": approval.arguments,
        "contact_id": approval.contact_id,
        "reason": approval.reason,
        "requested_at": instant(approval.requested_at),
        "expires_at": instant(approval.expires_at),
    }
