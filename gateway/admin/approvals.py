"""Actions that wait for a colleague's yes, and that yes."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import uuid4

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from gateway.lines import instant
from gateway.parts import Parts
from gateway.responses import read_json, reply
from schemas import topics
from schemas.actions import ActionMemory, ApprovalDecided, PendingApproval
from schemas.conversation import Conversation
from schemas.envelope import envelope
from schemas.errors import Conflict, NotFound, Unavailable
from schemas.messages import Printable
from schemas.protection.cards import masked

SOURCE = "parley/admin"


class Decision(BaseModel):
    """Body of ``POST …/approvals/{approval}``. ``by`` is for the record: who it was."""

    model_config = ConfigDict(extra="forbid", strict=True)

    decision: Literal["approve", "deny"]
    by: Annotated[Printable, Field(min_length=1, max_length=100)] = "admin"
    reason: Annotated[Printable, Field(max_length=500)] = ""


class ApprovalDesk:
    """The conversation's own state says what waits; a decision is an event in its lane, and the first one counts."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def listing(self, request: web.Request) -> web.Response:
        waiting = _waiting(await self._found(request))
        return reply({"items": [_shown(approval) for approval in waiting], "next": ""})

    async def decide(self, request: web.Request) -> web.Response:
        body = await read_json(request, Decision)
        found = await self._found(request)
        wanted = request.match_info["approval"]
        approval = next((each for each in _waiting(found) if each.id == wanted), None)
        if approval is None:
            raise NotFound("no such approval waits: it was decided before, or never asked for")
        if approval.expires_at <= self._parts.clock():
            raise Conflict("the approval has expired")
        if self._parts.lost():
            raise Unavailable("state is being rebuilt", retry_after_ms=2000)
        await self._append(found, approval, body)
        return reply({"approval_id": approval.id, "decision": body.decision}, 202)

    async def _append(self, found: Conversation, approval: PendingApproval, body: Decision) -> None:
        now, origin = self._parts.clock(), found.origin
        said = {"by": masked(body.by), "reason": masked(body.reason)}
        word = ApprovalDecided(approval_id=approval.id, decision=body.decision, at=now, **said)
        event = envelope(
            topics.APPROVAL_DECIDED,
            word,
            id=str(uuid4()),
            time=now,
            source=SOURCE,
            tenant=origin.tenant,
            channel=origin.channel,
            account=origin.account,
            conversation=found.id,
            correlation_id=approval.id,
            causation_id=approval.id,
        )
        await self._parts.bus.append([event])

    async def _found(self, request: web.Request) -> Conversation:
        found = await self._parts.state.conversations.get(request.match_info["id"])
        if found is None or found.origin.tenant != request.match_info["tenant"]:
            raise NotFound("no such conversation")
        return found


def _waiting(conversation: Conversation) -> list[PendingApproval]:
    return (conversation.facts.actions or ActionMemory()).approvals


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
