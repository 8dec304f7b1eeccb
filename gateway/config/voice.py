"""The settings of the agent's voice: its name, its set phrases, and instructions for models."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AliasChoices, Field

from agent_worker.voice import DEFAULT_VOICE
from connectors.settings import Settings
from gateway.config.field_types import Language
from gateway.config.models import VoiceExample

Grade = Annotated[str, Field(min_length=1, max_length=24)]


def _phrase(name: str, *, formerly: str) -> Any:
    """A phrase that had another name in earlier releases, which configuration files may still use."""
    return Field(default=getattr(DEFAULT_VOICE, name), validation_alias=AliasChoices(name, formerly))


class VoiceSettings(Settings):
    """The agent's name, its set phrases in the tenant's own words, and instructions for models.

    ``models_unavailable`` is sent when no model is available. ``not_found_about`` and ``not_answered`` list the
    ``{questions}`` that have no answer. ``expected_wait``, ``desk_closed`` and ``desk_closed_until`` follow ``handoff``
    if the tenant has a desk. ``processing_failed`` is sent when a message becomes a dead letter.
    ``action_being_checked`` is sent when an action gave no answer, ``earlier_action_being_checked`` when the contact
    asks for it again meanwhile, and ``action_check_failed`` when the outcome could not be found out. ``rating_scale``
    goes from worst to best. ``instructions`` and ``examples`` tell remote models how to write: for all languages, or by
    language."""

    name: str = DEFAULT_VOICE.name
    locale: str = DEFAULT_VOICE.locale
    not_found: str = DEFAULT_VOICE.not_found
    not_found_about: str = DEFAULT_VOICE.not_found_about
    not_answered: str = DEFAULT_VOICE.not_answered
    person_offer: str = DEFAULT_VOICE.person_offer
    handoff: str = DEFAULT_VOICE.handoff
    expected_wait: str = DEFAULT_VOICE.expected_wait
    desk_closed: str = _phrase("desk_closed", formerly="closed")
    desk_closed_until: str = _phrase("desk_closed_until", formerly="closed_until")
    assistant_choice: str = Field(default=DEFAULT_VOICE.assistant_choice, min_length=1, max_length=60)
    assistant_back: str = _phrase("assistant_back", formerly="go_on")
    colleague_wrote: str = DEFAULT_VOICE.colleague_wrote
    rating_ask: str = DEFAULT_VOICE.rating_ask
    rating_scale: tuple[Grade, Grade, Grade, Grade, Grade] = DEFAULT_VOICE.rating_scale
    rating_thanks: str = DEFAULT_VOICE.rating_thanks
    processing_failed: str = _phrase("processing_failed", formerly="failed")
    voice_note: str = DEFAULT_VOICE.voice_note
    file: str = DEFAULT_VOICE.file
    file_missing: str = DEFAULT_VOICE.file_missing
    too_long: str = DEFAULT_VOICE.too_long
    unsupported: str = DEFAULT_VOICE.unsupported
    unsupported_kind: str = DEFAULT_VOICE.unsupported_kind
    location: str = DEFAULT_VOICE.location
    contacts: str = DEFAULT_VOICE.contacts
    shared: str = DEFAULT_VOICE.shared
    story_mention: str = DEFAULT_VOICE.story_mention
    missed_call: str = DEFAULT_VOICE.missed_call
    call_allowed: str = DEFAULT_VOICE.call_allowed
    call_declined: str = DEFAULT_VOICE.call_declined
    order: str = DEFAULT_VOICE.order
    danger: str = DEFAULT_VOICE.danger
    abilities: str = DEFAULT_VOICE.abilities
    presence: str = DEFAULT_VOICE.presence
    complaint: str = DEFAULT_VOICE.complaint
    offer_declined: str = DEFAULT_VOICE.offer_declined
    what_else: str = DEFAULT_VOICE.what_else
    too_many: str = DEFAULT_VOICE.too_many
    models_unavailable: str = _phrase("models_unavailable", formerly="wait")
    instructions: str | dict[Language, str] = ""
    examples: list[VoiceExample] | dict[Language, list[VoiceExample]] = []
    confirm: str = DEFAULT_VOICE.confirm
    confirm_yes: str = Field(default=DEFAULT_VOICE.confirm_yes, min_length=1, max_length=60)
    confirm_no: str = Field(default=DEFAULT_VOICE.confirm_no, min_length=1, max_length=60)
    confirm_again: str = DEFAULT_VOICE.confirm_again
    confirm_expired: str = DEFAULT_VOICE.confirm_expired
    confirm_open: str = DEFAULT_VOICE.confirm_open
    confirm_unclear: str = DEFAULT_VOICE.confirm_unclear
    confirm_unread: str = DEFAULT_VOICE.confirm_unread
    confirm_given_up: str = DEFAULT_VOICE.confirm_given_up
    confirm_gone: str = DEFAULT_VOICE.confirm_gone
    action_declined: str = _phrase("action_declined", formerly="declined")
    action_done: str = _phrase("action_done", formerly="done")
    action_refused: str = _phrase("action_refused", formerly="refused")
    action_failed: str = _phrase("action_failed", formerly="not_done")
    action_being_checked: str = _phrase("action_being_checked", formerly="unclear")
    earlier_action_being_checked: str = _phrase("earlier_action_being_checked", formerly="still_unclear")
    action_check_failed: str = _phrase("action_check_failed", formerly="unclear_still")
    needs_identity: str = DEFAULT_VOICE.needs_identity
    limit_reached: str = DEFAULT_VOICE.limit_reached
    approval_asked: str = DEFAULT_VOICE.approval_asked
    approval_denied: str = DEFAULT_VOICE.approval_denied
    approval_expired: str = DEFAULT_VOICE.approval_expired
