"""Modals: the outcome of a conversation, its transfer, and the text of a draft. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from connectors.desk.rules import TenantDeskRules
from connectors.slack.desk.block_kit import PREFIX
from connectors.slack.inbound.requests import Json
from schemas.conversation import Conversation
from schemas.desk import DeskCommand

MAX_OPTION_LENGTH = 75
MAX_OPTIONS = 100
MAX_INPUT = 3_000
"""Characters that a Slack input accepts."""
RATING_OPTION = "ask"


def build_modal(
    conversation: Conversation, command: DeskCommand, rules: TenantDeskRules, draft: str = ""
) -> Json | None:
    """Build the modal for the missing input of a command; None if nothing is missing. ``draft``: the current text of
    the draft."""
    if command.kind == "resolve":
        return build_resolve_modal(conversation, command, rules)
    if command.kind == "transfer":
        return build_transfer_modal(conversation, command, rules)
    return build_draft_modal(conversation, command, draft) if draft else None


def build_resolve_modal(conversation: Conversation, command: DeskCommand, rules: TenantDeskRules) -> Json:
    """Build the modal for the outcome, tags, a note, and whether to ask the customer for a rating."""
    blocks: list[Json] = []
    if rules.outcomes:
        blocks.append(_input("outcome", "Outcome", _select("static_select", "outcome", rules.outcomes)))
    if rules.tags:
        blocks.append(_input("tags", "Tags", _select("multi_static_select", "tags", rules.tags), optional=True))
    note = {"type": "plain_text_input", "action_id": "note", "multiline": True, "max_length": MAX_INPUT}
    blocks.append(_input("note", "Note for colleagues", note, optional=True))
    if rules.rating:
        option = _option("Ask the customer how it went", RATING_OPTION)
        box = {"type": "checkboxes", "action_id": "ask", "options": [option], "initial_options": [option]}
        blocks.append(_input("ask", "Rating", box, optional=True))
    return _view("resolve", "Resolve", "Resolve", blocks, conversation, command)


def build_transfer_modal(conversation: Conversation, command: DeskCommand, rules: TenantDeskRules) -> Json:
    """Build the modal for another channel of the desk, or a colleague."""
    channel_names = {channel: name for name, channel in reversed(list(rules.channels.items()))} | {
        rules.channel: "general"
    }
    blocks: list[Json] = []
    if len(channel_names) > 1:
        options = [_option(name, channel) for channel, name in channel_names.items()]
        select = {"type": "static_select", "action_id": "channel", "options": options[:MAX_OPTIONS]}
        blocks.append(_input("channel", "To a channel", select, optional=True))
    person = {"type": "users_select", "action_id": "person"}
    blocks.append(_input("person", "To a colleague", person, optional=True))
    return _view("transfer", "Transfer", "Transfer", blocks, conversation, command)


def build_draft_modal(conversation: Conversation, command: DeskCommand, text: str) -> Json:
    """Build the modal to edit and send a draft."""
    element = {"type": "plain_text_input", "action_id": "text", "multiline": True, "initial_value": text}
    return _view(
        "send_draft", "Edit draft", "Send", [_input("text", "To the customer", element)], conversation, command
    )


def _view(
    act: str, title: str, submit: str, blocks: list[Json], conversation: Conversation, command: DeskCommand
) -> Json:
    metadata = {
        "tenant": conversation.origin.tenant,
        "conversation": conversation.id,
        "place": command.place,
        "external_id": command.external_id,
        "value": command.value if act == "send_draft" else "",
    }
    return {
        "type": "modal",
        "callback_id": f"{PREFIX}{act}",
        "private_metadata": orjson.dumps(metadata).decode(),
        "title": _plain_text(title),
        "submit": _plain_text(submit),
        "close": _plain_text("Cancel"),
        "blocks": blocks,
    }


def _input(block: str, label: str, element: Mapping[str, Any], *, optional: bool = False) -> Json:
    made: Json = {"type": "input", "block_id": block, "label": _plain_text(label), "element": dict(element)}
    return {**made, "optional": True} if optional else made


def _select(kind: str, action: str, names: Sequence[str]) -> Json:
    return {"type": kind, "action_id": action, "options": [_option(name, name) for name in names[:MAX_OPTIONS]]}


def _option(name: str, value: str) -> Json:
    return {"text": _plain_text(name[:MAX_OPTION_LENGTH]), "value": value}


def _plain_text(text: str) -> Json:
    return {"type": "plain_text", "text": text}
