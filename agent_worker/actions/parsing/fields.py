"""The kinds of parameters an action can have, derived from its JSON schema."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from agent_worker.actions.parsing.amounts import amounts
from agent_worker.actions.parsing.amounts import format_amount as shown_amount
from agent_worker.actions.parsing.dates import dates
from agent_worker.actions.parsing.dates import format_date as shown_date
from agent_worker.actions.parsing.identifiers import emails, identifiers
from agent_worker.actions.parsing.numerals import quantities
from agent_worker.actions.parsing.parsed_values import ParseContext, ParsedValue
from agent_worker.nlu.yes_no import yes_or_no
from agent_worker.translations import translate

Kind = Literal["identifier", "date", "amount", "email", "quantity", "choice", "text"]


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter. The schema's ``titles``, ``ask`` and ``labels`` hold its name, its question and its answers: one
    text, or a text per language. ``phrases`` names texts of ours instead, among those about codes: in all languages
    they would make the schema too long for models. ``currency`` (ISO 4217) turns a number into an amount of money;
    without it an amount is any number."""

    name: str
    kind: Kind
    required: bool
    schema: Mapping[str, Any]
    pattern: str = ""
    currency: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    longest: int = 500

    def ask(self, locale: str) -> str:
        """The action's own question for the parameter; empty if it has none."""
        return self._phrase("ask", locale) or in_language(self.schema.get("ask", ""), locale)

    def title(self, locale: str) -> str:
        """The parameter's name in the contact's language."""
        titles = self.schema.get("titles") or self.schema.get("title") or self.name.replace("_", " ")
        return self._phrase("title", locale) or in_language(titles, locale)

    def _phrase(self, use: str, locale: str) -> str:
        return translate(locale).codes.get(self.schema.get("phrases", {}).get(use, ""), "")

    def format_value(self, value: Any, locale: str) -> str:
        """The value as a customer writes it: with currency, as a date with its weekday, or by its label."""
        if self.kind == "amount":
            return shown_amount(Decimal(str(value)), self.currency, locale)
        if self.kind == "date":
            return shown_date(date.fromisoformat(str(value)), locale)
        return self.labels.get(str(value), str(value))

    def read(self, text: str, context: ParseContext) -> list[ParsedValue]:
        """Every possible reading of the text for this parameter: none, one, or several that the contact has to choose
        from."""
        match self.kind:
            case "identifier":
                return identifiers(text, context, self.pattern)
            case "date":
                return dates(text, context)
            case "amount":
                return amounts(text, context, self.currency)
            case "email":
                return emails(text, context)
            case "quantity":
                return quantities(text, context)
            case "choice":
                return options(text, context, self.labels)
            case "text":
                return free_text(text, context, self.longest)


def fields_of(parameters: Mapping[str, Any], locale: str) -> list[Field]:
    """The fields of an object's JSON schema, in its order."""
    required = parameters.get("required", [])
    definitions = parameters.get("$defs", {})
    return [
        _field(name, _resolve_references(schema, definitions), name in required, locale)
        for name, schema in parameters.get("properties", {}).items()
    ]


def in_language(text: Any, locale: str) -> str:
    """The text in the customer's language, else English, else the first one. A plain text is returned as it is."""
    if not isinstance(text, Mapping):
        return str(text)
    language = locale.lower().replace("_", "-").partition("-")[0]
    return str(text.get(language) or text.get("en") or next(iter(text.values()), ""))


