"""The form in which an operator resolves a conversation."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.config.desk import DeskSettings
from gateway.config.settings import Tenant
from gateway.console.forms import Form
from schemas.errors import InvalidRequest
from schemas.handoff.service import HandoffResolution
from schemas.privacy.cards import mask_cards

MAX_NOTE = 3000
"""Characters."""
_DEFAULT_OUTCOMES: list[str] = DeskSettings.model_fields["outcomes"].default


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
