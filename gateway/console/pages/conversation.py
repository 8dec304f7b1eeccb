"""The page of a conversation: its transcript, and the forms to take over, reply, approve, return and resolve."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args
from uuid import uuid4

from aiohttp import web
from markupsafe import Markup
from pydantic import ValidationError

from connectors import conversation_signals as signals
from connectors.outbound.rendering import render_within_deadline
from gateway.config.desk import DeskSettings
from gateway.config.settings import Tenant
from gateway.console.conversation_status import describe_holder, describe_owner, name_person
from gateway.console.forms import Form
from gateway.console.live_updates import LivePart, LiveUpdates
from gateway.console.pages.conversation_list import list_topic
from gateway.console.pages.transcript import ResendForm, TranscriptView
from gateway.console.rendering import build_path, redirect, render, render_page
from gateway.console.sessions import Operator
from gateway.contacts.contact_names import load_contacts, name_authors
from gateway.http.responses import describe_validation_error
from gateway.operators.conversations import OperatorMessage, OperatorService
from gateway.storage.attachments import AttachmentService
from gateway.wiring.process_services import ProcessServices
from schemas.conversation import Contact, Conversation, Origin, Owner, display_name
from schemas.errors import Conflict, IdReused, InvalidRequest, RequestError, StaleEpoch
from schemas.handoff.rules import is_held_from, objection_to_decision, pending_approvals
from schemas.handoff.service import HandoffResolution
from schemas.messages import MAX_TEXT
from schemas.privacy.cards import mask_cards
from schemas.transcript import order_lines

MAX_LINES = 200
MAX_NOTE = 3000
"""Characters."""
_DEFAULT_OUTCOMES: list[str] = DeskSettings.model_fields["outcomes"].default
IN_CONSOLE = "in the console"
NOTICES = {
    "person": "The conversation is yours. The agent stays silent until you return it.",
    "agent": "Returned: the agent answers again.",
    "queue": "Back in the queue: the contact is waiting for a person.",
    "closed": "Resolved.",
    "sent": "Your message is on its way.",
    "approve": "Approved.",
    "deny": "Denied.",
}
LOST_RACE = "lost"


class ConversationPage:
    def __init__(self, services: ProcessServices, live: LiveUpdates) -> None:
        self._services = services
        self._state = services.state
        self._live = live
        # Relative URLs, since the content security policy allows no other origin.
        self._files = AttachmentService(
            services.blobs, secret_key=services.secret_key, public_url="", clock=services.clock
        )
        self._operators = OperatorService(services)
        self._view = TranscriptView(self._files)

    async def show(self, request: web.Request, operator: Operator) -> web.Response:
        return await self._render_page(request, operator, await self._find(request))

    async def change_owner(self, request: web.Request, operator: Operator, form: Form) -> web.Response:
        """Change the owner. If two operators submit the same epoch, one wins, and the other learns who was faster."""
        to, epoch = _parse_owner(form.get("to")), form.get("epoch")
        if not (epoch.isascii() and epoch.isdigit() and len(epoch) < 16):
            raise InvalidRequest("epoch: must be a whole number")
        conversation = await self._find(request)
        resolution = parse_resolution(form, self._get_section(conversation)) if to == "closed" else None
        change = self._operators.change_owner
        try:
            decision = await change(
                conversation, to, int(epoch), operator.actor, reason=_get_reason(to), resolution=resolution
            )
        except Conflict as error:
            return await self._render_page(
                request, operator, conversation, error=f"Nothing was changed: {error.message}."
            )
        self._signal_change(conversation)
        return _redirect_back(conversation, to if decision.won else LOST_RACE)

    async def show_resolution_form(self, request: web.Request, operator: Operator) -> web.Response:
        """Show the resolution form on a page of its own, which is not updated while it is filled in."""
        conversation = await self._find(request)
        choices, tenant = get_resolution_choices(self._get_section(conversation)), conversation.origin.tenant
        return render_page(
            "resolution.html",
            operator,
            tenant,
            "conversations",
            conversation=conversation,
            choices=choices,
            max_note=MAX_NOTE,
        )

    async def send_message(self, request: web.Request, operator: Operator, form: Form) -> web.Response:
        """Send a reply. After an error, the text stays in the field."""
        conversation = await self._find(request)
        try:
            stored = [
                await self._services.blobs.put(
                    conversation.origin.tenant,
                    file.name,
                    file.type,
                    file.data,
                    conversation=conversation.id,
                    claimed=False,
                )
                for file in form.files
            ]
            text = form.get("text").replace("\r\n", "\n")
            message = OperatorMessage(client_msg_id=form.get("client_msg_id"), text=text)
            message = message.model_copy(update={"attachments": [file.id for file in stored]})
            await self._operators.send_message(conversation, message, operator.actor, reason=f"replied {IN_CONSOLE}")
        except (RequestError, ValidationError) as error:
            current = await self._find(request)
            problem = _describe_error(error, current)
            return await self._render_page(request, operator, current, draft=form.get("text"), error=problem)
        self._signal_change(conversation)
        return _redirect_back(conversation, "sent")

    async def decide_approval(self, request: web.Request, operator: Operator, form: Form) -> web.Response:
        decision: Literal["approve", "deny"] = "approve" if form.get("decision") == "approve" else "deny"
        conversation = await self._find(request)
        await self._operators.decide_approval(conversation, request.match_info["approval"], decision, operator.actor)
        return _redirect_back(conversation, decision)

    async def _render_page(
        self, request: web.Request, operator: Operator, conversation: Conversation, *, draft: str = "", error: str = ""
    ) -> web.Response:
        after = request.query.get("after")
        if after is not None and not (after.isascii() and after.isdigit() and len(after) < 16):
            raise InvalidRequest("after: must be a whole number")

        async def render_part() -> Markup:
            return await self._render_part(await self._find(request), operator, after)

        contact = (await load_contacts(self._state.contacts, [conversation])).get(conversation.origin.contact_id)
        name = display_name(contact, conversation.origin)
        outcome = request.query.get("notice", "")
        notice = error or self._get_notice(outcome, conversation)

        def render_whole_page(live: LivePart) -> web.Response:
            return render_page(
                "conversation.html",
                operator,
                conversation.origin.tenant,
                "conversations",
                status=409 if error else 200,
                notice=notice,
                is_error=bool(error) or outcome == LOST_RACE,
                conversation=conversation,
                name=name,
                details=_list_details(conversation, contact),
                live=live,
                client_msg_id=str(uuid4()),
                draft=draft,
                max_text=MAX_TEXT,
            )

        if error:
            return render_whole_page(LivePart(await render_part()))
        return await self._live.respond(request, conversation.id, render_part, render_whole_page)

    async def _render_part(self, conversation: Conversation, operator: Operator, after: str | None) -> Markup:
        stored = self._state.transcript
        if after is None:
            lines = await stored.read_recent(conversation.id, limit=MAX_LINES)
        else:
            lines = await stored.read(conversation.id, after=int(after), limit=MAX_LINES)
        contact = (await load_contacts(self._state.contacts, [conversation])).get(conversation.origin.contact_id)
        named = name_authors(order_lines(lines), conversation, contact)
        first = min((line.seq for line in lines), default=1)
        path = build_path(conversation.origin.tenant, "conversations", conversation.id)
        turns = await self._state.turns.list_newest(conversation.id)
        may_reply = not is_held_from(operator.actor, "claim", conversation)
        resend = ResendForm(f"{path}/messages", operator.csrf) if may_reply and operator.may("reply") else None
        transcript = await render_within_deadline(
            lambda: self._view.render(conversation.origin.tenant, named, turns, resend),
            (line.text for line in named if line.author.kind != "contact"),
            surface="console",
        )
        return render(
            "conversation_live.html",
            conversation=conversation,
            operator=operator,
            earlier_url=f"{path}?after={max(0, first - MAX_LINES - 1)}" if first > 1 else "",
            transcript=transcript,
            approvals=_list_approvals(conversation, operator),
            name_person=name_person,
            owner=describe_owner(conversation, operator),
            may_reply=may_reply,
            may_return=not is_held_from(operator.actor, "return", conversation),
            may_resolve=not is_held_from(operator.actor, "resolve", conversation),
        )

    async def _find(self, request: web.Request) -> Conversation:
        return await self._operators.find(request.match_info["tenant"], request.match_info["id"])

    def _get_section(self, conversation: Conversation) -> Tenant:
        return self._services.config.tenants[conversation.origin.tenant]

    def _get_notice(self, outcome: str, conversation: Conversation) -> str:
        if outcome == LOST_RACE:
            who = describe_holder(conversation) if conversation.owner == "person" else "Somebody else"
            return f"Nothing was changed: {who} was faster."
        return NOTICES.get(outcome, "")

    def _signal_change(self, conversation: Conversation) -> None:
        for topic in (conversation.id, list_topic(conversation.origin.tenant)):
            self._state.signals.publish_nowait(signals.conversation_topic(topic), signals.MESSAGE_SIGNAL)


@dataclass(frozen=True, slots=True)
class Approval:
    """An action that waits for a person's approval."""

    id: str
    facts: list[tuple[str, str]]
    expires_at: datetime
    may_approve: bool
    may_deny: bool