def _resolve_references(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with references followed and its non-null alternatives merged, as pydantic writes them for optional
    and decimal fields."""
    merged = dict(schema)
    for part in [{"$ref": merged["$ref"]}] if "$ref" in merged else merged.get("anyOf", merged.get("allOf", [])):
        name = str(part.get("$ref", "")).rpartition("/")[2]
        inner = _resolve_references(definitions.get(name, {}), definitions) if name else dict(part)
        if inner.get("type") != "null":
            merged = inner | merged
    return merged


def _yes_or_no(locale: str) -> dict[str, str]:
    phrases = translate(locale).dialogue
    return {"true": phrases["yes"], "false": phrases["no"]}


def _field(name: str, schema: Mapping[str, Any], required: bool, locale: str) -> Field:
    values = [str(value) for value in schema.get("enum", [])]
    labels = schema.get("labels", {})
    shape = schema.get("format", "")
    if values:
        named = {value: in_language(labels.get(value, value.replace("_", " ")), locale) for value in values}
        return Field(name, "choice", required, schema, labels=named)
    if schema.get("currency"):
        return Field(name, "amount", required, schema, currency=schema["currency"])
    if shape in ("date", "email"):
        return Field(name, shape, required, schema)
    if schema.get("type") == "integer":
        return Field(name, "quantity", required, schema)
    if schema.get("type") == "number":
        return Field(name, "amount", required, schema)
    if schema.get("type") == "boolean":
        return Field(name, "choice", required, schema, labels=_yes_or_no(locale))
    if schema.get("pattern"):
        return Field(name, "identifier", required, schema, pattern=schema["pattern"])
    return Field(name, "text", required, schema, longest=int(schema.get("maxLength", 500)))


# Choices from a fixed list, and free text.
_LONGEST = 500
_NUMBER = re.compile(r"(?:nr |no |number |nummer |option )?(\d{1,2})")
_WORD = re.compile(r"\w+")
_FILLER = frozenset(
    word
    for words in ("a an and bitte das den der die i ich it ja kein", "keine nein nicht no not please the to yes")
    for word in words.split()
)
_TRUTH = {"true", "false"}
_TRUTH_OF = {"yes": ["true"], "no": ["false"]}


def options(text: str, context: ParseContext, labels: Mapping[str, str]) -> list[ParsedValue]:
    """``labels``: value → text that the customer sees. Matches by value, label, number (when it was asked for), else by
    words that no other label has. Several results when the words fit several options."""
    normalized = _normalize(text)
    values = list(labels)
    if context.asked and (number := _NUMBER.fullmatch(normalized)):
        at = int(number[1]) - 1
        return [_of(values[at], labels)] if 0 <= at < len(values) else []
    exact = [value for value in values if normalized in (_normalize(value), _normalize(labels[value]))]
    if exact:
        return [_of(exact[0], labels)]
    inside = [
        value
        for value in values
        if any(f" {name} " in f" {normalized} " for name in (_normalize(value), _normalize(labels[value])))
    ]
    if not inside and context.asked and set(labels) == _TRUTH:
        inside = _TRUTH_OF.get(yes_or_no(text, context.locale), [])
    return [_of(value, labels, text) for value in inside or (_by_words(normalized, labels) if context.asked else [])]


def free_text(text: str, context: ParseContext, longest: int = _LONGEST) -> list[ParsedValue]:
    """Only when it was asked for; nothing else shows that a text belongs to this parameter."""
    line = " ".join(text.split())[: min(longest, _LONGEST)].strip()
    return [ParsedValue(line, line, 0, len(text))] if line and context.asked else []


def _of(value: str, labels: Mapping[str, str], text: str = "") -> ParsedValue:
    """``text``: the message, in which the value is looked for."""
    at = max(text.lower().find(name.lower()) for name in (value, labels[value]))
    return ParsedValue(value, labels[value], max(0, at), max(0, at))


def _normalize(text: str) -> str:
    return " ".join(_WORD.findall(text.lower().replace("_", " ")))


def _by_words(normalized: str, labels: Mapping[str, str]) -> list[str]:
    words = set(normalized.split()) - _FILLER
    counts = {
        value: len(words & set(f"{_normalize(value)} {_normalize(label)}".split())) for value, label in labels.items()
    }
    best = max(counts.values(), default=0)
    return [value for value, count in counts.items() if count == best] if best else []
