"""The question for a parameter that brings no question of its own: from its kind, and from what it is called."""

from __future__ import annotations

import re

from agent_worker.actions.parsing import Field, in_language

_YES_OR_NO = {"en": "{Name}: yes or no?", "de": "{Name}: ja oder nein?"}
_GERMAN = {
    "date": "Welchen Tag soll ich bei „{name}“ eintragen?",
    "quantity": "Welche Zahl soll ich bei „{name}“ eintragen?",
    "amount": "Welchen Betrag soll ich bei „{name}“ eintragen?",
}
_GERMAN_OTHERS = "Was soll ich bei „{name}“ eintragen?"
"""Without an article, which nobody can tell from the name."""
_MANY = re.compile(r"(?:[^aiosu]|[aeo]e|[aeiou]o)s$", re.IGNORECASE)
"""More than one, but not an address, a bus or a status."""


def plain_question(field: Field, locale: str) -> str:
    name = " ".join(field.title(locale).split()).rstrip(":")
    if name.endswith("?"):
        return name
    if field.schema.get("type") == "boolean":
        return in_language(_YES_OR_NO, locale).format(Name=name[:1].upper() + name[1:])
    german = _GERMAN.get(field.kind, _GERMAN_OTHERS) if field.kind != "amount" or field.currency else _GERMAN_OTHERS
    return in_language({"en": _english(field, _lowered(name)), "de": german.format(name=name)}, locale)


def _english(field: Field, name: str) -> str:
    many = bool(_MANY.search(name.partition(" of ")[0])) and not name.endswith("ss")
    if many and (field.kind == "quantity" or (field.kind == "amount" and not field.currency)):
        return f"How many {name}?"
    if field.kind in ("choice", "date"):
        return f"Which {name}?"
    the = "" if name.startswith(("your ", "the ")) else "the "
    return f"What {'are' if many else 'is'} {the}{name}?"


def _lowered(name: str) -> str:
    """Within a sentence. What is written in capitals stays so."""
    first = name.split(" ")[0]
    return name[:1].lower() + name[1:] if first[1:].islower() or len(first) == 1 else name
