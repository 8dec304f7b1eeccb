"""One conversation: read, taken over, answered, given back."""

from __future__ import annotations

from typing import Literal, get_args
from uuid import uuid4

from aiohttp import web
from pydantic import ValidationError

from connectors import conversation_signals as signals
from connectors.outbound.rendering import render_within_deadline
from gateway.admin.contact_names import contacts_of, signed
from gateway.config.settings import Tenant
from gateway.console.conversation_status import holder_name
from gateway.console.forms import Form
from gateway.console.html import Html, joined, tag
from gateway.console.layout import elsewhere, page, path_of
from gateway.console.live_updates import Live
from gateway.console.pages.controls import (
    approvals,
    composer,
    holding,
    particulars,
    resend,
    resolution_form,
    resolution_of,
    taken,
)
from gateway.console.pages.inbox import everybody
from gateway.console.pages.transcript import TranscriptView
from gateway.console.sessions import Operator
from gateway.http.responses import explain
from gateway.operators.conversations import OperatorService, Said
from gateway.webchat.attachments import AttachmentDesk
from gateway.wiring.parts import Parts
from schemas.conversation import Conversation, Owner, display_name
from schemas.errors import Conflict, IdReused, InvalidRequest, RequestError, StaleEpoch
from schemas.transcript import order_lines

LINES = 200
WHY = "in the console"
TOLD = {
    "person": "It is yours. The agent is silent until you give the conversation back.",
    "agent": "Given back: the agent answers again.",
    "queue": "It waits for a person again.",
    "closed": "Resolved.",
    "sent": "Your message is on its way.",
    "approve": "Approved.",
    "deny": "Denied.",
}
LOST = "lost"


