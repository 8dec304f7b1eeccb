"""Buttons and menus: what Discord accepts of them, and which labels a person can pick.

Source: the page "Component Reference" of Discord's documentation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.simulators.discord.refusals import Form

ROW, BUTTON, SELECT, SECTION, TEXT, CONTAINER = 1, 2, 3, 9, 10, 17
AUTO_SELECTS = (5, 6, 7, 8)
TOP_V2 = (ROW, SECTION, TEXT, 12, 13, 14, CONTAINER)
IS_V2 = 1 << 15
LINK, PREMIUM = 5, 6

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """Something to pick: a button, or one option of a menu."""

    label: str
    custom_id: str
    component_type: int
    value: str | None = None


def check(form: Form, components: list[Any], *, v2: bool) -> None:
    if v2:
        everything = list(walk(components))
        if len(everything) > 40:
            form.wrong(("components",), "BASE_TYPE_MAX_LENGTH", "The total number of components must not exceed 40.")
        if sum(len(each.get("content") or "") for each in everything) > 4000:
            form.wrong(("components",), "COMPONENT_MAX_TEXT_SIZE_EXCEEDED", "Text is longer than 4000 characters.")
    elif len(components) > 5:
        form.between(("components",), components, 1, 5)
    for index, component in enumerate(components):
        path: Path = ("components", index)
        if not isinstance(component, dict):
            form.wrong(path, "DICT_TYPE_CONVERT", "Only dictionaries may be used in a DictType")
        else:
            _check_top(form, path, component, v2)
    _check_ids(form, components)


def _check_top(form: Form, path: Path, component: dict[str, Any], v2: bool) -> None:
    kind = component.get("type")
    form.choice((*path, "type"), kind, TOP_V2 if v2 else (ROW,))
    if kind == ROW:
        _check_row(form, path, component.get("components") or [])
    elif kind == TEXT:
        form.text((*path, "content"), component.get("content"), 4000, least=1)
    elif kind in (CONTAINER, SECTION):
        inner = component.get("components") or []
        form.between((*path, "components"), inner, 1, 3 if kind == SECTION else 40)
        for index, each in enumerate(inner):
            _check_top(form, (*path, "components", index), each, v2=True)
        if kind == SECTION and "accessory" not in component:
            form.required((*path, "accessory"))


def _check_row(form: Form, path: Path, row: list[dict[str, Any]]) -> None:
    menus = [each for each in row if each.get("type") != BUTTON]
    form.between((*path, "components"), row, 1, 5)
    if menus and len(row) > 1:
        form.wrong(path, "COMPONENT_LAYOUT_WIDTH_EXCEEDED", "The specified component exceeds the maximum width")
    for index, each in enumerate(row):
        here = (*path, "components", index)
        form.choice((*here, "type"), each.get("type"), (BUTTON, SELECT, *AUTO_SELECTS))
        if each.get("type") == BUTTON:
            _check_button(form, here, each)
        else:
            _check_menu(form, here, each)


def _check_button(form: Form, path: Path, button: dict[str, Any]) -> None:
    style = button.get("style")
    form.choice((*path, "style"), style, (1, 2, 3, 4, LINK, PREMIUM))
    form.text((*path, "label"), button.get("label"), 80)
    if style == LINK:
        form.text((*path, "url"), button.get("url"), 512, least=1)
        if "custom_id" in button:
            form.wrong(
                path,
                "BUTTON_COMPONENT_CUSTOM_ID_URL_MUTUALLY_EXCLUSIVE",
                "A custom id and url cannot both be specified",
            )
    elif style != PREMIUM:
        form.text((*path, "custom_id"), button.get("custom_id"), 100, least=1)
    if not button.get("label") and not button.get("emoji") and style != PREMIUM:
        form.wrong(path, "BUTTON_COMPONENT_INVALID_EMOJI_AND_LABEL", "A button must have a label or an emoji")


def _check_menu(form: Form, path: Path, menu: dict[str, Any]) -> None:
    form.text((*path, "custom_id"), menu.get("custom_id"), 100, least=1)
    form.text((*path, "placeholder"), menu.get("placeholder"), 150)
    least, most = menu.get("min_values", 1), menu.get("max_values", 1)
    if not 0 <= least <= 25 or not 1 <= most <= 25 or least > most:
        form.wrong((*path, "min_values"), "NUMBER_TYPE_MAX", "int value should be between 0 and 25 inclusive.")
    if menu.get("type") != SELECT:
        return
    options = menu.get("options") or []
    form.between((*path, "options"), options, 1, 25)
    for index, option in enumerate(options):
        here = (*path, "options", index)
        form.text((*here, "label"), option.get("label"), 100, least=1)
        form.text((*here, "value"), option.get("value"), 100, least=1)
        form.text((*here, "description"), option.get("description"), 100)
    if len({option.get("value") for option in options}) < len(options):
        form.wrong(
            (*path, "options"), "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED", "The specified option value is already used"
        )


def _check_ids(form: Form, components: list[Any]) -> None:
    seen: set[str] = set()
    for each in walk(components):
        mark = each.get("custom_id")
        if mark in seen:
            form.wrong(("components",), "COMPONENT_CUSTOM_ID_DUPLICATED", "Component custom id cannot be duplicated")
        if mark:
            seen.add(mark)


def walk(components: list[Any]) -> Iterator[dict[str, Any]]:
    """Every component, outer ones before inner ones."""
    for each in components:
        if isinstance(each, dict):
            yield each
            yield from walk(each.get("components") or [])
            if isinstance(each.get("accessory"), dict):
                yield each["accessory"]


def choices(components: list[Any]) -> list[Choice]:
    """What a person can pick, in the order on the screen: no links, nothing that is disabled."""
    found: list[Choice] = []
    for each in walk(components):
        if each.get("disabled"):
            continue
        if each["type"] == BUTTON and each.get("style") not in (LINK, PREMIUM):
            label = each.get("label") or (each.get("emoji") or {}).get("name") or ""
            found.append(Choice(label, each["custom_id"], BUTTON))
        elif each["type"] == SELECT:
            found += [Choice(one["label"], each["custom_id"], SELECT, one["value"]) for one in each["options"]]
    return found


def texts(components: list[Any]) -> str:
    """What the text displays among them say."""
    return "\n".join(each["content"] for each in walk(components) if each["type"] == TEXT)
