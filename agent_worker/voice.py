"""The agent's set phrases in the contact's language, and a tenant's instructions for models. Imports only translations,
so that reading a configuration does not load the worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from agent_worker.translations import TRANSLATIONS


@dataclass(frozen=True, slots=True)
class Example:
    """A message and this tenant's ideal answer."""

    message: str
    answer: str


@dataclass(frozen=True, slots=True)
class Voice:
    """The agent's name and set phrases in the tenant's own words; ``rating_scale`` from the worst to the best of five.
    ``{wait}``, ``{opens}``, ``{said}``, ``{questions}``, ``{yes}`` and ``{no}`` are placeholders. ``instructions`` and
    ``examples`` tell remote models how to write, by language ("de", "pt-br"; the empty name is for all others)."""

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
    assistant_choice: str = "Continue with the assistant"
    assistant_back: str = "All right, I am back. What can I help you with?"
    colleague_wrote: str = "A colleague wrote here: “{said}”"
    rating_ask: str = "How was our help?"
    rating_scale: tuple[str, str, str, str, str] = ("Very bad", "Bad", "Okay", "Good", "Very good")
    rating_thanks: str = "Thank you for telling us!"
    processing_failed: str = "Something went wrong on our side. A colleague will look at your message."
    greeting: str = "Hello! What can I help you with?"
    thanks: str = "You are welcome! Is there anything else I can help you with?"
    goodbye: str = "Thank you for writing. Goodbye!"
    danger: str = (
        "I am sorry that you are going through this, and I take it seriously. If you or somebody else is in danger, "
        "please call your local emergency number now. A colleague will take over here as soon as possible."
    )
    abilities: str = (
        "I am an assistant. I answer questions from our documents, and can pass you to a colleague at any time. "
        "What would you like to know?"
    )
    presence: str = "Yes, I am here. What can I help you with?"
    complaint: str = "I am sorry that my answer was wrong. Shall I pass you to a colleague?"
    offer_declined: str = "All right. I am here if you need anything else."
    what_else: str = "What can I help you with?"
    person_choice: str = "Talk to a person"
    voice_note: str = "I cannot listen to voice messages. Could you write to me instead?"
    file: str = "I have received your file, but I cannot read it. What would you like to know?"
    file_missing: str = "Your file did not reach me. Could you send it again, or write what it is about?"
    too_long: str = "Your message was very long, so I only read the beginning. My colleagues can read all of it."
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
    instructions: Mapping[str, str] = field(default_factory=dict)
    examples: Mapping[str, Sequence[Example]] = field(default_factory=dict)


DEFAULT_VOICE = Voice()
"""The default phrases of tenants without their own."""

