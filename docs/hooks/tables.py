"""Markdown tables, and tables of the fields of a JSON Schema."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

_BRACES = re.compile(r"``(.+?)``")


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, stacked: bool = False) -> str:
    """A Markdown table. On a phone the cells of a wide or ``stacked`` one stand below each other."""
    lines = [head, ["---"] * len(head), *rows]
    text = "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines) + "\n"
    return f'<div class="stacked" markdown>\n\n{text}\n</div>\n' if stacked or len(head) > 3 else text


def _cell(text: str) -> str:
    """A bar ends a cell, except in code."""
    parts = re.split(r"(`[^`]*`)", " ".join(text.split()))
    return "".join(part if part.startswith("`") else part.replace("|", "&#124;") for part in parts)


def prose(docstring: str | None) -> str:
    """A docstring as Markdown: one line, with code between single backticks."""
    return _BRACES.sub(r"`\1`", " ".join((docstring or "").split()))


def fields_table(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    """The fields of an object: name, type, default and description."""
    required = set(schema.get("required", ()))
    rows = [
        (f"`{name}`", describe_type(field, schemas), _default(name, field, required), prose(field.get("description")))
        for name, field in schema.get("properties", {}).items()
    ]
    return table(("field", "type", "default", "meaning"), rows) if rows else ""


def _default(name: str, field: Mapping[str, Any], required: set[str]) -> str:
    if name in required:
        return "required"
    return f"`{json.dumps(field['default'], ensure_ascii=False)}`" if "default" in field else ""


def describe_type(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    """The type of a JSON Schema in words; a model of ``schemas`` is linked to its section."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return f"[{name}](#{name.lower()})" if name in schemas else name
    if "const" in schema or "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " or ".join(dict.fromkeys(describe_type(each, schemas) for each in schema[key]))
    if schema.get("type") == "array":
        return f"list of {describe_type(schema.get('items', {}), schemas)}"
    if isinstance(schema.get("additionalProperties"), Mapping):
        return f"mapping to {describe_type(schema['additionalProperties'], schemas)}"
    kind = str(schema.get("type", "any"))
    return f"{kind} ({schema['format']})" if "format" in schema else kind


def models(names: Iterable[str], schemas: Mapping[str, Any]) -> Iterator[str]:
    """A section for each of the named models, and for those that they refer to."""
    for name in sorted(_reachable(names, schemas)):
        schema = schemas[name]
        yield f"### {name}\n"
        yield prose(schema.get("description")) + "\n"
        yield fields_table(schema, schemas) or f"Type: {describe_type(schema, schemas)}\n"


def _reachable(names: Iterable[str], schemas: Mapping[str, Any]) -> set[str]:
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in schemas and name not in found:
            found.add(name)
            waiting += re.findall(r"#/components/schemas/(\w+)", json.dumps(schemas[name]))
    return found
