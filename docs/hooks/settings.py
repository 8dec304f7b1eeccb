"""The settings reference: every setting of the configuration file, from the models that validate it."""

from __future__ import annotations

import json
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from connectors.registry import CHANNELS
from docs.hooks.tables import prose, table
from gateway.config.settings import Config

INTRODUCTION = """# Settings

Every setting of `parley.yaml`, generated from the models that validate it. Words in capitals, such as `TENANT` and
`ACCOUNT`, stand for names of your own.

A value comes from the first of these places that has it: a flag of the command, the environment, the file, the default.
The name of an environment variable is `PARLEY__`, then the path in capitals with `__` between its parts and `_` for
`-`: `PARLEY__TENANTS__SHOP__LIMITS__INBOUND_PER_S=50`. There are four short names: `PARLEY_BUS`, `PARLEY_STATE`,
`PARLEY_MODEL` (for `dev_model`) and `PARLEY_PORT` (the port in `listen`). Lists and mappings are written as JSON. An
item of a list has no variable of its own.

Any value in the file can contain `${NAME}` (an environment variable; `${NAME:-default}` if it may be missing) or be
`file:PATH` (the content of a file). `parley config check` checks a file; `parley config schema` prints the JSON Schema.
"""
PLACEHOLDERS = dict.fromkeys(CHANNELS, "ACCOUNT") | {
    "tenants": "TENANT",
    "examples": "LANGUAGE",
    "http": "ACTION",
    "limits": "ACTION",
    "parameters": "PARAMETER",
    "risks": "TOPIC",
}
OTHER_PLACEHOLDER = "NAME"
WORDS: dict[Any, str] = {str: "text", int: "integer", float: "number", bool: "true or false", SecretStr: "secret"}


@dataclass(frozen=True, slots=True)
class Section:
    """A model at its place in the file. ``choice`` tells alternatives at one place apart."""

    path: str
    model: type[BaseModel]
    choice: str = ""


def build() -> str:
    """The whole page."""
    return INTRODUCTION + "".join(_render(section) for section in find_sections(Section("", Config)))


def find_sections(section: Section) -> Iterator[Section]:
    """The section, and all sections below it, in the order of the file."""
    yield section
    for name, field in section.model.model_fields.items():
        for inner, suffix in find_models(field.annotation, PLACEHOLDERS.get(name, OTHER_PLACEHOLDER)):
            path = f"{section.path}.{field.alias or name}".strip(".") + suffix
            yield from find_sections(Section(path, inner, _choice(inner) if _is_choice(field.annotation) else ""))


def find_models(annotation: Any, placeholder: str) -> Iterator[tuple[type[BaseModel], str]]:
    """The models in an annotation, each with the part of the path between the field and the model's fields."""
    annotation = _plain(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, ""
        return
    suffix = {dict: f".{placeholder}", list: "[]"}.get(get_origin(annotation), "")
    for argument in get_args(annotation):
        for model, rest in find_models(argument, placeholder):
            yield model, suffix + rest


def _plain(annotation: Any) -> Any:
    """The annotation without the checks that are attached to it."""
    return _plain(get_args(annotation)[0]) if get_origin(annotation) is Annotated else annotation


def _is_choice(annotation: Any) -> bool:
    return len(list(find_models(annotation, ""))) > 1


def _choice(model: type[BaseModel]) -> str:
    for name, field in model.model_fields.items():
        if get_origin(field.annotation) is Literal and field.is_required():
            return f"{name}: {get_args(field.annotation)[0]}"
    return ""


def _render(section: Section) -> str:
    title = f"`{section.path}`" if section.path else "The whole file"
    title += f" with `{section.choice}`" if section.choice else ""
    label = " ".join(filter(None, [section.path.removeprefix("tenants.TENANT."), section.choice.partition(": ")[2]]))
    title += f' {{ data-toc-label="{label}" }}' if label else ""  # the table of contents cuts long lines
    rows = [_row(section, name, field) for name, field in section.model.model_fields.items()]
    head = ("setting", "type", "default", "meaning and environment variable")
    return f"\n## {title}\n\n{prose(section.model.__doc__)}\n\n{table(head, rows)}"


def _row(section: Section, name: str, field: FieldInfo) -> tuple[str, str, str, str]:
    key = field.alias or name
    path = f"{section.path}.{key}".strip(".")
    variable = "" if "[]" in path else f'<span class="variable">`{variable_name(path)}`</span>'
    inner = [f"[`{path}{suffix}`](#{_anchor(path + suffix, model, field)})"
             for model, suffix in find_models(field.annotation, PLACEHOLDERS.get(name, OTHER_PLACEHOLDER))]  # fmt: skip
    meaning = " ".join(filter(None, [prose(field.description), f"See {', '.join(inner)}." if inner else ""]))
    setting = f'<span id="{anchor(path, section.choice)}"></span>`{key}`'
    return setting, describe_type(field.annotation) + _limits(field), _default(field), f"{meaning} {variable}"


def variable_name(path: str) -> str:
    """The environment variable that sets the setting at ``path``."""
    return "PARLEY__" + path.upper().replace("-", "_").replace(".", "__")


def anchor(path: str, choice: str = "") -> str:
    """The id of a setting on the page."""
    return f"{path}:{choice.partition(': ')[2]}" if choice else path


def _anchor(path: str, model: type[BaseModel], field: FieldInfo) -> str:
    """The id of a section: that of its first setting."""
    first, about = next(iter(model.model_fields.items()))
    return anchor(f"{path}.{about.alias or first}", _choice(model) if _is_choice(field.annotation) else "")


def describe_type(annotation: Any) -> str:
    """A type in words."""
    annotation = _plain(annotation)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(describe_type(each) for each in arguments if each is not types.NoneType))
    if origin in (list, tuple, frozenset, set):
        return f"list of {describe_type(arguments[0])}"
    if origin is dict:
        return f"mapping of {describe_type(arguments[0])} to {describe_type(arguments[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "section"
    return WORDS.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _limits(field: FieldInfo) -> str:
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    found = [f"{sign} {value:,}" for rule in field.metadata for name, sign in signs.items()
             if (value := getattr(rule, name, None)) is not None]  # fmt: skip
    return f", {' and '.join(found)}" if found else ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if value is None or isinstance(value, BaseModel):
        return ""
    return f"`{json.dumps(value, default=_encode, ensure_ascii=False)}`"


def _encode(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_defaults=True)
    return str(value) if isinstance(value, Path) else list(value)
