"""The forms of the conversation page: take over, release, reply, approve and resolve."""

from __future__ import annotations

from gateway.config.desk import DeskSettings
from gateway.config.settings import Tenant
from gateway.console.conversation_status import describe_holder, render_owner_label, render_owner_sentence
from gateway.console.forms import Form
from gateway.console.html import Html, button, hidden_inputs, join, tag, time_tag
from gateway.console.layout import build_path
from gateway.console.pages.turn_reasons import render_definitions
from gateway.console.sessions import Operator
from schemas.actions import PendingApproval
from schemas.conversation import Conversation
from schemas.errors import InvalidRequest
from schemas.handoff.rules import is_held_from, pending_approvals
from schemas.handoff.service import HandoffResolution
from schemas.messages import MAX_TEXT, TranscriptMessage
from schemas.privacy.cards import mask_cards

MAX_NOTE = 3000
"""Characters."""
_DEFAULT_OUTCOMES: list[str] = DeskSettings.model_fields["outcomes"].default


def render_owner_section(conversation: Conversation, operator: Operator) -> Html:
    """Render the owner and the buttons that change it. The form has the epoch that the operator saw."""
    may_return = not is_held_from(operator.actor, "return", conversation)
    may_resolve = not is_held_from(operator.actor, "resolve", conversation)
    end = build_path(conversation.origin.tenant, "conversations", conversation.id, "resolve")
    choices = [
        button("Take over", name="to", value="person") if conversation.owner != "person" else None,
        button("Return to agent", name="to", value="agent", class_="plain")
        if may_return and conversation.owner != "agent"
        else None,
        button("Back to the queue", name="to", value="queue", class_="plain")
        if conversation.owner == "person"
        else None,
        tag("a", "Resolve…", href=end, class_="button") if may_resolve and conversation.owner != "closed" else None,
    ]
    form = tag(
        "form",
        hidden_inputs(csrf=operator.csrf, epoch=conversation.epoch),
        [choice for choice in choices if choice is not None],
        method="post",
        action=build_path(conversation.origin.tenant, "conversations", conversation.id, "owner"),
        class_="buttons",
    )
    status = tag("p", render_owner_label(conversation, operator), " ", render_owner_sentence(conversation, operator))
    return tag("section", status, _render_summary(conversation), form, class_="holding", aria_label="Owner")


def _render_summary(conversation: Conversation) -> Html | None:
    handoff = conversation.facts.handoff
    if handoff is None or not (handoff.summary or handoff.promised):
        return None
    promised = [tag("li", f"Promised: {text}") for text in handoff.promised]
    return tag("ul", [tag("li", text) for text in handoff.summary], promised, class_="summary")


def render_approvals(conversation: Conversation, operator: Operator) -> Html | None:
    items = [_render_approval(conversation, each, operator) for each in pending_approvals(conversation)]
    return tag("section", tag("h2", "Waiting for approval"), items, class_="approvals") if items else None


def _render_approval(conversation: Conversation, approval: PendingApproval, operator: Operator) -> Html:
    facts = [("Action", approval.display_name), ("Why", approval.reason)]
    facts += [(name, str(value)) for name, value in approval.arguments.items()]
    action = build_path(conversation.origin.tenant, "conversations", conversation.id, "approvals", approval.id)
    form = tag(
        "form",
        hidden_inputs(csrf=operator.csrf),
        button("Approve", name="decision", value="approve"),
        button("Deny", name="decision", value="deny", class_="plain"),
        method="post",
        action=action,
        class_="buttons",
    )
    until = tag("p", "Expires ", time_tag(approval.expires_at, data_at=True))
    return tag("div", render_definitions(facts), until, form, class_="approval")


def render_resend_form(conversation: Conversation, line: TranscriptMessage, operator: Operator) -> Html | None:
    """Render the form that sends a line again, which works once: a second click has the same client_msg_id."""
    if line.state != "unknown" or not line.text or is_held_from(operator.actor, "claim", conversation):
        return None
    return tag(
        "form",
        hidden_inputs(csrf=operator.csrf, client_msg_id=f"resend-{line.id}"[:64], text=line.text),
        button("Send again", class_="plain"),
        method="post",
        action=build_path(conversation.origin.tenant, "conversations", conversation.id, "messages"),
        class_="buttons",
    )


