"""The Content API, as far as a conversation needs it: text, quick replies, list pickers and media."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from tests.simulators.twilio.errors import TwilioError

IN_SESSION_BUTTONS = 3


@dataclass(frozen=True, slots=True)
class Content:
    """``needs_session``: it cannot start a conversation. ``approved``: it may be sent outside the window."""

    sid: str
    told: dict[str, Any]
    approved: bool = False

    @property
    def types(self) -> dict[str, Any]:
        types: dict[str, Any] = self.told["types"]
        return types


@dataclass(slots=True)
class ShownContent:
    """What a person sees of it."""

    body: str
    choices: dict[str, tuple[str, str]] = field(default_factory=dict)
    media: list[str] = field(default_factory=list)
    needs_session: bool = False


def without_nulls(value: Any) -> Any:
    """The SDK writes null for every field that it knows and was not given."""
    if isinstance(value, dict):
        return {name: without_nulls(each) for name, each in value.items() if each is not None}
    return [without_nulls(each) for each in value] if isinstance(value, list) else value


def check(body: Any) -> None:
    """Raises TwilioError."""
    if not isinstance(body, dict) or not isinstance(body.get("types"), dict) or not body["types"]:
        raise TwilioError(20001, message="types is required")
    if not isinstance(body.get("language"), str):
        raise TwilioError(20001, message="language is required")
    for kind, content in body["types"].items():
        if kind not in ("twilio/text", "twilio/media", "twilio/quick-reply", "twilio/list-picker"):
            raise TwilioError(20001, message=f"Unknown content type {kind}")
        if kind != "twilio/media" or "body" in content:
            _text(content, "body", 1600 if kind in ("twilio/text", "twilio/media") else 1024)
        if kind == "twilio/quick-reply":
            _check_actions(content.get("actions"))
        if kind == "twilio/list-picker":
            _text(content, "button", 20)
            _check_items(content.get("items"))
        if kind == "twilio/media" and not content.get("media"):
            raise TwilioError(20001, message="media is required")


def _check_actions(actions: Any) -> None:
    if not isinstance(actions, list) or not 1 <= len(actions) <= 10:
        raise TwilioError(20001, message="actions must have 1 to 10 quick replies")
    for action in actions:
        if action.get("type", "QUICK_REPLY") != "QUICK_REPLY":
            raise TwilioError(20001, message="an action of a quick reply is of type QUICK_REPLY")
        _text(action, "title", 20)
        _text(action, "id", 200)


def _check_items(items: Any) -> None:
    if not isinstance(items, list) or not 1 <= len(items) <= 10:
        raise TwilioError(20001, message="items must have 1 to 10 entries")
    for item in items:
        _text(item, "item", 24)
        _text(item, "id", 200)
        if "description" in item:
            _text(item, "description", 72)
    if len({item["id"] for item in items}) < len(items):
        raise TwilioError(20001, message="items must have different ids")


def fill_variables(content: Content, variables: str) -> ShownContent:
    """Raises TwilioError. The richest type that there is wins, as on WhatsApp."""
    values = {**content.told.get("variables", {}), **_variables(variables)}
    types = json.loads(re.sub(r"{{(\w+)}}", lambda found: _inside(values, found[1]), json.dumps(content.types)))
    if "twilio/list-picker" in types:
        picker = types["twilio/list-picker"]
        choices = {item["item"]: ("list", item["id"]) for item in picker["items"]}
        return ShownContent(picker["body"], choices, needs_session=True)
    if "twilio/quick-reply" in types:
        reply = types["twilio/quick-reply"]
        if len(reply["actions"]) > IN_SESSION_BUTTONS and not content.approved:
            raise TwilioError(63021)
        choices = {action["title"]: ("button", action["id"]) for action in reply["actions"]}
        return ShownContent(reply["body"], choices, needs_session=not content.approved)
    kind = "twilio/media" if "twilio/media" in types else "twilio/text"
    media = types[kind].get("media", [])
    urls = [media] if isinstance(media, str) else media
    return ShownContent(types[kind].get("body", ""), media=urls, needs_session=not content.approved)


def _inside(values: dict[str, str], name: str) -> str:
    """A value as it stands inside JSON text. An unknown name stays as it is written."""
    return json.dumps(values[name])[1:-1] if name in values else "{{" + name + "}}"


def _variables(text: str) -> dict[str, str]:
    try:
        found = json.loads(text or "{}")
    except ValueError:
        raise TwilioError(21656) from None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise TwilioError(21656)
    return found


def _text(content: Any, name: str, limit: int) -> None:
    value = content.get(name) if isinstance(content, dict) else None
    if not isinstance(value, str) or not 1 <= len(value) <= limit:
        raise TwilioError(20001, message=f"{name} must be a text of 1 to {limit} characters")
