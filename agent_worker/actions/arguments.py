"""Arguments as an action gets them, as they are compared, as they are shown, and as they are kept in records."""

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

LONGEST = 200
"""Characters of one value in a record."""
LARGEST = 20_000
"""Characters of all arguments together: they are kept in the conversation's state."""
HIDDEN = "•••"
_CARD = re.compile(r"\b\d(?:[ -]?\d){12,18}\b")
_MAIL = re.compile(r"(?<![\w.+-])([\w.+-])[\w.+-]*+@")


class Unreadable(Exception):
    """The arguments do not fit. ``problems``: what is wrong, by parameter."""

    def __init__(self, problems: dict[str, str]) -> None:
        super().__init__(", ".join(problems))
        self.problems = problems


def read(action: Action, raw: Mapping[str, Any]) -> BaseModel:
    """Raises Unreadable. What the action has no parameter for is left out."""
    known = {name: value for name, value in raw.items() if name in action.model.model_fields}
    try:
        arguments = action.model.model_validate(known)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False, include_context=False)
        raise Unreadable({".".join(map(str, one["loc"])) or "arguments": one["msg"] for one in details}) from None
    if len(canonical(plain(arguments))) > LARGEST:
        raise Unreadable({"arguments": f"more than {LARGEST} characters"})
    return arguments


def is_same(action: Action, given: Arguments, arguments: BaseModel) -> bool:
    """As values: 12.5 is 12.50."""
    try:
        return read(action, given) == arguments
    except Unreadable:
        return False


def plain(arguments: BaseModel) -> Arguments:
    """As JSON values."""
    return arguments.model_dump(mode="json", exclude_none=True)


def canonical(arguments: Arguments) -> str:
    """Equal texts for equal arguments."""
    return json.dumps(arguments, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(action: str, arguments: Arguments) -> str:
    return hashlib.sha256(f"{action}\n{canonical(arguments)}".encode()).hexdigest()


def summary(action: Action, arguments: Arguments, locale: str = "en") -> str:
    """All that will be done, for whoever is to say yes: nothing is left out."""
    fields = {each.name: each for each in fields_of(action.parameters, locale)}
    lines = [
        f"- {_title(fields[name], locale)}: {_shown(fields[name].shown(value, locale) if _single(value) else value)}"
        for name, value in arguments.items()
    ]
    return "\n".join([f"**{action.titled(locale)}**", *lines])


def masked(action: Action | None, arguments: Mapping[str, Any]) -> dict[str, str]:
    """For records that people and logs see."""
    sensitive = action.sensitive if action else frozenset(arguments)
    return {name: HIDDEN if name in sensitive else _masked(_shown(value)) for name, value in arguments.items()}


def _single(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _title(field: Field, locale: str) -> str:
    title = field.title(locale)
    return title[:1].upper() + title[1:]


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return " ".join(value.split())
    if isinstance(value, list):
        return ", ".join(map(_shown, value))
    return json.dumps(value, ensure_ascii=False)


def _masked(text: str) -> str:
    text = _MAIL.sub(rf"\1{HIDDEN}@", _CARD.sub(HIDDEN, text))
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"