def _list_approvals(conversation: Conversation, operator: Operator) -> list[Approval]:
    return [
        Approval(
            each.id,
            [
                ("Action", each.display_name),
                ("Why", each.reason),
                *((name, str(value)) for name, value in each.arguments.items()),
                ("Approved by", f"{len(each.approved_by)} of {each.people} people" if each.people > 1 else ""),
                ("Takes the role", each.role if each.role != "agent" else ""),
            ],
            each.expires_at,
            may_approve=operator.may("reply") and objection_to_decision(each, "approve", operator.actor) is None,
            may_deny=operator.may("reply") and objection_to_decision(each, "deny", operator.actor) is None,
        )
        for each in pending_approvals(conversation)
    ]


def _list_details(conversation: Conversation, contact: Contact | None) -> list[tuple[str, str]]:
    origin = conversation.origin
    return [
        ("Channel", f"{origin.channel} ({origin.account})"),
        ("Contact", _link_contact(contact, origin)),
        ("Language", conversation.facts.locale),
        ("Conversation", conversation.id),
    ]


def _link_contact(contact: Contact | None, origin: Origin) -> str:
    if contact is None:
        return ""
    address = build_path(contact.tenant, "contacts", contact.id)
    return Markup('<a href="{}">{}</a>').format(address, display_name(contact, origin))


