"""What an action's parameter may hold, read from its JSON schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from agent_worker.actions.parsing.amounts import amounts
from agent_worker.actions.parsing.amounts import shown as shown_amount
from agent_worker.actions.parsing.dates import dates
from agent_worker.actions.parsing.dates import shown as shown_date
from agent_worker.actions.parsing.identifiers import emails, identifiers
from agent_worker.actions.parsing.numerals import quantities
from agent_worker.actions.parsing.options import free_text, options
from agent_worker.actions.parsing.readings import Context, Reading

Kind = Literal["identifier", "date", "amount", "email", "quantity", "choice", "text"]


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter. What it is called, asked by and answered with stands in the schema's own ``titles``, ``ask`` and
    ``labels``: a text, or one by language; ``currency`` (ISO 4217) makes a number an amount of money. Without one an
    amount is any number."""

    name: str
    kind: Kind
    required: bool
    schema: Mapping[str, Any]
    pattern: str = ""
    currency: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    longest: int = 500

    def ask(self, locale: str) -> str:
        """The question for it in the action's own words; empty when it has none."""
        return in_language(self.schema.get("ask", ""), locale)

    def title(self, locale: str) -> str:
        """What it is called: in the schema's ``titles`` by language, or its title."""
        return in_language(self.schema.get("titles") or self.schema.get("title") or self.name.replace("_", " "), locale)

    def shown(self, value: Any, locale: str) -> str:
        """A value as the customer knows it: with its currency, as a day with its name, by its label."""
        if self.kind == "amount":
            return shown_amount(Decimal(str(value)), self.currency, locale)
        if self.kind == "date":
            return shown_date(date.fromisoformat(str(value)), locale)
        return self.labels.get(str(value), str(value))

    def read(self, text: str, context: Context) -> list[Reading]:
        """All that the text may say for it: none when nothing, several when it has to be asked which."""
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
        _field(name, _resolved(schema, definitions), name in required, locale)
        for name, schema in parameters.get("properties", {}).items()
    ]


def in_language(said: Any, locale: str) -> str:
    """A text, or the one of several that is in the customer's language; English, or else the first, when none is."""
    if not isinstance(said, Mapping):
        return str(said)
    language = locale.lower().replace("_", "-").partition("-")[0]
    return str(said.get(language) or said.get("en") or next(iter(said.values()), ""))


def _resolved(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """With references followed, and of alternatives those that are not null joined: what pydantic makes of optional
    and decimal fields."""
    whole = dict(schema)
    for part in [{"$ref": whole["$ref"]}] if "$ref" in whole else whole.get("anyOf", whole.get("allOf", [])):
        name = str(part.get("$ref", "")).rpartition("/")[2]
        inner = _resolved(definitions.get(name, {}), definitions) if name else dict(part)
        if inner.get("type") != "null":
            whole = inner | whole
    return whole


def _yes_or_no(locale: str) -> dict[str, str]:
    return {
        "true": in_language({"en": "Yes", "de": "Ja"}, locale),
        "false": in_language({"en": "No", "de": "Nein"}, locale),
    }


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
