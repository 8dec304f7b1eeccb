"""What can be done with a conversation: the forms of its page."""

from __future__ import annotations

from gateway.config.desk import DeskSettings
from gateway.config.settings import Tenant
from gateway.console.conversation_status import holder_name, standing, state_of
from gateway.console.forms import Form
from gateway.console.html import Html, button, hidden, joined, moment, tag
from gateway.console.layout import path_of
from gateway.console.pages.turn_reasons import definitions
from gateway.console.sessions import Operator
from schemas.actions import PendingApproval
from schemas.conversation import Conversation
from schemas.errors import InvalidRequest
from schemas.handoff.rules import is_held_from, pending_approvals
from schemas.handoff.service import HandoffResolution
from schemas.messages import MAX_TEXT, TranscriptMessage
from schemas.privacy.cards import mask_cards


def holding(found: Conversation, operator: Operator) -> Html:
    """Who has it, and what may be done about that. The epoch in the form is the one that was seen."""
    may_return = not is_held_from(operator.actor, "return", found)
    may_resolve = not is_held_from(operator.actor, "resolve", found)
    end = path_of(found.origin.tenant, "conversations", found.id, "resolve")
    choices = [
        button("Take over", name="to", value="person") if found.owner != "person" else None,
        button("Return to agent", name="to", value="agent", class_="plain")
        if may_return and found.owner != "agent"
        else None,
        button("Back to the queue", name="to", value="queue", class_="plain") if found.owner == "person" else None,
        tag("a", "Resolve…", href=end, class_="button") if may_resolve and found.owner != "closed" else None,
    ]
    form = tag(
        "form",
        hidden(csrf=operator.csrf, epoch=found.epoch),
        [choice for choice in choices if choice is not None],
        method="post",
        action=path_of(found.origin.tenant, "conversations", found.id, "owner"),
        class_="buttons",
    )
    said = tag("p", state_of(found, operator), " ", standing(found, operator))
    return tag("section", said, _summary(found), form, class_="holding", aria_label="Who answers")


def _summary(found: Conversation) -> Html | None:
    handoff = found.facts.handoff
    if handoff is None or not (handoff.summary or handoff.promised):
        return None
    promised = [tag("li", f"Promised: {text}") for text in handoff.promised]
    return tag("ul", [tag("li", text) for text in handoff.summary], promised, class_="summary")


def approvals(found: Conversation, operator: Operator) -> Html | None:
    items = [_approval(found, each, operator) for each in pending_approvals(found)]
    return tag("section", tag("h2", "Waits for approval"), items, class_="approvals") if items else None


def _approval(found: Conversation, approval: PendingApproval, operator: Operator) -> Html:
    facts = [("Action", approval.display_name), ("Why", approval.reason)]
    facts += [(name, str(value)) for name, value in approval.arguments.items()]
    action = path_of(found.origin.tenant, "conversations", found.id, "approvals", approval.id)
    form = tag(
        "form",
        hidden(csrf=operator.csrf),
        button("Approve", name="decision", value="approve"),
        button("Deny", name="decision", value="deny", class_="plain"),
        method="post",
        action=action,
        class_="buttons",
    )
    until = tag("p", "Until ", moment(approval.expires_at, data_at=True))
    return tag("div", definitions(facts), until, form, class_="approval")


def resend(found: Conversation, line: TranscriptMessage, operator: Operator) -> Html | None:
    """Once: a second press names the same message."""
    if line.state != "unknown" or not line.text or is_held_from(operator.actor, "claim", found):
        return None
    return tag(
        "form",
        hidden(csrf=operator.csrf, client_msg_id=f"resend-{line.id}"[:64], text=line.text),
        button("Send again", class_="plain"),
        method="post",
        action=path_of(found.origin.tenant, "conversations", found.id, "messages"),
        class_="buttons",
    )


