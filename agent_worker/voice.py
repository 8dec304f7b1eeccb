"""The agent's set phrases in the contact's language, and a tenant's instructions for models. Imports only translations,
so that reading a configuration does not load the worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache, lru_cache
from typing import Any

from agent_worker.translations import find_translation, load_translations, translate


@dataclass(frozen=True, slots=True)
class Example:
    """A message and this tenant's ideal answer."""

    message: str
    answer: str


@dataclass(frozen=True, slots=True)
class Voice:
    """The agent's name and set phrases in the tenant's own words; ``rating_scale`` from the worst to the best of five.
    Words in braces are placeholders. The defaults are the English phrases; ``phrases/`` has those of other languages.
    ``instructions`` and ``examples`` tell remote models how to write, by language ("de", "pt-br"; the empty name is for
    all others)."""

    name: str = "Assistant"
    locale: str = "en"
    not_found: str = (
        "I could not find that in our documents, and I do not want to guess. Shall I pass you to a colleague?"
    )
    not_found_about: str = "I found nothing about {questions}."
    not_answered: str = "That was a lot at once: I have not answered {questions} yet. Please send that again."
    person_offer: str = "Shall I pass you to a colleague?"
    handoff: str = "A colleague will take over here as soon as possible."
    expected_wait: str = "You will usually hear from somebody within {wait}."
    desk_closed: str = "Nobody is here at the moment. You will hear from us here."
    desk_closed_until: str = "Nobody is here at the moment. We are back {opens}."
    answer_here: str = "The answer will come here."
    leave_address: str = "If you leave an e-mail address or a phone number, a colleague can get back to you there."
    address_noted: str = "Thank you, I have passed that on. A colleague will get back to you there, or answer here."
    assistant_choice: str = "Continue with the assistant"
    assistant_back: str = "All right, I am back. What can I help you with?"
    colleague_wrote: str = "A colleague wrote here: “{said}”"
    rating_ask: str = "How was our help?"
    rating_scale: tuple[str, str, str, str, str] = field(
        default=("Very bad", "Bad", "Okay", "Good", "Very good"), hash=False
    )
    rating_thanks: str = "Thank you for telling us!"
    processing_failed: str = "Something went wrong on our side. A colleague will look at your message."
    greeting: str = "Hello! What can I help you with?"
    thanks: str = "You are welcome! Is there anything else I can help you with?"
    goodbye: str = "Thank you for writing. Goodbye!"
    danger: str = (
        "I am sorry that you are going through this, and I take it seriously. If you or somebody else is in danger, "
        "please call your local emergency number now. A colleague will take over here as soon as possible."
    )
    emergency: str = (
        "This may be an emergency. Please call your local emergency number or a poison information centre now, for an "
        "animal a vet, and do not wait for an answer here. A colleague will take over here as soon as possible."
    )
    abilities: str = (
        "I am an assistant. I answer questions from our documents, and can pass you to a colleague at any time. "
        "What would you like to know?"
    )
    presence: str = "Yes, I am here. What can I help you with?"
    complaint: str = "I am sorry that my answer was wrong. Shall I pass you to a colleague?"
    apology: str = "I am sorry about that."
    offer_declined: str = "All right. I am here if you need anything else."
    what_else: str = "What can I help you with?"
    person_choice: str = "Talk to a person"
    voice_note: str = "I cannot listen to voice messages. Could you write to me instead?"
    voice_note_unclear: str = (
        "I could not understand your voice message. Could you write to me instead, or send a shorter one?"
    )
    picture_unseen: str = "I could not look at your picture. My colleagues can see it."
    pictures_unseen: str = "I could not look at all of your pictures. My colleagues can see them."
    file: str = "I have received your file, but I cannot read it. What would you like to know?"
    file_missing: str = "Your file did not reach me. Could you send it again, or write what it is about?"
    too_long: str = "Your message was very long, so I only read the beginning. My colleagues can read all of it."
    card_hidden: str = "Please never send card details in a chat. I have hidden the number."
    unsupported: str = "I cannot read this kind of message. Could you write to me instead?"
    unsupported_kind: str = "I cannot read {kind} here. Could you write to me instead?"
    location: str = "Thanks for the location. What can I do for you?"
    contacts: str = "Thanks for the contact details. What can I do for you?"
    shared: str = "Thanks for sharing this. What would you like to know about it?"
    story_mention: str = "Thank you for mentioning us in your story! Is there anything I can do for you?"
    missed_call: str = "We cannot take calls here. Please write to us instead, and we will gladly help."
    call_allowed: str = "Thank you, I have noted that we may call you."
    call_declined: str = "All right, we will not call you."
    order: str = "Thank you, your order has arrived here. I cannot process it myself; a colleague can."
    too_many: str = "You have sent many messages in a short time. Please give me a little while before you write again."
    confirm: str = "Shall I go ahead?"
    confirm_yes: str = "Yes, go ahead"
    confirm_no: str = "No, leave it"
    confirm_again: str = "You wrote something after your yes, so let me ask once more."
    confirm_expired: str = "That was a while ago, so let me ask once more."
    confirm_open: str = "I have not done this yet:"
    confirm_unclear: str = "I am not sure whether you want this. Please answer yes or no."
    confirm_unread: str = "Sorry, I am still not sure. Choose “{yes}” if I should do it, or “{no}” if not."
    confirm_given_up: str = (
        "I am sorry, I do not understand what you would like, so I have not done anything. "
        "Shall I pass you to a colleague?"
    )
    confirm_gone: str = "That question is no longer open, so I have not done anything."
    action_declined: str = "All right, I have left it as it is."
    action_done: str = "Done."
    action_refused: str = "I cannot do that."
    action_failed: str = "That did not work, and nothing was changed."
    action_being_checked: str = (
        "I do not know yet whether this went through. I am checking, and you will hear from me here."
    )
    earlier_action_being_checked: str = (
        "I do not know yet whether that went through the first time, so I will not do it again now."
    )
    action_check_failed: str = (
        "I could not find out whether this went through. A colleague will check and let you know here."
    )
    needs_identity: str = "I need to be sure who you are before I can do this."
    limit_reached: str = "I have done this as often as I may today. A colleague can help you."
    approval_asked: str = "A colleague has to approve this. I have asked, and you will get the answer here."
    approval_denied: str = "A colleague has looked at this and did not approve it. Nothing was changed."
    approval_expired: str = "Nobody approved this in time, so nothing was changed."
    models_unavailable: str = (
        "I cannot look into this right now. Please ask again in a few minutes, or shall I pass you to a colleague?"
    )
    reading_documents: str = "One moment, please: I am still reading our documents, and then I will answer you."
    did_you_mean: str = "I am not sure about that. Did you mean one of these?"
    not_sure_about: str = "I am not sure about {questions}. Did you mean one of these?"
    not_sure_yet_about: str = "I am not sure yet about {questions}. Please ask me that again afterwards."
    quoted_from: str = "From our documents, in {language}:"
    closest: str = "I am not sure that this answers your question. The closest I have is under “{heading}”:"
    or_one_of_these: str = "Or did you mean one of these?"
    none_of_these: str = "None of these"
    nothing_about: str = "Our documents say nothing about {name}."
    erasure_title: str = "Delete my data"
    erasure_explained: str = (
        "I can delete everything that is stored here about you: our conversations with all messages and files, your "
        "name and addresses, and what we noted. This cannot be undone. It does not change orders, invoices or accounts "
        "elsewhere."
    )
    erasure_begun: str = (
        "Your data is being deleted now; it takes a few minutes. This is our last message about it. You can write to "
        "us again at any time, and we will start afresh."
    )
    erasure_unverified: str = (
        "I cannot tell here whether all of this data is yours. Please ask again after signing in, or from where you "
        "usually write to us."
    )
    instructions: Mapping[str, str] = field(default_factory=dict, hash=False)
    examples: Mapping[str, Sequence[Example]] = field(default_factory=dict, hash=False)