_GERMAN: dict[str, Any] = {
    "not_found": "Das steht nicht in unseren Unterlagen, und raten möchte ich nicht. Soll ich an Kollegen übergeben?",
    "not_found_about": "Zu {questions} habe ich nichts gefunden.",
    "not_answered": "Das war viel auf einmal: {questions} ist noch unbeantwortet. Bitte schick das noch einmal.",
    "person_offer": "Soll ich an Kollegen übergeben?",
    "handoff": "Hier übernimmt so bald wie möglich jemand aus dem Team.",
    "expected_wait": "Eine Antwort kommt meist innerhalb von {wait}.",
    "desk_closed": "Gerade ist niemand da. Die Antwort kommt hier.",
    "desk_closed_until": "Gerade ist niemand da. Wir sind {opens} wieder da.",
    "assistant_choice": "Mit dem Assistenten weitermachen",
    "assistant_back": "Gut, ich bin wieder da. Wobei kann ich helfen?",
    "colleague_wrote": "Jemand aus dem Team hat hier geschrieben: „{said}“",
    "rating_ask": "Wie war unsere Hilfe?",
    "rating_scale": ("Sehr schlecht", "Schlecht", "In Ordnung", "Gut", "Sehr gut"),
    "rating_thanks": "Danke für die Bewertung!",
    "processing_failed": "Bei uns ist etwas schiefgegangen. Jemand aus dem Team sieht sich die Nachricht an.",
    "greeting": "Hallo! Wobei kann ich helfen?",
    "thanks": "Gern! Kann ich noch etwas tun?",
    "goodbye": "Danke für die Nachricht. Auf Wiedersehen!",
    "danger": (
        "Es tut mir leid, dass es gerade so schwer ist, und ich nehme das ernst. Bei Gefahr für dich oder andere ruf "
        "bitte jetzt die örtliche Notrufnummer an. Hier übernimmt so bald wie möglich jemand aus dem Team."
    ),
    "abilities": (
        "Ich bin ein Assistent. Ich beantworte Fragen aus unseren Unterlagen und übergebe jederzeit an Kollegen. "
        "Worum geht es?"
    ),
    "presence": "Ja, ich bin da. Wobei kann ich helfen?",
    "complaint": "Es tut mir leid, dass meine Antwort nicht gestimmt hat. Soll ich an Kollegen übergeben?",
    "offer_declined": "In Ordnung. Ich bin da, wenn noch etwas ist.",
    "what_else": "Wobei kann ich helfen?",
    "person_choice": "Mit einem Menschen sprechen",
    "voice_note": "Sprachnachrichten kann ich nicht anhören. Bitte schreib mir stattdessen.",
    "file": "Die Datei ist da, aber ich kann nicht hineinsehen. Worum geht es?",
    "file_missing": "Die Datei ist nicht angekommen. Bitte schick sie noch einmal, oder schreib, worum es geht.",
    "too_long": "Die Nachricht war sehr lang, ich habe nur den Anfang gelesen. Das Team hat sie vollständig.",
    "unsupported": "Diese Art von Nachricht kann ich nicht lesen. Bitte schreib mir stattdessen.",
    "unsupported_kind": "{kind} kann ich hier nicht lesen. Bitte schreib mir stattdessen.",
    "location": "Danke für den Standort. Was kann ich für dich tun?",
    "contacts": "Danke für die Kontaktdaten. Was kann ich für dich tun?",
    "shared": "Danke fürs Teilen. Was möchtest du dazu wissen?",
    "story_mention": "Danke, dass du uns in deiner Story erwähnst! Kann ich etwas für dich tun?",
    "missed_call": "Anrufe können wir hier nicht annehmen. Schreib uns bitte, dann helfen wir gern.",
    "call_allowed": "Danke, ich habe notiert, dass wir dich anrufen dürfen.",
    "call_declined": "In Ordnung, wir rufen dich nicht an.",
    "order": "Danke, deine Bestellung ist angekommen. Bearbeiten kann ich sie nicht, aber jemand aus dem Team.",
    "too_many": "Das waren viele Nachrichten in kurzer Zeit. Bitte gib mir ein wenig Zeit, bevor du wieder schreibst.",
    "confirm": "Soll ich das tun?",
    "confirm_yes": "Ja, bitte",
    "confirm_no": "Nein, lieber nicht",
    "confirm_again": "Nach dem Ja kam noch etwas, darum frage ich noch einmal.",
    "confirm_expired": "Das ist eine Weile her, darum frage ich noch einmal.",
    "confirm_open": "Das habe ich noch nicht getan:",
    "confirm_unclear": "Ich bin nicht sicher, ob ich das tun soll. Bitte antworte mit Ja oder Nein.",
    "confirm_unread": "Das verstehe ich leider nicht. Bei „{yes}“ tue ich es, bei „{no}“ bleibt alles, wie es ist.",
    "confirm_given_up": (
        "Leider verstehe ich nicht, was gewünscht ist, darum habe ich nichts getan. Soll ich an Kollegen übergeben?"
    ),
    "confirm_gone": "Diese Frage ist nicht mehr offen, ich habe jetzt nichts getan.",
    "action_declined": "In Ordnung, ich lasse alles, wie es ist.",
    "action_done": "Erledigt.",
    "action_refused": "Das kann ich nicht tun.",
    "action_failed": "Das hat nicht geklappt, und nichts wurde geändert.",
    "action_being_checked": "Ob es geklappt hat, weiß ich noch nicht. Ich prüfe es und melde mich hier.",
    "earlier_action_being_checked": (
        "Ob das vorhin geklappt hat, ist noch nicht bekannt. Darum tue ich es jetzt nicht noch einmal."
    ),
    "action_check_failed": (
        "Ich konnte nicht klären, ob es geklappt hat. Jemand aus dem Team prüft es und meldet sich hier."
    ),
    "needs_identity": "Dafür muss ich sicher sein, wer schreibt.",
    "limit_reached": "Das ist öfter, als ich es an einem Tag tun darf. Jemand aus dem Team kann helfen.",
    "approval_asked": "Das muss jemand aus dem Team genehmigen. Ich habe gefragt; die Antwort kommt hier.",
    "approval_denied": "Das wurde nicht genehmigt. Nichts wurde geändert.",
    "approval_expired": "Das hat niemand rechtzeitig genehmigt, darum wurde nichts geändert.",
    "models_unavailable": (
        "Das kann ich gerade nicht nachsehen. Bitte frag in ein paar Minuten noch einmal, oder soll ich an Kollegen "
        "übergeben?"
    ),
}


