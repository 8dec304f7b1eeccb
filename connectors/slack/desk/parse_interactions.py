"""Buttons that people press, shortcuts on messages, and the modals that those open, as events. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import Field, ValidationError

from connectors.desk.port import FORM_TRIGGER
from connectors.desk.thread_ids import channel_of, message_id, thread_id
from connectors.markup import clean_text
from connectors.slack.desk.block_kit import PREFIX
from connectors.slack.desk.parse_messages import person_id
from connectors.slack.interactions import Action, Container, UserReference
from connectors.slack.places import Id, SlackModel, Timestamp, parse_timestamp
from connectors.slack.requests import Json
from schemas import topics
from schemas.desk import DeskCommandKind
from schemas.ports import Account, Event

ACTS = frozenset(get_args(DeskCommandKind)) - {"reply", "edit", "delete"}
FORMS = {"edit_draft": "send_draft"}
"""Buttons that are no act themselves: what they open becomes one."""
SHORTCUTS = {"parley_claim": "claim", "parley_resolve": "resolve", "parley_return": "return", "parley_note": "note"}
MOST_VALUE = 2_000


class BlockActions(SlackModel):
    user: UserReference
    container: Container
    trigger_id: str = Field(default="", max_length=256)
    actions: list[Any]


class Shortcut(SlackModel):
    user: UserReference
    callback_id: str
    channel: UserReference
    message: Json
    action_ts: Timestamp
    trigger_id: str = Field(default="", max_length=256)


class Message(SlackModel):
    ts: Timestamp
    thread_ts: Timestamp | None = None


class View(SlackModel):
    id: Id
    callback_id: str = ""
    private_metadata: str = ""
    state: Json = {}


class ViewSubmission(SlackModel):
    user: UserReference
    view: View


class FormMetadata(SlackModel):
    """The metadata of a form of ours: where it was opened, and for what."""

    tenant: str
    conversation: str
    place: str
    external_id: str
    value: str = ""


def from_interactive(payload: Json, account: Account) -> Iterator[Event]:
    """Raises ValidationError."""
    kind = payload.get("type")
    if kind == "block_actions":
        pressed = BlockActions.model_validate(payload)
        for told in pressed.actions:
            yield from _parse_press(Action.model_validate(told), pressed)
    elif kind == "message_action":
        yield from _parse_shortcut(Shortcut.model_validate(payload))
    elif kind == "view_submission":
        yield from _parse_submission(ViewSubmission.model_validate(payload), account)


def place_of_form(payload: Json) -> str:
    """Return where the form was opened that a payload is about; empty for all else."""
    about = _read_metadata(payload.get("view"))
    return about.place if about else ""


def _parse_press(action: Action, pressed: BlockActions) -> Iterator[Event]:
    container = pressed.container
    name = action.action_id.removeprefix(PREFIX).partition(":")[0]
    act = FORMS.get(name, name)
    value = action.selected_option.value if action.selected_option else action.value or ""
    if not action.action_id.startswith(PREFIX) or act not in ACTS or len(value) > MOST_VALUE:
        return
    channel, stamp = container.channel_id, container.message_ts
    if not channel or not stamp:
        return
    value, root = _undo(value, container.thread_ts or stamp) if act == "undo" else (value, container.thread_ts)
    payload = {
        "kind": act,
        "by": person_id(pressed.user.id),
        "value": clean_text(value),
        "fields": {FORM_TRIGGER: [pressed.trigger_id]} if pressed.trigger_id else {},
        "at": parse_timestamp(action.action_ts),
    }
    if name in FORMS:
        payload["fields"] = {**payload["fields"], "form": ["yes"]}  # type: ignore[dict-item]
    revision = f"{name}:{pressed.user.id}:{action.action_ts}"
    yield Event(topics.DESK_ACTED, thread_id(channel, root or stamp), message_id(channel, stamp), payload, (), revision)


def _undo(value: str, thread: str) -> tuple[str, str]:
    """The reply that an Undo is about, and the thread; see ``block_kit.undo_blocks``."""
    reply, _, root = value.partition(" ")
    return reply, root or thread


def _parse_shortcut(told: Shortcut) -> Iterator[Event]:
    act = SHORTCUTS.get(told.callback_id)
    if act is None:
        return
    message = Message.model_validate(told.message)
    channel, root = told.channel.id, message.thread_ts or message.ts
    payload = {
        "kind": act,
        "by": person_id(told.user.id),
        "fields": {FORM_TRIGGER: [told.trigger_id]} if told.trigger_id else {},
        "at": parse_timestamp(told.action_ts),
    }
    revision = f"{act}:{told.user.id}:{told.action_ts}"
    yield Event(topics.DESK_ACTED, thread_id(channel, root), message_id(channel, message.ts), payload, (), revision)


def _parse_submission(told: ViewSubmission, account: Account) -> Iterator[Event]:
    """Slack does not say when a form was sent: it counts from when it comes."""
    view, about = told.view, _read_metadata(told.view.model_dump())
    act = view.callback_id.removeprefix(PREFIX)
    if about is None or act not in ACTS or about.tenant != account.tenant:
        return
    if channel_of(about.place) not in account.desk:
        return
    fields = {"conversation": [about.conversation], **dict(_fields(view.state))}
    payload = {"kind": act, "by": person_id(told.user.id), "value": about.value, "fields": fields}
    yield Event(topics.DESK_ACTED, about.place, about.external_id, payload, (), f"{act}:{told.user.id}:{view.id}")


def _read_metadata(view: Any) -> FormMetadata | None:
    if not isinstance(view, dict) or not str(view.get("callback_id")).startswith(PREFIX):
        return None
    try:
        return FormMetadata.model_validate(json.loads(str(view.get("private_metadata"))))
    except (ValueError, ValidationError):
        return None


def _fields(state: Json) -> Iterator[tuple[str, list[str]]]:
    """By the ids of a form's elements; what was left empty has no value."""
    blocks = state.get("values")
    for elements in blocks.values() if isinstance(blocks, dict) else ():
        for name, element in elements.items() if isinstance(elements, dict) else ():
            if isinstance(element, dict):
                yield str(name), [clean_text(value) for value in _values(element)]


def _values(element: Json) -> Iterator[str]:
    several = element.get("selected_options")
    for option in (element.get("selected_option"), *(several if isinstance(several, list) else ())):
        if isinstance(option, dict) and isinstance(option.get("value"), str):
            yield option["value"]
    for name in ("value", "selected_conversation", "selected_user"):
        if isinstance(element.get(name), str) and element[name]:
            yield element[name]