DEFAULT_VOICE = Voice()
"""The default phrases of tenants without their own."""


def message_kind_name(kind: str, shown: str, locale: str) -> str:
    """The kind of message in the contact's language. ``shown``: the vendor's name, used for an unknown kind."""
    names = translate(locale).kinds
    return names.get(kind) or names["unknown"].replace("{kind}", shown)


def translate_voice(voice: Voice, locale: str) -> Voice:
    """The voice for a contact who writes in ``locale``. Phrases that the tenant has changed are kept; it may have
    changed only some of them, also if ``locale`` is its own."""
    translation = find_translation(locale)
    return voice if translation is None or not translation.voice else _translate(voice, locale)


@lru_cache(maxsize=1024)
def _translate(voice: Voice, locale: str) -> Voice:
    """Kept, because a turn needs it several times, and to compare all phrases takes 70 µs."""
    translation = find_translation(locale)
    phrases: Mapping[str, Any] = {} if translation is None else translation.voice
    unchanged = {name: text for name, text in phrases.items() if getattr(voice, name) == getattr(DEFAULT_VOICE, name)}
    return replace(voice, **unchanged) if unchanged else voice


def translate_phrase(voice: Voice, name: str, locale: str) -> str:
    """The phrase ``name`` of ``translate_voice``, at a hundredth of its cost."""
    phrase: str = getattr(voice, name)
    translation = find_translation(locale)
    if translation is None or phrase != getattr(DEFAULT_VOICE, name):
        return phrase
    return str(translation.voice.get(name, phrase))


def list_set_phrases(voice: Voice) -> frozenset[str]:
    """All set phrases of the voice."""
    return frozenset(text for each in fields(Voice) if isinstance(text := getattr(voice, each.name), str))


@cache
def list_default_phrases() -> frozenset[str]:
    """Our own phrases in all languages, after which the agent expects no particular answer."""
    translated = (text for each in load_translations() for text in each.voice.values() if isinstance(text, str))
    return list_set_phrases(DEFAULT_VOICE).union(translated)
