"""Endpoints for pending approvals."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from gateway.admin.guard import cut_page, get_principal
from gateway.http.responses import json_response, read_json
from gateway.operators.conversations import OperatorService
from gateway.webchat.serialization import format_instant
from gateway.wiring.process_services import ProcessServices
from schemas.actions import PendingApproval
from schemas.conversation import Conversation
from schemas.handoff.rules import pending_approvals
from schemas.messages import Printable


class ApprovalDecisionRequest(BaseModel):
    """The body of ``POST …/approvals/{approval}``. ``by`` is the name for the record."""

    model_config = ConfigDict(extra="forbid", strict=True)

    decision: Literal["approve", "deny"]
    by: Annotated[Printable, Field(min_length=1, max_length=100)] = "admin"
    reason: Annotated[Printable, Field(max_length=500)] = ""


class ApprovalApi:
    def __init__(self, services: ProcessServices) -> None:
        self._operators = OperatorService(services)

    async def list_approvals(self, request: web.Request) -> web.Response:
        pending = pending_approvals(await self._find_conversation(request))
        page, following = cut_page(request, pending, lambda approval: approval.id)
        return json_response({"items": [_serialize(approval) for approval in page], "next": following})

    async def decide(self, request: web.Request) -> web.Response:
        body = await read_json(request, ApprovalDecisionRequest)
        conversation = await self._find_conversation(request)
        approval = request.match_info["approval"]
        actor = replace(get_principal(request).actor, name=body.by)
        await self._operators.decide_approval(conversation, approval, body.decision, actor, body.reason)
        return json_response({"approval_id": approval, "decision": body.decision}, 202)

    async def _find_conversation(self, request: web.Request) -> Conversation:
        return await self._operators.find(request.match_info["tenant"], request.match_info["id"])


def _serialize(approval: PendingApproval) -> dict[str, object]:
    return {
        "id": approval.id,
        "action": approval.action,
        "arguments": approval.arguments,
        "contact_id": approval.contact_id,
        "reason": approval.reason,
        "requested_at": format_instant(approval.requested_at),
        "expires_at": format_instant(approval.expires_at),
        "role": approval.role,
        "people": approval.people,
        "approved_by": approval.approved_by,
    }
