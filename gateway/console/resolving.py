"""What came of a conversation: the form that people fill in when they resolve it."""

from __future__ import annotations

from gateway.colleagues import Resolution
from gateway.console.elements import Html, button, hidden, tag
from gateway.console.forms import Form
from gateway.console.frame import path_of
from gateway.console.sessions import Operator
from gateway.desk_settings import Desk
from gateway.settings import Tenant
from schemas.conversation import Conversation
from schemas.errors import InvalidRequest

LONGEST_NOTE = 3000
_USUAL: list[str] = Desk.model_fields["outcomes"].default


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


def resolution_of(form: Form, section: Tenant) -> Resolution:
    """Raises InvalidRequest for what the form did not offer."""
    outcomes, tags, _ = _choices(section)
    outcome, chosen, note = form.one("outcome"), form.fields.get("tag", []), form.one("note")
    if (outcome and outcome not in outcomes) or not set(chosen) <= set(tags) or len(note) > LONGEST_NOTE:
        raise InvalidRequest("the form holds what it did not offer")
    if "\x00" in note:
        raise InvalidRequest("note: must not contain NUL characters")
    return Resolution(outcome, list(dict.fromkeys(chosen)), note.strip(), form.one("ask") != "")


def _choices(section: Tenant) -> tuple[list[str], list[str], bool]:
    """Those of the tenant's desk; without one the usual outcomes, no tags, and contacts are asked."""
    desk = section.desk
    return (_USUAL, [], True) if desk is None else (desk.outcomes, desk.tags, desk.rating)