def render_details(conversation: Conversation) -> Html:
    origin = conversation.origin
    facts = [
        ("Channel", f"{origin.channel} ({origin.account})"),
        ("Language", conversation.facts.locale),
        ("Conversation", conversation.id),
    ]
    return render_definitions(facts)


def render_held_notice(conversation: Conversation, operator: Operator) -> Html | None:
    """Render the notice that a colleague has the conversation. While it is on the page, the script disables the reply
    form."""
    if not is_held_from(operator.actor, "claim", conversation):
        return None
    holder = describe_holder(conversation)
    text = f"{holder} is answering. To reply yourself, put the conversation back in the queue first."
    return tag("p", text, class_="taken", id="taken", data_announce=text)


def render_composer(conversation: Conversation, operator: Operator, client_msg_id: str, draft: str) -> Html:
    """Render the reply form. It is outside the part that is updated, which never replaces what somebody is typing."""
    field = tag(
        "textarea",
        join("\n", draft),
        name="text",
        id="reply",
        rows="2",
        maxlength=MAX_TEXT,
        required=True,
        aria_describedby="reply-hint",
    )
    takes_over = "" if conversation.owner == "person" else " Sending takes over the conversation."
    hint = f"Markdown works here.{takes_over} Ctrl+Enter sends."
    file_input = tag("input", type="file", name="files", id="files", multiple=True, aria_label="Files")
    return tag(
        "form",
        hidden_inputs(csrf=operator.csrf, client_msg_id=client_msg_id),
        tag("label", "Reply", for_="reply"),
        field,
        tag("details", tag("summary", "Files"), file_input, class_="upload"),
        tag("p", hint, id="reply-hint", class_="hint"),
        button("Send"),
        method="post",
        action=build_path(conversation.origin.tenant, "conversations", conversation.id, "messages"),
        enctype="multipart/form-data",
        class_="composer",
        aria_label="Reply to the contact",
    )


def render_resolution_form(conversation: Conversation, operator: Operator, section: Tenant) -> Html:
    outcomes, tags, asks_rating = _get_choices(section)
    options = [tag("option", outcome, value=outcome) for outcome in outcomes]
    boxes = [tag("label", tag("input", type="checkbox", name="tag", value=each), each, class_="check") for each in tags]
    ask = tag(
        "label", tag("input", type="checkbox", name="ask", checked=True), "Ask the contact for a rating", class_="check"
    )
    return tag(
        "form",
        hidden_inputs(csrf=operator.csrf, epoch=conversation.epoch, to="closed", form="resolution"),
        tag("label", "Outcome", tag("select", options, name="outcome")) if options else None,
        tag("fieldset", tag("legend", "Tags"), boxes) if boxes else None,
        tag("label", "Note for colleagues", tag("textarea", name="note", rows="3", maxlength=MAX_NOTE)),
        ask if asks_rating else None,
        button("Resolve"),
        method="post",
        action=build_path(conversation.origin.tenant, "conversations", conversation.id, "owner"),
        class_="stack resolution",
    )


def parse_resolution(form: Form, section: Tenant) -> HandoffResolution:
    """Parse the form. Raises InvalidRequest if it contains a choice that was not offered."""
    outcomes, tags, _ = _get_choices(section)
    outcome, chosen, note = form.get("outcome"), form.fields.get("tag", []), form.get("note")
    if (outcome and outcome not in outcomes) or not set(chosen) <= set(tags) or len(note) > MAX_NOTE:
        raise InvalidRequest("the form contains a value that was not offered, or a note that is too long")
    if "\x00" in note:
        raise InvalidRequest("note: must not contain NUL characters")
    return HandoffResolution(outcome, list(dict.fromkeys(chosen)), mask_cards(note.strip()), form.get("ask") != "")


def _get_choices(section: Tenant) -> tuple[list[str], list[str], bool]:
    """Return outcomes, tags and whether to ask for a rating, from the tenant's desk or by default."""
    desk = section.desk
    return (_DEFAULT_OUTCOMES, [], True) if desk is None else (desk.outcomes, desk.tags, desk.rating)
