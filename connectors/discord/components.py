"""Choices as Discord's buttons or as a menu, and the choices that come back.

A component carries the ids of its message and choice, sealed with a key made from the bot's token, so that a choice
that was not offered at this place is rejected.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator, Sequence
from typing import Any

from connectors.markup import build_labels, count_utf16
from schemas.key_ring import is_any
from schemas.messages import Choice, OutboundMessage
from schemas.ports import Account

ROW, BUTTON, MENU = 1, 2, 3
BUTTONS, OPTIONS = 5, 25
BUTTON_LABEL, OPTION_LABEL = 80, 100
MAX_CUSTOM_ID = 100
GREY = 2
SEAL_BYTES = 9


def build_rows(message: OutboundMessage, account: Account) -> list[dict[str, Any]]:
    """Build the choices of a message; nothing where they have to be shown as text."""
    choices = message.choices
    token = account.settings.token.get_secret_value()
    custom_ids = [_build_custom_id(message.id, each.id, token, message.place) for each in choices]
    are_distinct = len(set(custom_ids)) == len(custom_ids) <= OPTIONS and "." not in message.id
    if not choices or not are_distinct or not all(each.id for each in choices):
        return []
    if any(count_utf16(custom_id) > MAX_CUSTOM_ID for custom_id in custom_ids):
        return []
    if len(choices) <= BUTTONS:
        components = [*_build_buttons(choices, custom_ids)]
    else:
        menu = _build_custom_id(message.id, "", token, message.place)
        components = [{"type": MENU, "custom_id": menu, "options": _build_options(choices, custom_ids)}]
    return [{"type": ROW, "components": components}]


def open_choice(custom_id: str, account: Account, place: str) -> tuple[str, str] | None:
    """Return ``(message id, choice id)``, None when the seal is not ours."""
    _, _, rest = custom_id.partition(".")
    message, _, choice = rest.partition(".")
    expected = [_build_custom_id(message, choice, key, place) for key in account.settings.token.keys]
    return (message, choice) if choice and is_any(custom_id, expected) else None


def find_label(custom_id: str, components: Any) -> str:
    """Return the label of the component with this id; "" when it is not there."""
    for each in _iterate_components(components):
        if custom_id in (each.get("custom_id"), each.get("value")) and isinstance(each.get("label"), str):
            return str(each["label"])
    return ""


def list_custom_ids(components: Any) -> set[str]:
    """Return the custom ids in a message."""
    return {str(each["custom_id"]) for each in _iterate_components(components) if each.get("custom_id")}


def _build_buttons(choices: Sequence[Choice], custom_ids: Sequence[str]) -> Iterator[dict[str, Any]]:
    for label, custom_id in zip(build_labels(choices, BUTTON_LABEL, count_utf16), custom_ids, strict=True):
        yield {"type": BUTTON, "style": GREY, "label": label, "custom_id": custom_id}


def _build_options(choices: Sequence[Choice], custom_ids: Sequence[str]) -> list[dict[str, Any]]:
    labels = build_labels(choices, OPTION_LABEL, count_utf16)
    return [{"label": label, "value": custom_id} for label, custom_id in zip(labels, custom_ids, strict=True)]


def _build_custom_id(message: str, choice: str, token: str, place: str) -> str:
    key = hashlib.sha256(b"parley choices " + token.encode()).digest()
    seal = hmac.new(key, "\0".join((place, message, choice)).encode(), hashlib.sha256).digest()[:SEAL_BYTES]
    return f"{base64.urlsafe_b64encode(seal).decode()}.{message}.{choice}"


def _iterate_components(components: Any, depth: int = 4) -> Iterator[dict[str, Any]]:
    for each in components if isinstance(components, list) else []:
        if isinstance(each, dict):
            yield each
            if depth:
                yield from _iterate_components(each.get("components"), depth - 1)
                yield from _iterate_components(each.get("options"), depth - 1)
