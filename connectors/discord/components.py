"""Choices as Discord's buttons, or as a menu, and back.

A component carries what was chosen of which message, sealed with a key made of the bot's token: what was not made here,
for this place, is not believed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator, Sequence
from typing import Any

from connectors.markup import labels, utf16
from schemas.messages import Choice, OutboundMessage
from schemas.ports import Account

ROW, BUTTON, MENU = 1, 2, 3
BUTTONS, OPTIONS = 5, 25
BUTTON_LABEL, OPTION_LABEL = 80, 100
MAX_MARK = 100
GREY = 2
SEAL_BYTES = 9


def rows(message: OutboundMessage, account: Account) -> list[dict[str, Any]]:
    """The choices of a message, or nothing where they have to be shown as text."""
    choices = message.choices
    marks = [_mark(message.id, each.id, account, message.place) for each in choices]
    told_apart = len(set(marks)) == len(marks) <= OPTIONS and "." not in message.id
    if not choices or not told_apart or not all(each.id for each in choices):
        return []
    if any(utf16(mark) > MAX_MARK for mark in marks):
        return []
    if len(choices) <= BUTTONS:
        inside = [*_buttons(choices, marks)]
    else:
        menu = _mark(message.id, "", account, message.place)
        inside = [{"type": MENU, "custom_id": menu, "options": _options(choices, marks)}]
    return [{"type": ROW, "components": inside}]


def opened(mark: str, account: Account, place: str) -> tuple[str, str] | None:
    """``(message id, choice id)``, or None when the seal is not ours."""
    _, _, rest = mark.partition(".")
    message, _, choice = rest.partition(".")
    real = _mark(message, choice, account, place)
    return (message, choice) if choice and hmac.compare_digest(real.encode(), mark.encode()) else None


def label_of(mark: str, components: Any) -> str:
    """What stood on the component that bears this mark; "" when it is not there."""
    for each in _walk(components):
        if mark in (each.get("custom_id"), each.get("value")) and isinstance(each.get("label"), str):
            return str(each["label"])
    return ""


def marks_of(components: Any) -> set[str]:
    """The custom ids in a message."""
    return {str(each["custom_id"]) for each in _walk(components) if each.get("custom_id")}


def _buttons(choices: Sequence[Choice], marks: Sequence[str]) -> Iterator[dict[str, Any]]:
    for label, mark in zip(labels(choices, BUTTON_LABEL, utf16), marks, strict=True):
        yield {"type": BUTTON, "style": GREY, "label": label, "custom_id": mark}


def _options(choices: Sequence[Choice], marks: Sequence[str]) -> list[dict[str, Any]]:
    shown = labels(choices, OPTION_LABEL, utf16)
    return [{"label": label, "value": mark} for label, mark in zip(shown, marks, strict=True)]


def _mark(message: str, choice: str, account: Account, place: str) -> str:
    key = hashlib.sha256(b"parley choices " + account.settings.token.get_secret_value().encode()).digest()
    seal = hmac.new(key, "\0".join((place, message, choice)).encode(), hashlib.sha256).digest()[:SEAL_BYTES]
    return f"{base64.urlsafe_b64encode(seal).decode()}.{message}.{choice}"


def _walk(components: Any, depth: int = 4) -> Iterator[dict[str, Any]]:
    for each in components if isinstance(components, list) else []:
        if isinstance(each, dict):
            yield each
            if depth:
                yield from _walk(each.get("components"), depth - 1)
                yield from _walk(each.get("options"), depth - 1)
