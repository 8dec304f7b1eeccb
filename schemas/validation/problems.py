"""Problems of validation in our own words: the validator's are about its types, and some repeat the input."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

LANGUAGE = r"^([A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8}){0,4})?$"
LOCALE = r"^[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8}){0,4}$"
ADDRESS = r"^(https?://\S+)?$"
TIME_EXAMPLE = "2026-05-04T09:30:00Z"
_FORMS = {
    **dict.fromkeys((LANGUAGE, LOCALE), "must be a language such as de or pt-BR"),
    ADDRESS: "must be an address that begins with https:// or http://",
}
_FIXED: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("string_type", "string_sub_type", "bytes_type"), "must be text"),
        **dict.fromkeys(("int_type", "int_parsing", "int_from_float", "int_parsing_size"), "must be a whole number"),
        **dict.fromkeys(("float_type", "float_parsing"), "must be a number"),
        "finite_number": "must be a finite number",
        **dict.fromkeys(("bool_type", "bool_parsing"), "must be true or false"),
        **dict.fromkeys(("list_type", "tuple_type", "set_type"), "must be a list"),
        **dict.fromkeys(("model_type", "model_attributes_type", "dict_type", "mapping_type"), "must be an object"),
        **dict.fromkeys(
            ("datetime_type", "datetime_parsing", "datetime_from_date_parsing", "datetime_object_invalid"),
            f"must be a time such as {TIME_EXAMPLE}",
        ),
        "timezone_aware": f"must be a time with an offset, such as {TIME_EXAMPLE}",
        "missing": "must be set",
        "extra_forbidden": "is not a field here",
        "none_required": "must be left out",
    }
)


def describe_problem(detail: Mapping[str, Any]) -> str:
    """Describe a problem that pydantic found, without its place."""
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in _FIXED:
        return _FIXED[kind]
    if kind in _MEASURED:
        return _MEASURED[kind](context)
    message = str(detail["msg"]).removeprefix("Value error, ").replace("Input should", "must")
    return message[:1].lower() + message[1:]


def _describe_least(context: Mapping[str, Any], unit: str) -> str:
    least = context["min_length"]
    return "must not be empty" if least == 1 else f"must have at least {least} {unit}"


def _describe_most(context: Mapping[str, Any]) -> str:
    unit = "items" if context.get("field_type") in ("List", "Tuple", "Set", "Dictionary") else "characters"
    return f"must have at most {context['max_length']:,} {unit}"


_MEASURED: Mapping[str, Callable[[Mapping[str, Any]], str]] = MappingProxyType(
    {
        "string_too_short": lambda context: _describe_least(context, "characters"),
        "too_short": lambda context: _describe_least(
            context, "items" if context.get("field_type") != "Value" else "characters"
        ),
        "string_too_long": _describe_most,
        "too_long": _describe_most,
        "string_pattern_mismatch": lambda context: _FORMS.get(
            str(context["pattern"]), "has another form than expected"
        ),
        "greater_than": lambda context: f"must be more than {context['gt']}",
        "greater_than_equal": lambda context: f"must be at least {context['ge']}",
        "less_than": lambda context: f"must be less than {context['lt']}",
        "less_than_equal": lambda context: f"must be at most {context['le']}",
        "literal_error": lambda context: f"must be {context['expected']}",
        "enum": lambda context: f"must be {context['expected']}",
    }
)
