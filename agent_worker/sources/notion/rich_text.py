"""Rich text and properties of Notion as markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from agent_worker.sources.notion.objects import PropertyValue, RichText, web_link

_SPECIAL = re.compile(r"[\\`*_]|(?<=\])\(")
_LINE_START = re.compile(r"^([ \t]*)(#{1,6}(?=\s)|[>|]|[-+](?=\s)|```|~~~|={3}|-{3})", re.MULTILINE)
_NUMBER_START = re.compile(r"^([ \t]*\d{1,3})([.)])(?=\s)", re.MULTILINE)
_BACKTICKS = re.compile(r"`+")
_MAX_NESTING = 4
"""Rollups of rollups; Notion itself allows two."""


def plain_text(texts: Sequence[RichText]) -> str:
    """The text alone, on one line."""
    return " ".join("".join(each.plain_text for each in texts).split())


def markdown(texts: Sequence[RichText]) -> str:
    """Runs with the same look are put together, so that no marks stand between them. May have several lines."""
    return "".join(_mark(list(run)) for _, run in groupby(texts, _look)).strip()


def escape_line_starts(text: str) -> str:
    """Characters that would begin a heading, a list, a quote, a table or code at the beginning of a line."""
    return _NUMBER_START.sub(r"\1\\\2", _LINE_START.sub(r"\1\\\2", text))


def inline(texts: Sequence[RichText]) -> str:
    """On one line."""
    return " ".join(markdown(texts).split())


def fence_code(code: str, language: str) -> str:
    """A block of code, in a fence that is longer than any in it."""
    fence = "`" * max(3, 1 + max((len(run) for run in _BACKTICKS.findall(code)), default=0))
    return f"{fence}{language}\n{code}\n{fence}"


def link(text: str, address: str) -> str:
    return f"[{text}]({address})" if address else text


def _escape(text: str) -> str:
    return _SPECIAL.sub(r"\\\g<0>", text)


def _look(text: RichText) -> tuple[object, ...]:
    return (text.annotations, text.href, text.equation is not None)


def _mark(run: Sequence[RichText]) -> str:
    first = run[0]
    if first.equation is not None:
        return "".join(f"${each.equation.expression}$" for each in run if each.equation is not None)
    text = "".join(each.plain_text for each in run)
    core = text.strip()
    if not core:
        return text
    before, after = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
    marked = _code_span(core) if first.annotations.code else _escape(core)
    for applies, mark in (
        (first.annotations.strikethrough, "~~"),
        (first.annotations.italic, "*"),
        (first.annotations.bold, "**"),
    ):
        # Marks do not reach across lines.
        if applies:
            marked = "\n".join(f"{mark}{line.strip()}{mark}" if line.strip() else line for line in marked.split("\n"))
    return f"{before}{link(marked, web_link(first.href))}{after}"


def _code_span(text: str) -> str:
    fence = "`" * (1 + max((len(run) for run in _BACKTICKS.findall(text)), default=0))
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{' '.join(text.split())}{pad}{fence}"


# ── properties ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Property:
    """A property of a row as text, or the pages that it names."""

    name: str
    text: str = ""
    related: tuple[str, ...] = ()


def title_of(properties: Mapping[str, PropertyValue]) -> str:
    return next((plain_text(each.title) for each in properties.values() if each.type == "title"), "")


def readable_properties(properties: Mapping[str, PropertyValue], hidden: Sequence[str]) -> list[Property]:
    """Properties with a value, in the order of their names. Those that say who did something, and when, are not
    read."""
    found = []
    for name in sorted(properties):
        value = properties[name]
        if value.type == "title" or name in hidden:
            continue
        related = tuple(each.id for each in value.relation) if value.type == "relation" else ()
        text = _text(value)
        if text or related:
            found.append(Property(" ".join(name.split()), text, related))
    return found


def property_list(properties: Sequence[Property], titles: Mapping[str, str]) -> str:
    """``titles``: page → title. Related pages without one are not shared with the connection."""
    return "\n".join(_lines(properties, titles))


def _lines(properties: Sequence[Property], titles: Mapping[str, str]) -> Iterator[str]:
    for each in properties:
        named = [_escape(titles[id]) for id in each.related if titles.get(id)]
        text = each.text or ", ".join(named)
        if text:
            yield f"- **{_escape(each.name)}:** {text}"


def _text(value: PropertyValue, depth: int = 0) -> str:
    if depth > _MAX_NESTING:
        return ""
    match value.type:
        case "rich_text":
            return inline(value.rich_text)
        case "number":
            return "" if value.number is None else f"{value.number:.15g}"
        case "checkbox":
            return "Yes" if value.checkbox else "No"
        case "boolean":
            return "" if value.boolean is None else "Yes" if value.boolean else "No"
        case "multi_select":
            return ", ".join(_escape(each.name) for each in value.multi_select)
        case "date":
            return _date(value)
        case "formula" | "rollup":
            inner = value.formula or value.rollup
            return "" if inner is None else _text(inner, depth + 1)
        case "array":
            return ", ".join(filter(None, (_text(each, depth + 1) for each in value.array)))
        case _:
            return _simple_text(value)


def _simple_text(value: PropertyValue) -> str:
    chosen = {"select": value.select, "status": value.status}.get(value.type)
    if chosen is not None:
        return _escape(chosen.name)
    if value.type == "title":  # in a rollup
        return inline(value.title)
    if value.type == "url":
        address = web_link(value.url)
        return link(address, address)
    if value.type == "unique_id" and value.unique_id is not None and value.unique_id.number is not None:
        return "-".join(filter(None, (value.unique_id.prefix, str(value.unique_id.number))))
    texts = {"string": value.string, "email": value.email, "phone_number": value.phone_number}
    return _escape(" ".join((texts.get(value.type) or "").split()))


def _date(value: PropertyValue) -> str:
    if value.date is None:
        return ""
    return " – ".join(filter(None, (value.date.start, value.date.end)))
