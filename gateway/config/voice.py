"""The settings of the agent's voice: its name, its set phrases, and instructions for models."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AliasChoices, Field

from agent_worker.voice import DEFAULT_VOICE
from connectors.settings import Settings
from gateway.config.field_types import Language, Locale
from gateway.config.models import VoiceExample

Grade = Annotated[str, Field(min_length=1, max_length=24)]


def _phrase(name: str, *, formerly: str) -> Any:
    """A phrase that had another name in earlier releases, which configuration files may still use."""
    return Field(default=getattr(DEFAULT_VOICE, name), validation_alias=AliasChoices(name, formerly))


class VoiceSettings(Settings):
    """The agent's name, its set phrases in the tenant's own words, and instructions for models.

    A phrase that you set is sent as it is. The others are sent in the contact's language if there is a translation."""

    name: str = DEFAULT_VOICE.name
    """The name under which the agent writes."""
    locale: Locale = DEFAULT_VOICE.locale
    """The language of the tenant, such as ``en`` or ``de``: it is assumed where a contact's own is not known."""
    not_found: str = DEFAULT_VOICE.not_found
    """Sent, with the choice to talk to a person, when the documents do not answer a message."""
    not_found_about: str = DEFAULT_VOICE.not_found_about
    """Added to an answer when the documents have nothing on some of several questions. ``{questions}`` stands for
    these."""
    not_answered: str = DEFAULT_VOICE.not_answered
    """Added to an answer when a message asked too much at once. ``{questions}`` stands for what is left."""
    person_offer: str = DEFAULT_VOICE.person_offer
    """The offer of a person that follows ``not_found_about`` and ``not_answered``."""
    handoff: str = DEFAULT_VOICE.handoff
    """Sent when a conversation goes to people."""
    expected_wait: str = DEFAULT_VOICE.expected_wait
    """Follows ``handoff`` during the desk's hours. ``{wait}`` stands for the usual time until a reply."""
    desk_closed: str = _phrase("desk_closed", formerly="closed")
    """Follows ``handoff`` outside the desk's hours if it does not open within a year."""
    desk_closed_until: str = _phrase("desk_closed_until", formerly="closed_until")
    """Follows ``handoff`` outside the desk's hours. ``{opens}`` stands for the time at which it opens next."""
    answer_here: str = DEFAULT_VOICE.answer_here
    """Follows ``desk_closed_until`` where the contact sees later answers, too."""
    leave_address: str = DEFAULT_VOICE.leave_address
    """Follows ``desk_closed`` and ``desk_closed_until`` for a web visitor who is not signed in."""
    address_noted: str = DEFAULT_VOICE.address_noted
    """Sent to a contact who waits for a person and has written an e-mail address or a phone number."""
    assistant_choice: str = Field(default=DEFAULT_VOICE.assistant_choice, min_length=1, max_length=60)
    """Label of the choice to go back to the agent while waiting for a person."""
    assistant_back: str = _phrase("assistant_back", formerly="go_on")
    """Sent to a contact who has made that choice."""
    colleague_wrote: str = DEFAULT_VOICE.colleague_wrote
    """Answers a question about which a colleague has already written something in the conversation. ``{said}`` stands
    for that text."""
    rating_ask: str = DEFAULT_VOICE.rating_ask
    """Asks for a rating when a conversation is resolved."""
    rating_scale: tuple[Grade, Grade, Grade, Grade, Grade] = DEFAULT_VOICE.rating_scale
    """The five ratings to choose from, from worst to best."""
    rating_thanks: str = DEFAULT_VOICE.rating_thanks
    """Sent to a contact who has chosen a rating."""
    processing_failed: str = _phrase("processing_failed", formerly="failed")
    """Sent when a message could not be processed and became a dead letter."""
    voice_note: str = DEFAULT_VOICE.voice_note
    """Answers a voice message where nobody transcribes them."""
    voice_note_unclear: str = DEFAULT_VOICE.voice_note_unclear
    """Answers a voice message that could not be transcribed, or is too long."""
    picture_unseen: str = DEFAULT_VOICE.picture_unseen
    """Added to the answer when the model could not look at the picture that came with the message."""
    pictures_unseen: str = DEFAULT_VOICE.pictures_unseen
    """The same for several pictures, of which it may have seen some."""
    file: str = DEFAULT_VOICE.file
    """Answers a file that came without text."""
    file_missing: str = DEFAULT_VOICE.file_missing
    """Answers a file that could not be fetched from the vendor, or is too large."""
    too_long: str = DEFAULT_VOICE.too_long
    """Added to the answer when only the beginning of a message was read."""
    card_hidden: str = DEFAULT_VOICE.card_hidden
    """Added to the answer when the message contained the number of a payment card, which is never stored."""
    unsupported: str = DEFAULT_VOICE.unsupported
    """Answers a message that cannot be read and whose kind is not known."""
    unsupported_kind: str = DEFAULT_VOICE.unsupported_kind
    """Answers a message that cannot be read. ``{kind}`` stands for its kind, such as “stickers”."""
    location: str = DEFAULT_VOICE.location
    """Answers a location that came without text."""
    contacts: str = DEFAULT_VOICE.contacts
    """Answers contact cards that came without text."""
    shared: str = DEFAULT_VOICE.shared
    """Answers a post, product or story that was shared without text."""
    story_mention: str = DEFAULT_VOICE.story_mention
    """Answers somebody who mentions the tenant's account in a story (Instagram)."""
    missed_call: str = DEFAULT_VOICE.missed_call
    """Answers a call that nobody took (WhatsApp)."""
    call_allowed: str = DEFAULT_VOICE.call_allowed
    """Sent when a contact permits the tenant to call (WhatsApp)."""
    call_declined: str = DEFAULT_VOICE.call_declined
    """Sent when a contact does not permit the tenant to call (WhatsApp)."""
    order: str = DEFAULT_VOICE.order
    """Answers an order from the tenant's catalogue (WhatsApp)."""
    danger: str = DEFAULT_VOICE.danger
    """Sent instead of ``handoff`` when a life may be in danger. Name the emergency numbers of your country."""
    emergency: str = DEFAULT_VOICE.emergency
    """The same for a poisoning, a fire, an electric shock and the like, above what the documents say about it."""
    abilities: str = DEFAULT_VOICE.abilities
    """Answers questions such as “what can you do?”"""
    presence: str = DEFAULT_VOICE.presence
    """Answers questions such as “is anybody there?”"""
    complaint: str = DEFAULT_VOICE.complaint
    """Answers a contact who says that an answer was wrong, with the choice to talk to a person."""
    apology: str = DEFAULT_VOICE.apology
    """Opens the reply to an upset contact, with the choice to talk to a person."""
    offer_declined: str = DEFAULT_VOICE.offer_declined
    """Answers a no that leaves nothing open, for example to the offer of a person."""
    what_else: str = DEFAULT_VOICE.what_else
    """Answers a message such as “ok” or “?” when nothing is open."""
    too_many: str = DEFAULT_VOICE.too_many
    """Sent once when a contact writes more than ``limits.contact_per_minute`` or ``contact_per_hour`` allows."""
    models_unavailable: str = _phrase("models_unavailable", formerly="wait")
    """Sent, with the choice to talk to a person, when only a model could have answered and none is available."""
    instructions: str | dict[Language, str] = ""
    """Tell remote models how to write, for example in tone and form of address: one text, or one for each language."""
    examples: list[VoiceExample] | dict[Language, list[VoiceExample]] = []
    """Messages with ideal answers, which show remote models how to write: one list, or one for each language."""
    confirm: str = DEFAULT_VOICE.confirm
    """The question below the summary of an action that the contact has to confirm."""
    confirm_yes: str = Field(default=DEFAULT_VOICE.confirm_yes, min_length=1, max_length=60)
    """Label of the choice that confirms an action."""
    confirm_no: str = Field(default=DEFAULT_VOICE.confirm_no, min_length=1, max_length=60)
    """Label of the choice that leaves an action undone."""
    confirm_again: str = DEFAULT_VOICE.confirm_again
    """Stands before the repeated question if the contact wrote more than a yes."""
    confirm_expired: str = DEFAULT_VOICE.confirm_expired
    """Stands before the repeated question if the yes came later than ``actions.confirmation_minutes``."""
    confirm_open: str = DEFAULT_VOICE.confirm_open
    """Stands before the repeated question, after an answer to whatever else the contact asked."""
    confirm_unclear: str = DEFAULT_VOICE.confirm_unclear
    """Stands before the repeated question if the reply was neither a yes nor a no."""
    confirm_unread: str = DEFAULT_VOICE.confirm_unread
    """Stands before the repeated question after the second such reply. ``{yes}`` and ``{no}`` stand for the labels of
    the choices."""
    confirm_given_up: str = DEFAULT_VOICE.confirm_given_up
    """Sent after the third such reply, with the choice to talk to a person. Nothing is done."""
    confirm_gone: str = DEFAULT_VOICE.confirm_gone
    """Answers a yes or a no to a question that is not open any more."""
    action_declined: str = _phrase("action_declined", formerly="declined")
    """Sent when the contact says no to an action."""
    action_done: str = _phrase("action_done", formerly="done")
    """Sent when an action has changed something; its result follows."""
    action_refused: str = _phrase("action_refused", formerly="refused")
    """Sent when an action is refused; the reason follows if the action gives one."""
    action_failed: str = _phrase("action_failed", formerly="not_done")
    """Sent when an action has failed and changed nothing; the reason follows if the action gives one."""
    action_being_checked: str = _phrase("action_being_checked", formerly="unclear")
    """Sent when an action gave no answer, so that its outcome has to be looked up."""
    earlier_action_being_checked: str = _phrase("earlier_action_being_checked", formerly="still_unclear")
    """Sent when the contact asks for such an action again before its outcome is known."""
    action_check_failed: str = _phrase("action_check_failed", formerly="unclear_still")
    """Sent when the outcome could not be found out. The conversation goes to people."""
    needs_identity: str = DEFAULT_VOICE.needs_identity
    """Sent when a contact must be better identified for an action (its setting ``needs``)."""
    limit_reached: str = DEFAULT_VOICE.limit_reached
    """Sent when a contact has used an action as often as ``per_contact_per_day`` allows."""
    approval_asked: str = DEFAULT_VOICE.approval_asked
    """Sent when a colleague has to approve an action."""
    approval_denied: str = DEFAULT_VOICE.approval_denied
    """Sent when a colleague does not approve an action."""
    approval_expired: str = DEFAULT_VOICE.approval_expired
    """Sent when nobody approves an action within ``actions.approval_hours``."""
    reading_documents: str = DEFAULT_VOICE.reading_documents
    """Said once when a question waits until the documents are read."""
    did_you_mean: str = DEFAULT_VOICE.did_you_mean
    """Stands above questions to choose from, when the message might mean one of them."""
    not_sure_about: str = DEFAULT_VOICE.not_sure_about
    """The same for some of several questions, below what is answered. ``{questions}`` stands for these."""
    not_sure_yet_about: str = DEFAULT_VOICE.not_sure_yet_about
    """The same where an action is asked for in the same message, above its question. Offers nothing to choose."""
    quoted_from: str = DEFAULT_VOICE.quoted_from
    """Stands above words of a document in another language than the contact's. ``{language}`` stands for the name of
    that language."""
    closest: str = DEFAULT_VOICE.closest
    """Stands above a section that probably answers, though not surely. ``{heading}`` stands for its heading."""
    or_one_of_these: str = DEFAULT_VOICE.or_one_of_these
    """Stands below that section, above others to choose from."""
    none_of_these: str = Field(default=DEFAULT_VOICE.none_of_these, min_length=1, max_length=60)
    """Label of the choice of none of the questions below ``did_you_mean`` or ``or_one_of_these``."""
    nothing_about: str = DEFAULT_VOICE.nothing_about
    """Says that the documents do not mention something. ``{name}`` stands for it."""
    erasure_title: str = Field(default=DEFAULT_VOICE.erasure_title, min_length=1, max_length=60)
    """Names the deletion of the contact's data in the question that has to be confirmed."""
    erasure_explained: str = DEFAULT_VOICE.erasure_explained
    """Says what will be deleted, to a contact who asks for the deletion of their data."""
    erasure_begun: str = DEFAULT_VOICE.erasure_begun
    """The last message before a contact's data is deleted at their own request."""
    erasure_unverified: str = DEFAULT_VOICE.erasure_unverified
    """Sent to an anonymous visitor who asks for a deletion, if the data also belongs to verified addresses."""