class ConversationPage:
    def __init__(self, parts: Parts, live: Live) -> None:
        self._parts = parts
        self._state = parts.state
        self._live = live
        # Addresses beneath the page's own: its policy shows nothing from elsewhere.
        self._files = AttachmentDesk(parts.blobs, secret_key=parts.secret_key, public_url="", clock=parts.clock)
        self._operators = OperatorService(parts)
        self._view = TranscriptView(self._files)

    async def show(self, request: web.Request, operator: Operator) -> web.Response:
        return await self._page(request, operator, await self._found(request))

    async def own(self, request: web.Request, operator: Operator, form: Form) -> web.Response:
        """Two who claim at once name the same epoch: one wins, and the other is told who."""
        to, epoch = _owner(form.one("to")), form.one("epoch")
        if not (epoch.isascii() and epoch.isdigit() and len(epoch) < 16):
            raise InvalidRequest("epoch: must be a whole number")
        found = await self._found(request)
        resolution = resolution_of(form, self._section(found)) if to == "closed" else None
        change = self._operators.change_owner
        try:
            decision = await change(found, to, int(epoch), operator.actor, reason=_reason(to), resolution=resolution)
        except Conflict as error:
            return await self._page(request, operator, found, wrong=f"Nothing was changed: {error.message}.")
        self._tell(found)
        return _back(found, to if decision.won else LOST)

    async def resolve(self, request: web.Request, operator: Operator) -> web.Response:
        """The form for what came of it: a page of its own, so that nothing in it changes while it is filled in."""
        found = await self._found(request)
        form = resolution_form(found, operator, self._section(found))
        return page(operator, found.origin.tenant, "conversations", "Resolve", tag("h1", "Resolve"), form)

    async def say(self, request: web.Request, operator: Operator, form: Form) -> web.Response:
        """What was typed stays in the field until it is accepted."""
        found = await self._found(request)
        try:
            stored = [
                await self._parts.blobs.put(
                    found.origin.tenant, file.name, file.type, file.data, conversation=found.id, claimed=False
                )
                for file in form.files
            ]
            said = Said(client_msg_id=form.one("client_msg_id"), text=form.one("text").replace("\r\n", "\n"))
            given = said.model_copy(update={"attachments": [file.id for file in stored]})
            await self._operators.say(found, given, operator.actor, reason=f"answered {WHY}")
        except (RequestError, ValidationError) as error:
            now = await self._found(request)
            return await self._page(request, operator, now, draft=form.one("text"), wrong=_wrong(error, now))
        self._tell(found)
        return _back(found, "sent")

    async def decide(self, request: web.Request, operator: Operator, form: Form) -> web.Response:
        decision: Literal["approve", "deny"] = "approve" if form.one("decision") == "approve" else "deny"
        found = await self._found(request)
        await self._operators.decide_approval(found, request.match_info["approval"], decision, operator.actor)
        return _back(found, decision)

    async def _page(
        self, request: web.Request, operator: Operator, found: Conversation, *, draft: str = "", wrong: str = ""
    ) -> web.Response:
        after = request.query.get("after")
        if after is not None and not (after.isascii() and after.isdigit() and len(after) < 16):
            raise InvalidRequest("after: must be a whole number")

        async def render() -> Html:
            return await self._part(await self._found(request), operator, after)

        contact = (await contacts_of(self._state.contacts, [found])).get(found.origin.contact_id)
        name = display_name(contact, found.origin)
        told, lost = wrong or self._told(request.query.get("told", ""), found), request.query.get("told") == LOST

        def whole(live: Html) -> web.Response:
            head = tag("div", tag("h1", name), particulars(found), class_="head")
            form = composer(found, operator, str(uuid4()), draft)
            content = (head, live, form)
            title, tenant = f"{name} on {found.origin.channel}", found.origin.tenant
            failed = bool(wrong) or lost
            status = 409 if wrong else 200
            return page(operator, tenant, "conversations", title, *content, status=status, told=told, wrong=failed)

        if wrong:
            return whole(tag("div", await render(), id="live"))
        return await self._live.answer(request, found.id, render, whole)

    async def _part(self, found: Conversation, operator: Operator, after: str | None) -> Html:
        transcript = self._state.transcript
        if after is None:
            lines = await transcript.read_recent(found.id, limit=LINES)
        else:
            lines = await transcript.read(found.id, after=int(after), limit=LINES)
        contact = (await contacts_of(self._state.contacts, [found])).get(found.origin.contact_id)
        named = signed(order_lines(lines), found, contact)
        first = min((line.seq for line in lines), default=1)
        earlier = f"{path_of(found.origin.tenant, 'conversations', found.id)}?after={max(0, first - LINES - 1)}"
        turns = await self._state.turns.list_newest(found.id)
        shown = await render_within_deadline(
            lambda: self._view.shown(found.origin.tenant, named, turns, lambda line: resend(found, line, operator)),
            (line.text for line in named if line.author.kind != "contact"),
            surface="console",
        )
        return joined(
            tag("p", tag("a", "Earlier lines", href=earlier)) if first > 1 else None,
            shown,
            approvals(found, operator),
            holding(found, operator),
            taken(found, operator),
        )

    async def _found(self, request: web.Request) -> Conversation:
        return await self._operators.find(request.match_info["tenant"], request.match_info["id"])

    def _section(self, found: Conversation) -> Tenant:
        return self._parts.config.tenants[found.origin.tenant]

    def _told(self, what: str, found: Conversation) -> str:
        if what == LOST:
            who = holder_name(found) if found.owner == "person" else "Somebody else"
            return f"Nothing was changed: {who} was faster."
        return TOLD.get(what, "")

    def _tell(self, found: Conversation) -> None:
        for topic in (found.id, everybody(found.origin.tenant)):
            self._state.signals.publish_nowait(signals.conversation_topic(topic), signals.MESSAGE_SIGNAL)


def _back(found: Conversation, told: str) -> web.Response:
    return elsewhere(f"{path_of(found.origin.tenant, 'conversations', found.id)}?told={told}")


def _owner(text: str) -> Owner:
    for owner in get_args(Owner):
        if text == owner:
            known: Owner = owner
            return known
    raise InvalidRequest(f"to: must be one of {', '.join(get_args(Owner))}")


def _reason(to: Owner) -> str:
    return {"person": f"taken over {WHY}", "closed": f"resolved {WHY}"}.get(to, f"given back {WHY}")


def _wrong(error: RequestError | ValidationError, found: Conversation) -> str:
    if isinstance(error, StaleEpoch):
        return f"Not sent: {holder_name(found)} has the conversation. Put it back in the queue first."
    if isinstance(error, IdReused):
        return "Not sent again: this form was sent before. Load the page to see what became of it."
    return f"Not sent: {explain(error) if isinstance(error, ValidationError) else error.message}."
