"""Whether what a model filled in has the shape that was asked for. Values are for the action itself to judge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_KINDS: dict[str, Callable[[object], bool]] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "null": lambda value: value is None,
}


def problem(arguments: object, schema: Mapping[str, Any]) -> str:
    """Empty when there is none. Names, required ones, kinds and closed lists are looked at, on the first level."""
    if not isinstance(arguments, dict):
        return "the arguments are not an object"
    known: Mapping[str, Any] = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in arguments:
            return f"{name} is missing"
    for name, value in arguments.items():
        if name not in known:
            return f"there is no {name}; there are: {', '.join(sorted(known)) or 'none'}"
        if wrong := _wrong(value, known[name]):
            return f"{name} must be {wrong}"
    return ""


def _wrong(value: object, schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return "" if value in schema["enum"] else f"one of {', '.join(map(str, schema['enum']))}"
    if "anyOf" in schema:
        wrongs = [_wrong(value, one) for one in schema["anyOf"]]
        return "" if "" in wrongs else " or ".join(wrongs)
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    fits = not kinds or any(kind not in _KINDS or _KINDS[kind](value) for kind in kinds)
    return "" if fits else " or ".join(kinds)
