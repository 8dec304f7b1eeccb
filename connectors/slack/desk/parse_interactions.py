"""Parsing of interactions as events: buttons, shortcuts on messages, and submitted modals. Pure."""

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
from connectors.slack.inbound.interactions import Action, Container, UserReference
from connectors.slack.inbound.requests import Json
from connectors.slack.places import Id, SlackModel, Timestamp, parse_timestamp
from schemas import topics
from schemas.desk import DeskCommandKind
from schemas.ports import Account, ChannelEvent

ACTS = frozenset(get_args(DeskCommandKind)) - {"reply", "edit", "delete"}
FORM_BUTTONS = {"edit_draft": "send_draft"}
"""Buttons that only open a form, and the command that its submission gives."""
SHORTCUTS = {"parley_claim": "claim", "parley_resolve": "resolve", "parley_return": "return", "parley_note": "note"}
MAX_VALUE = 2_000


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
    """The metadata of our forms: the thread and the object for which a form was opened."""

    tenant: str
    conversation: str
    place: str
    external_id: str
    value: str = ""


def parse_interaction(payload: Json, account: Account) -> Iterator[ChannelEvent]:
    """Raises ValidationError."""
    kind = payload.get("type")
    if kind == "block_actions":
        pressed = BlockActions.model_validate(payload)
        for action in pressed.actions:
            yield from _parse_press(Action.model_validate(action), pressed)
    elif kind == "message_action":
        yield from _parse_shortcut(Shortcut.model_validate(payload))
    elif kind == "view_submission":
        yield from _parse_submission(ViewSubmission.model_validate(payload), account)


def place_of_form(payload: Json) -> str:
    """Return the thread in which a form was opened; empty for other payloads."""
    metadata = _read_metadata(payload.get("view"))
    return metadata.place if metadata else ""


def _parse_press(action: Action, pressed: BlockActions) -> Iterator[ChannelEvent]:
    container = pressed.container
    name = action.action_id.removeprefix(PREFIX).partition(":")[0]
    kind = FORM_BUTTONS.get(name, name)
    value = action.selected_option.value if action.selected_option else action.value or ""
    if not action.action_id.startswith(PREFIX) or kind not in ACTS or len(value) > MAX_VALUE:
        return
    channel, stamp = container.channel_id, container.message_ts
    if not channel or not stamp:
        return
    value, root = _split_undo(value, container.thread_ts or stamp) if kind == "undo" else (value, container.thread_ts)
    payload = {
        "kind": kind,
        "by": person_id(pressed.user.id),
        "value": clean_text(value),
        "fields": {FORM_TRIGGER: [pressed.trigger_id]} if pressed.trigger_id else {},
        "at": parse_timestamp(action.action_ts),
    }
    if name in FORM_BUTTONS:
        payload["fields"] = {**payload["fields"], "form": ["yes"]}  # type: ignore[dict-item]
    revision = f"{name}:{pressed.user.id}:{action.action_ts}"
    yield ChannelEvent(
        topics.DESK_COMMAND, thread_id(channel, root or stamp), message_id(channel, stamp), payload, (), revision
    )


def _split_undo(value: str, thread: str) -> tuple[str, str]:
    """Split the value of an Undo button into the reply and the thread; see ``block_kit.undo_blocks``."""
    reply, _, root = value.partition(" ")
    return reply, root or thread


def _parse_shortcut(shortcut: Shortcut) -> Iterator[ChannelEvent]:
    kind = SHORTCUTS.get(shortcut.callback_id)
    if kind is None:
        return
    message = Message.model_validate(shortcut.message)
    channel, root = shortcut.channel.id, message.thread_ts or message.ts
    payload = {
        "kind": kind,
        "by": person_id(shortcut.user.id),
        "fields": {FORM_TRIGGER: [shortcut.trigger_id]} if shortcut.trigger_id else {},
        "at": parse_timestamp(shortcut.action_ts),
    }
    revision = f"{kind}:{shortcut.user.id}:{shortcut.action_ts}"
    yield ChannelEvent(
        topics.DESK_COMMAND, thread_id(channel, root), message_id(channel, message.ts), payload, (), revision
    )


def _parse_submission(submission: ViewSubmission, account: Account) -> Iterator[ChannelEvent]:
    """Parse a submitted form. Slack sends no time with it, so the time of receipt counts."""
    view, metadata = submission.view, _read_metadata(submission.view.model_dump())
    kind = view.callback_id.removeprefix(PREFIX)
    if metadata is None or kind not in ACTS or metadata.tenant != account.tenant:
        return
    if channel_of(metadata.place) not in account.desk:
        return
    fields = {"conversation": [metadata.conversation], **dict(_iterate_fields(view.state))}
    payload = {"kind": kind, "by": person_id(submission.user.id), "value": metadata.value, "fields": fields}
    yield ChannelEvent(
        topics.DESK_COMMAND, metadata.place, metadata.external_id, payload, (), f"{kind}:{submission.user.id}:{view.id}"
    )


def _read_metadata(view: Any) -> FormMetadata | None:
    if not isinstance(view, dict) or not str(view.get("callback_id")).startswith(PREFIX):
        return None
    try:
        return FormMetadata.model_validate(json.loads(str(view.get("private_metadata"))))
    except (ValueError, ValidationError):
        return None


def _iterate_fields(state: Json) -> Iterator[tuple[str, list[str]]]:
    """Iterate over the values of a form by element id; empty elements have none."""
    blocks = state.get("values")
    for elements in blocks.values() if isinstance(blocks, dict) else ():
        for name, element in elements.items() if isinstance(elements, dict) else ():
            if isinstance(element, dict):
                yield str(name), [clean_text(value) for value in _iterate_values(element)]


def _iterate_values(element: Json) -> Iterator[str]:
    several = element.get("selected_options")
    for option in (element.get("selected_option"), *(several if isinstance(several, list) else ())):
        if isinstance(option, dict) and isinstance(option.get("value"), str):
            yield option["value"]
    for name in ("value", "selected_conversation", "selected_user"):
        if isinstance(element.get(name), str) and element[name]:
            yield element[name]