def _redirect_back(conversation: Conversation, outcome: str) -> web.Response:
    return redirect(f"{build_path(conversation.origin.tenant, 'conversations', conversation.id)}?notice={outcome}")


def _parse_owner(text: str) -> Owner:
    for owner in get_args(Owner):
        if text == owner:
            known: Owner = owner
            return known
    raise InvalidRequest(f"to: must be one of {', '.join(get_args(Owner))}")


def _get_reason(to: Owner) -> str:
    return {"person": f"taken over {IN_CONSOLE}", "closed": f"resolved {IN_CONSOLE}"}.get(to, f"returned {IN_CONSOLE}")


def _describe_error(error: RequestError | ValidationError, conversation: Conversation) -> str:
    if isinstance(error, StaleEpoch):
        return f"Not sent: {describe_holder(conversation)} has the conversation. Put it back in the queue first."
    if isinstance(error, IdReused):
        return "Not sent again: this form was sent before. Reload the page to see its message."
    return f"Not sent: {describe_validation_error(error) if isinstance(error, ValidationError) else error.message}."


# The form in which an operator resolves the conversation.
@dataclass(frozen=True, slots=True)
class ResolutionChoices:
    """What the form offers."""

    outcomes: list[str]
    tags: list[str]
    asks_rating: bool


def get_resolution_choices(section: Tenant) -> ResolutionChoices:
    """Return the choices of the tenant's desk, or the default ones."""
    desk = section.desk
    if desk is None:
        return ResolutionChoices(_DEFAULT_OUTCOMES, [], True)
    return ResolutionChoices(desk.outcomes, desk.tags, desk.rating)


def parse_resolution(form: Form, section: Tenant) -> HandoffResolution:
    """Parse the form. Raises InvalidRequest if it contains a choice that was not offered."""
    choices = get_resolution_choices(section)
    outcome, chosen, note = form.get("outcome"), form.fields.get("tag", []), form.get("note")
    if (outcome and outcome not in choices.outcomes) or not set(chosen) <= set(choices.tags) or len(note) > MAX_NOTE:
        raise InvalidRequest("the form contains a value that was not offered, or a note that is too long")
    if "\x00" in note:
        raise InvalidRequest("note: must not contain NUL characters")
    return HandoffResolution(outcome, list(dict.fromkeys(chosen)), mask_cards(note.strip()), form.get("ask") != "")
