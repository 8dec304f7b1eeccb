"""The set phrases in the contact's language: where a tenant has no words of its own, ours."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from agent_worker.settings import Voice

_GERMAN: dict[str, Any] = {
    "not_found": "Das steht nicht in unseren Unterlagen, und raten möchte ich nicht. Soll ich an Kollegen übergeben?",
    "handoff": "Hier übernimmt so bald wie möglich jemand aus dem Team.",
    "expected_wait": "Eine Antwort kommt meist innerhalb von {wait}.",
    "closed": "Gerade ist niemand da. Die Antwort kommt hier.",
    "closed_until": "Gerade ist niemand da. Wir sind {opens} wieder da.",
    "assistant_choice": "Mit dem Assistenten weitermachen",
    "go_on": "Gut, ich bin wieder da. Wobei kann ich helfen?",
    "colleague_wrote": "Jemand aus dem Team hat hier geschrieben: „{said}“",
    "rating_ask": "Wie war unsere Hilfe?",
    "rating_scale": ("Sehr schlecht", "Schlecht", "In Ordnung", "Gut", "Sehr gut"),
    "rating_thanks": "Danke für die Bewertung!",
    "failed": "Bei uns ist etwas schiefgegangen. Jemand aus dem Team sieht sich die Nachricht an.",
    "greeting": "Hallo! Wobei kann ich helfen?",
    "thanks": "Gern! Kann ich noch etwas tun?",
    "goodbye": "Danke für die Nachricht. Auf Wiedersehen!",
    "person_choice": "Mit einem Menschen sprechen",
    "voice_note": "Sprachnachrichten kann ich nicht anhören. Bitte schreib mir stattdessen.",
    "file": "Die Datei ist da, aber ich kann nicht hineinsehen. Worum geht es?",
    "file_missing": "Die Datei ist nicht angekommen. Bitte schick sie noch einmal, oder schreib, worum es geht.",
    "unsupported": "Diese Art von Nachricht kann ich nicht lesen. Bitte schreib mir stattdessen.",
    "too_many": "Das waren viele Nachrichten in kurzer Zeit. Bitte gib mir ein wenig Zeit, bevor du wieder schreibst.",
    "confirm": "Soll ich das tun?",
    "confirm_yes": "Ja, bitte",
    "confirm_no": "Nein, lieber nicht",
    "confirm_again": "Nach dem Ja kam noch etwas, darum frage ich noch einmal.",
    "confirm_expired": "Das ist eine Weile her, darum frage ich noch einmal.",
    "confirm_gone": "Diese Frage ist nicht mehr offen, ich habe jetzt nichts getan.",
    "declined": "In Ordnung, ich lasse alles, wie es ist.",
    "done": "Erledigt.",
    "refused": "Das kann ich nicht tun.",
    "not_done": "Das hat nicht geklappt, und nichts wurde geändert.",
    "unclear": "Ob es geklappt hat, weiß ich noch nicht. Ich prüfe es und melde mich hier.",
    "unclear_still": "Ich konnte nicht klären, ob es geklappt hat. Jemand aus dem Team prüft es und meldet sich hier.",
    "needs_identity": "Dafür muss ich sicher sein, wer schreibt.",
    "limit_reached": "Das ist öfter, als ich es an einem Tag tun darf. Jemand aus dem Team kann helfen.",
    "approval_asked": "Das muss jemand aus dem Team genehmigen. Ich habe gefragt; die Antwort kommt hier.",
    "approval_denied": "Das wurde nicht genehmigt. Nichts wurde geändert.",
    "approval_expired": "Das hat niemand rechtzeitig genehmigt, darum wurde nichts geändert.",
}
_PLAIN = Voice()


def in_language(voice: Voice, locale: str) -> Voice:
    """``voice`` for a contact who writes in ``locale``. What the tenant has put in its own words stays."""
    if not locale.lower().startswith("de") or voice.locale.lower().startswith("de"):
        return voice
    ours = {each.name for each in fields(Voice) if getattr(voice, each.name) == getattr(_PLAIN, each.name)}
    german: dict[str, Any] = {name: text for name, text in _GERMAN.items() if name in ours}
    return replace(voice, **german)
