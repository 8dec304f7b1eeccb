"""Phrases of the slot-filling dialogue, in English and German."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from agent_worker.actions.parsing import Field, ParseContext, ParsedValue, in_language
from schemas.messages import Choice
from schemas.ports import AnswerDraft

SAYS = "say:"
"""Prefix of the ids of choices that only save the contact typing."""
Key = Literal[
    "which", "left", "give_up", "currency", "negative", "share", "no_such_day", "unread_identifier",
    "unread_date", "unread_amount", "unread_email", "unread_quantity", "unread_choice", "unread_text", "verify", "then",
    "never_mind", "unfit", "looks_like", "last_code", "send_code", "done", "refused", "failed", "unknown",
]  # fmt: skip
_PHRASES: dict[Key, dict[str, str]] = {
    "which": {"en": "Which one do you mean?", "de": "Was davon ist gemeint?"},
    "left": {"en": "All right, nothing was changed.", "de": "In Ordnung, es wurde nichts geändert."},
    "give_up": {
        "en": "I am sorry, I still do not understand. Shall I pass you to a colleague?",
        "de": "Leider verstehe ich es immer noch nicht. Soll ich an eine Kollegin oder einen Kollegen übergeben?",
    },
    "currency": {
        "en": "{said} is another currency; I need the amount in {currency}.",
        "de": "{said} ist eine andere Währung; ich brauche den Betrag in {currency}.",
    },
    "negative": {"en": "It must be more than zero.", "de": "Es muss mehr als nichts sein."},
    "share": {
        "en": "Please tell me the exact amount, because I do not want to miscalculate it.",
        "de": "Bitte nenne den genauen Betrag: ich möchte mich nicht verrechnen.",
    },
    "no_such_day": {"en": "{said} is not a day in the calendar.", "de": "{said} steht nicht im Kalender."},
    "unread_identifier": {
        "en": "I could not find {the_name} in your message.",
        "de": "In der Nachricht habe ich keine Angabe zu „{name}“ gefunden.",
    },
    "looks_like": {"en": "It looks like {example}.", "de": "So sieht sie aus: {example}."},
    "unread_date": {
        "en": "I could not find a date in that. You can write something like 24 December or next Friday.",
        "de": "Darin habe ich keinen Tag erkannt; etwa 24. Dezember oder kommenden Freitag.",
    },
    "unread_amount": {
        "en": "I could not find an amount in that. You can write something like {example}.",
        "de": "Darin habe ich keinen Betrag erkannt; etwa {example}.",
    },
    "unread_email": {"en": "That is not an e-mail address.", "de": "Das ist keine E-Mail-Adresse."},
    "unread_quantity": {"en": "I need a number.", "de": "Ich brauche eine Zahl."},
    "unread_choice": {"en": "Please choose one of these.", "de": "Bitte wähle eines davon."},
    "unread_text": {"en": "I need a few words.", "de": "Ich brauche ein paar Worte."},
    "verify": {
        "en": "This needs proof that it is you, which I cannot ask for here. Shall I pass you to a colleague?",
        "de": "Dafür muss ich sicher sein, wer schreibt, und das geht hier nicht. Soll ich an Kollegen übergeben?",
    },
    "then": {"en": "Now to your other request: {title}.", "de": "Nun zum anderen: {title}."},
    "send_code": {"en": "Send a code", "de": "Code schicken"},
    "last_code": {
        "en": "The last code that I sent is still valid: you can enter it here.",
        "de": "Der zuletzt geschickte Code gilt noch: du kannst ihn hier schreiben.",
    },
    "never_mind": {"en": "Never mind", "de": "Abbrechen"},
    "unfit": {"en": "That does not fit here.", "de": "Das passt so nicht."},
    "done": {"en": "Done: {title}.", "de": "Erledigt: {title}."},
    "refused": {"en": "That is not possible. {reason}", "de": "Das ist nicht möglich. {reason}"},
    "failed": {
        "en": "That did not work, and nothing was changed. {reason}",
        "de": "Das hat nicht geklappt, es wurde nichts geändert. {reason}",
    },
    "unknown": {
        "en": "I cannot tell yet whether it was done. I will find out, and nothing will be done twice.",
        "de": "Noch ist nicht klar, ob es ausgeführt wurde. Ich kläre das, und doppelt geschieht nichts.",
    },
}


def dialogue_text(key: Key, locale: str, **values: str) -> str:
    return in_language(_PHRASES[key], locale).format(**values).strip()


def question_for(field: Field, locale: str) -> str:
    """The action's own question if it has one, else one made from the field."""
    return field.ask(locale) or plain_question(field, locale)


