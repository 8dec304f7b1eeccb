"""Validation, comparison, display and masking of an action's arguments."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from agent_worker.actions.parsing import Field, fields_of
from agent_worker.actions.spec import Action
from schemas.actions import Arguments

MAX_VALUE_LENGTH = 200
"""Characters of one value in a record; the rest is cut off."""
MAX_TOTAL_LENGTH = 20_000
"""Characters of all arguments together, because the conversation's state keeps them."""
HIDDEN = "•••"
_CARD = re.compile(r"\b\d(?:[ -]?\d){12,18}\b")
_MAIL = re.compile(r"(?<![\w.+-])([\w.+-])[\w.+-]*+@")


class InvalidArguments(Exception):
    """Raised when arguments do not fit the action's model. ``problems`` holds an explanation for each parameter."""

    def __init__(self, problems: dict[str, str]) -> None:
        super().__init__(", ".join(problems))
        self.problems = problems


def parse_arguments(action: Action, raw: Mapping[str, Any]) -> BaseModel:
    """Validate ``raw`` against the action's model, ignoring unknown parameters. Raises InvalidArguments."""
    known = {name: value for name, value in raw.items() if name in action.model.model_fields}
    try:
        arguments = action.model.model_validate(known)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False, include_context=False)
        raise InvalidArguments(
            {".".join(map(str, detail["loc"])) or "arguments": detail["msg"] for detail in details}
        ) from None
    if len(canonical_json(dump_arguments(arguments))) > MAX_TOTAL_LENGTH:
        raise InvalidArguments({"arguments": f"more than {MAX_TOTAL_LENGTH} characters"})
    return arguments


def is_same(action: Action, given: Arguments, arguments: BaseModel) -> bool:
    """Return whether both sets of arguments are equal as values: 12.5 equals 12.50."""
    try:
        return parse_arguments(action, given) == arguments
    except InvalidArguments:
        return False


def dump_arguments(arguments: BaseModel) -> Arguments:
    """The arguments as JSON values."""
    return arguments.model_dump(mode="json", exclude_none=True)


def canonical_json(arguments: Arguments) -> str:
    """One text for equal arguments, whatever the order of their keys."""
    return json.dumps(arguments, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def arguments_digest(action: str, arguments: Arguments) -> str:
    return hashlib.sha256(f"{action}\n{canonical_json(arguments)}".encode()).hexdigest()


def summarize_action(action: Action, arguments: Arguments, locale: str = "en") -> str:
    """All arguments of the action as a list, for the person who is asked to confirm or approve it."""
    fields = {field.name: field for field in fields_of(action.parameters, locale)}
    lines = [f"**{action.title_in(locale)}**"]
    for name, value in arguments.items():
        shown = fields[name].format_value(value, locale) if _is_scalar(value) else value
        lines.append(f"- {_title(fields[name], locale)}: {_format_value(shown)}")
    return "\n".join(lines)


def mask_arguments(action: Action | None, arguments: Mapping[str, Any]) -> dict[str, str]:
    """The arguments for records that people see: sensitive values, card numbers and e-mail addresses are masked."""
    sensitive = action.sensitive if action else frozenset(arguments)
    return {
        name: HIDDEN if name in sensitive else _mask_text(_format_value(value)) for name, value in arguments.items()
    }


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _title(field: Field, locale: str) -> str:
    title = field.title(locale)
    return title[:1].upper() + title[1:]


def _format_value(value: Any) -> str:
    if isinstance(value, str):
        return " ".join(value.split())
    if isinstance(value, list):
        return ", ".join(map(_format_value, value))
    return json.dumps(value, ensure_ascii=False)


def _mask_text(text: str) -> str:
    text = _MAIL.sub(rf"\1{HIDDEN}@", _CARD.sub(HIDDEN, text))
    return text if len(text) <= MAX_VALUE_LENGTH else text[:MAX_VALUE_LENGTH] + "…"
