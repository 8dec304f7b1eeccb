"""Phrases and choices of the slot-filling dialogue, in the contact's language. The phrases are in ``phrases/``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any, Literal

from agent_worker.actions.parsing import Field, ParseContext, ParsedValue
from agent_worker.actions.parsing.amounts import format_example_amount
from agent_worker.actions.parsing.dates import format_example_date
from agent_worker.translations import LANGUAGES, choose_language, translate
from schemas.choice_matching import collapse_whitespace, fold_case
from schemas.messages import Choice
from schemas.ports import ActionOffer, ActionResult, AnswerDraft

SAYS = "say:"
"""Prefix of the ids of choices that only save the contact typing."""
NEVER_MIND, SEND_CODE = f"{SAYS}never_mind", f"{SAYS}send_code"
"""Ids of choices that are no value: they mean the same in every language."""
Key = Literal[
    "which", "left", "give_up", "currency", "negative", "share", "no_such_day", "unread_identifier", "looks_like",
    "unread_date", "unread_amount", "unread_email", "unread_quantity", "unread_choice", "unread_text", "verify", "then",
    "never_mind", "unfit", "done", "refused", "failed", "unknown", "ask_yes_or_no", "ask_choice", "ask_date",
    "ask_quantity", "ask_amount", "ask_value", "yes", "no",
]  # fmt: skip


def dialogue_text(key: Key, locale: str, **values: str) -> str:
    return translate(locale).dialogue[key].format(**values).strip()


def result_text(result: ActionResult, offer: ActionOffer, locale: str) -> str:
    """What the action says about its result, else a phrase for the outcome."""
    if result.say:
        return result.say
    key: Any = "done" if result.outcome == "succeeded" else result.outcome
    return dialogue_text(key, locale, title=offer.title or offer.name, reason=result.reason)


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


def choices_for_code(locale: str, *, again: bool = False) -> list[Choice]:
    """To have a code sent, or another one, or not."""
    label = translate(locale).codes["send_new" if again else "send"]
    return [Choice(id=SEND_CODE, label=label), cancel_choice(locale)]


def cancel_choice(locale: str) -> Choice:
    return Choice(id=NEVER_MIND, label=dialogue_text("never_mind", locale))


def find_label(text: str) -> Choice | None:
    """The choice among those that are no value whose label the text is, in any language."""
    return _choices_by_label().get(_normalize(text))


@cache
def _choices_by_label() -> dict[str, Choice]:
    lists = ((*choices_for_code(each, again=True), *choices_for_code(each)) for each in LANGUAGES)
    return {_normalize(choice.label): choice for choices in lists for choice in choices}


def _normalize(text: str) -> str:
    return collapse_whitespace(fold_case(text)).rstrip(".!\u3002\u06d4\u0964")


def explain_unusable(field: Field, problem: ParsedValue | None, context: ParseContext) -> str:
    """The reason why an answer cannot be used."""
    locale = context.locale
    if problem is not None and problem.problem:
        return dialogue_text(problem.problem, locale, said=problem.text, currency=field.currency)
    if field.kind == "amount":
        return dialogue_text("unread_amount", locale, example=format_example_amount(field.currency, locale))
    if field.kind == "date":
        return dialogue_text("unread_date", locale, example=format_example_date(context.today.year, locale))
    if field.kind != "identifier":
        return dialogue_text(f"unread_{field.kind}", locale)  # type: ignore[arg-type]
    name = " ".join(field.title(locale).split())
    text = dialogue_text("unread_identifier", locale, name=_name_in_sentence(name, locale))
    example = next(iter(field.schema.get("examples", [])), "")
    if not example or example in question_for(field, locale):
        return text
    return f"{text} {dialogue_text('looks_like', locale, example=example)}"


# Questions for parameters without a question of their own, made from their kind and title.
_MANY = re.compile(r"(?:[^aiosu]|[aeo]e|[aeiou]o)s$", re.IGNORECASE)
"""Plural forms, but not an address, a bus or a status."""


def plain_question(field: Field, locale: str) -> str:
    name = " ".join(field.title(locale).split()).rstrip(":")
    if name.endswith(("?", "\uff1f", "\u061f")):
        return name
    if field.schema.get("type") == "boolean":
        return dialogue_text("ask_yes_or_no", locale, name=name[:1].upper() + name[1:])
    if choose_language(locale) == "en" and (question := _ask_for_many(field, _lower_first(name))):
        return question
    kind = "value" if field.kind == "amount" and not field.currency else field.kind
    key: Key = f"ask_{kind}" if kind in ("choice", "date", "quantity", "amount") else "ask_value"  # type: ignore[assignment]
    is_bare = kind in ("choice", "date")
    return dialogue_text(key, locale, name=_name_in_sentence(name, locale, article=not is_bare))


def _ask_for_many(field: Field, name: str) -> str:
    """The English question for a plural: "How many days?"; empty if the name is none."""
    many = bool(_MANY.search(name.partition(" of ")[0])) and not name.endswith("ss")
    if not many or field.kind in ("choice", "date"):
        return ""
    counted = field.kind == "quantity" or (field.kind == "amount" and not field.currency)
    return f"How many {name}?" if counted else f"What are {_with_article(name)}?"


def _name_in_sentence(name: str, locale: str, *, article: bool = True) -> str:
    """The name as the phrases need it. Only the English ones decline it; the others quote it."""
    if choose_language(locale) != "en":
        return name
    return _with_article(_lower_first(name)) if article else _lower_first(name)


def _with_article(name: str) -> str:
    return name if name.startswith(("your ", "the ")) else f"the {name}"


def _lower_first(name: str) -> str:
    """Lower-case a title for use within a sentence. Acronyms keep their capitals."""
    first = name.split(" ")[0]
    return name[:1].lower() + name[1:] if first[1:].islower() or len(first) == 1 else name


def prepend_text(draft: AnswerDraft, text: str) -> AnswerDraft:
    """Put ``text`` before the draft. A confirmation question stays word for word."""
    return replace(draft, text=f"{text}\n\n{draft.text}")