def choices_for(field: Field, locale: str) -> list[Choice]:
    """The answers of a choice field, and one to cancel."""
    if field.kind != "choice":
        return []
    return [Choice(id=f"{SAYS}{value}", label=label) for value, label in field.labels.items()] + [cancel_choice(locale)]


def choices_between(readings: Sequence[ParsedValue], locale: str) -> list[Choice]:
    """The readings as choices, and one to cancel."""
    return [Choice(id=f"{SAYS}{reading.value}", label=reading.text) for reading in readings[:8]] + [
        cancel_choice(locale)
    ]


def choices_for_code(locale: str) -> list[Choice]:
    """To have a code sent, or not."""
    return [Choice(id=f"{SAYS}send_code", label=dialogue_text("send_code", locale)), cancel_choice(locale)]


def cancel_choice(locale: str) -> Choice:
    return Choice(id=f"{SAYS}never_mind", label=dialogue_text("never_mind", locale))


def explain_unusable(field: Field, problem: ParsedValue | None, context: ParseContext) -> str:
    """The reason why an answer cannot be used."""
    locale = context.locale
    if problem is not None and problem.problem:
        return dialogue_text(problem.problem, locale, said=problem.text, currency=field.currency)
    if field.kind == "amount":
        return dialogue_text("unread_amount", locale, example="12,50 €" if context.german else "12.50")
    if field.kind != "identifier":
        return dialogue_text(f"unread_{field.kind}", locale)  # type: ignore[arg-type]
    name = " ".join(field.title(locale).split())
    text = dialogue_text("unread_identifier", locale, name=name, the_name=_with_article(_lower_first(name)))
    example = next(iter(field.schema.get("examples", [])), "")
    if not example or example in question_for(field, locale):
        return text
    return f"{text} {dialogue_text('looks_like', locale, example=example)}"


# Questions for parameters without a question of their own, made from their kind and title.
_YES_OR_NO = {"en": "{Name}: yes or no?", "de": "{Name}: ja oder nein?"}
_GERMAN = {
    "date": "Welchen Tag soll ich bei „{name}“ eintragen?",
    "quantity": "Welche Zahl soll ich bei „{name}“ eintragen?",
    "amount": "Welchen Betrag soll ich bei „{name}“ eintragen?",
}
_GERMAN_OTHERS = "Was soll ich bei „{name}“ eintragen?"
"""Without an article, which cannot be derived from the name."""
_MANY = re.compile(r"(?:[^aiosu]|[aeo]e|[aeiou]o)s$", re.IGNORECASE)
"""Plural forms, but not an address, a bus or a status."""


def plain_question(field: Field, locale: str) -> str:
    name = " ".join(field.title(locale).split()).rstrip(":")
    if name.endswith("?"):
        return name
    if field.schema.get("type") == "boolean":
        return in_language(_YES_OR_NO, locale).format(Name=name[:1].upper() + name[1:])
    german = _GERMAN.get(field.kind, _GERMAN_OTHERS) if field.kind != "amount" or field.currency else _GERMAN_OTHERS
    return in_language({"en": _english(field, _lower_first(name)), "de": german.format(name=name)}, locale)


def _english(field: Field, name: str) -> str:
    many = bool(_MANY.search(name.partition(" of ")[0])) and not name.endswith("ss")
    if many and (field.kind == "quantity" or (field.kind == "amount" and not field.currency)):
        return f"How many {name}?"
    if field.kind in ("choice", "date"):
        return f"Which {name}?"
    return f"What {'are' if many else 'is'} {_with_article(name)}?"


def _with_article(name: str) -> str:
    return name if name.startswith(("your ", "the ")) else f"the {name}"


def _lower_first(name: str) -> str:
    """Lower-case a title for use within a sentence. Acronyms keep their capitals."""
    first = name.split(" ")[0]
    return name[:1].lower() + name[1:] if first[1:].islower() or len(first) == 1 else name


def prepend_text(draft: AnswerDraft, text: str) -> AnswerDraft:
    """Put ``text`` before the draft. A confirmation question stays word for word."""
    return replace(draft, text=f"{text}\n\n{draft.text}")