def particulars(found: Conversation) -> Html:
    origin = found.origin
    facts = [
        ("Channel", f"{origin.channel} ({origin.account})"),
        ("Language", found.facts.locale),
        ("Conversation", found.id),
    ]
    return definitions(facts)


def taken(found: Conversation, operator: Operator) -> Html | None:
    """A notice for whoever opens a conversation that a colleague already has: they cannot answer it.

    It stands right above the form, and its presence makes the script switch the form's button off."""
    if not is_held_from(operator.actor, "claim", found):
        return None
    text = f"{holder_name(found)} is answering. To answer yourself, put the conversation back in the queue first."
    return tag("p", text, class_="taken", id="taken", data_told=text)


def composer(found: Conversation, operator: Operator, client_msg_id: str, draft: str) -> Html:
    """A form of its own outside the part that changes: nothing that somebody types is ever replaced."""
    field = tag(
        "textarea",
        joined("\n", draft),
        name="text",
        id="reply",
        rows="2",
        maxlength=MAX_TEXT,
        required=True,
        aria_describedby="reply-hint",
    )
    takes = "" if found.owner == "person" else " Sending takes the conversation over."
    hint = f"Markdown.{takes} Ctrl+Enter sends."
    picker = tag("input", type="file", name="files", id="files", multiple=True, aria_label="Files")
    return tag(
        "form",
        hidden(csrf=operator.csrf, client_msg_id=client_msg_id),
        tag("label", "Answer", for_="reply"),
        field,
        tag("details", tag("summary", "Files"), picker, class_="upload"),
        tag("p", hint, id="reply-hint", class_="hint"),
        button("Send"),
        method="post",
        action=path_of(found.origin.tenant, "conversations", found.id, "messages"),
        enctype="multipart/form-data",
        class_="composer",
        aria_label="Answer the contact",
    )


# The form that people fill in when they resolve a conversation.
LONGEST_NOTE = 3000
_USUAL: list[str] = DeskSettings.model_fields["outcomes"].default


def resolution_form(found: Conversation, operator: Operator, section: Tenant) -> Html:
    outcomes, tags, rates = _choices(section)
    options = [tag("option", outcome, value=outcome) for outcome in outcomes]
    boxes = [tag("label", tag("input", type="checkbox", name="tag", value=each), each, class_="check") for each in tags]
    ask = tag("label", tag("input", type="checkbox", name="ask", checked=True), "Ask how it went", class_="check")
    return tag(
        "form",
        hidden(csrf=operator.csrf, epoch=found.epoch, to="closed", form="resolution"),
        tag("label", "Outcome", tag("select", options, name="outcome")) if options else None,
        tag("fieldset", tag("legend", "Tags"), boxes) if boxes else None,
        tag("label", "Note for colleagues", tag("textarea", name="note", rows="3", maxlength=LONGEST_NOTE)),
        ask if rates else None,
        button("Resolve"),
        method="post",
        action=path_of(found.origin.tenant, "conversations", found.id, "owner"),
        class_="stack resolution",
    )


def resolution_of(form: Form, section: Tenant) -> HandoffResolution:
    """Raises InvalidRequest for what the form did not offer."""
    outcomes, tags, _ = _choices(section)
    outcome, chosen, note = form.one("outcome"), form.fields.get("tag", []), form.one("note")
    if (outcome and outcome not in outcomes) or not set(chosen) <= set(tags) or len(note) > LONGEST_NOTE:
        raise InvalidRequest("the form holds what it did not offer")
    if "\x00" in note:
        raise InvalidRequest("note: must not contain NUL characters")
    return HandoffResolution(outcome, list(dict.fromkeys(chosen)), mask_cards(note.strip()), form.one("ask") != "")


def _choices(section: Tenant) -> tuple[list[str], list[str], bool]:
    """Those of the tenant's desk; without one the usual outcomes, no tags, and contacts are asked."""
    desk = section.desk
    return (_USUAL, [], True) if desk is None else (desk.outcomes, desk.tags, desk.rating)