_KIND_NAMES = {
    "en": {
        "card": "cards",
        "contacts": "this contact card",
        "ephemeral": "pictures that can be viewed only once",
        "flow": "this form",
        "ig_post": "this post",
        "ig_reel": "this reel",
        "location": "this location",
        "poll": "polls",
        "reel": "this reel",
        "share": "this post",
        "sticker": "stickers",
        "template": "cards",
    },
    "de": {
        "card": "Karten",
        "contacts": "Diese Kontaktkarte",
        "ephemeral": "Bilder, die man nur einmal ansehen kann,",
        "flow": "Dieses Formular",
        "ig_post": "Diesen Beitrag",
        "ig_reel": "Dieses Reel",
        "location": "Diesen Standort",
        "poll": "Umfragen",
        "reel": "Dieses Reel",
        "share": "Diesen Beitrag",
        "sticker": "Sticker",
        "template": "Karten",
    },
}
_UNKNOWN_KIND = {"en": "this kind of message ({kind})", "de": "Diese Art von Nachricht ({kind})"}


def message_kind_name(kind: str, shown: str, locale: str) -> str:
    """The kind of message in the contact's language. ``shown``: the vendor's name, used for an unknown kind."""
    language = "de" if locale.lower().startswith("de") else "en"
    return _KIND_NAMES[language].get(kind) or _UNKNOWN_KIND[language].format(kind=shown)


def translate_voice(voice: Voice, locale: str) -> Voice:
    """The voice for a contact who writes in ``locale``. Phrases that the tenant has changed are kept."""
    language = locale[:2].lower()
    translations: Mapping[str, Any] = _GERMAN if language == "de" else TRANSLATIONS.get(language, {})
    if language == "de" and voice.locale.lower().startswith("de"):
        # The tenant wrote its own German phrases, but may not know of this one.
        translations = {"danger": _GERMAN["danger"]}
    defaults = {
        name: text for name, text in translations.items() if getattr(voice, name) == getattr(DEFAULT_VOICE, name)
    }
    return replace(voice, **defaults) if defaults else voice


def list_set_phrases(voice: Voice) -> frozenset[str]:
    """All set phrases of the voice."""
    return frozenset(text for each in fields(Voice) if isinstance(text := getattr(voice, each.name), str))


SET_PHRASES = list_set_phrases(DEFAULT_VOICE) | frozenset(text for text in _GERMAN.values() if isinstance(text, str))
"""Our own phrases, after which the agent expects no particular answer."""
