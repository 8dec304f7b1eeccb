"""Actions that wait for a colleague's yes, and that yes."""

from __future__ import annotations

from typing import Annotated, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from gateway.http.responses import read_json, reply
from gateway.operators.conversations import OperatorService
from gateway.webchat.serialize import instant
from gateway.wiring.parts import Parts
from schemas.actions import PendingApproval
from schemas.conversation import Conversation
from schemas.handoff.rules import Actor, pending_approvals
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
        self._operators = OperatorService(parts)

    async def listing(self, request: web.Request) -> web.Response:
        items = [_shown(approval) for approval in pending_approvals(await self._found(request))]
        return reply({"items": items, "next": ""})

    async def decide(self, request: web.Request) -> web.Response:
        body = await read_json(request, Decision)
        found = await self._found(request)
        wanted = request.match_info["approval"]
        actor = Actor(by="admin", source=SOURCE, name=body.by, is_shared=True)
        await self._operators.decide_approval(found, wanted, body.decision, actor, body.reason)
        return reply({"approval_id": wanted, "decision": body.decision}, 202)

    async def _found(self, request: web.Request) -> Conversation:
        return await self._operators.find(request.match_info["tenant"], request.match_info["id"])


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
