"""Modals that people fill in: what came of a conversation, where it goes, and what a draft should say. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from connectors.desk.rules import DeskRules
from connectors.slack.desk.block_kit import PREFIX
from connectors.slack.requests import Json
from schemas.conversation import Conversation
from schemas.desk import DeskCommand

MOST_OPTION = 75
MOST_OPTIONS = 100
MOST_DRAFT = 3_000
"""Characters that an input of Slack's takes."""
ASK = "ask"


def build_modal(found: Conversation, acted: DeskCommand, rules: DeskRules, draft: str = "") -> Json | None:
    """Return the modal that asks for what an act lacks, None where it lacks nothing. ``draft``: its text as it is."""
    if acted.kind == "resolve":
        return build_resolve(found, acted, rules)
    if acted.kind == "transfer":
        return build_transfer(found, acted, rules)
    return build_edit_draft(found, acted, draft) if draft else None


def build_resolve(found: Conversation, acted: DeskCommand, rules: DeskRules) -> Json:
    """Ask for the outcome, tags, a note, and whether the customer is asked how it went."""
    blocks: list[Json] = []
    if rules.outcomes:
        blocks.append(_input("outcome", "Outcome", _select("static_select", "outcome", rules.outcomes)))
    if rules.tags:
        blocks.append(_input("tags", "Tags", _select("multi_static_select", "tags", rules.tags), optional=True))
    note = {"type": "plain_text_input", "action_id": "note", "multiline": True, "max_length": MOST_DRAFT}
    blocks.append(_input("note", "Note for colleagues", note, optional=True))
    if rules.rating:
        option = _option("Ask the customer how it went", ASK)
        box = {"type": "checkboxes", "action_id": "ask", "options": [option], "initial_options": [option]}
        blocks.append(_input("ask", "Rating", box, optional=True))
    return _view("resolve", "Resolve", "Resolve", blocks, found, acted)


def build_transfer(found: Conversation, acted: DeskCommand, rules: DeskRules) -> Json:
    """Ask for another channel of the desk, or a colleague."""
    named = {channel: name for name, channel in reversed(list(rules.channels.items()))} | {rules.channel: "general"}
    blocks: list[Json] = []
    if len(named) > 1:
        options = [_option(name, channel) for channel, name in named.items()]
        picked = {"type": "static_select", "action_id": "channel", "options": options[:MOST_OPTIONS]}
        blocks.append(_input("channel", "To a channel", picked, optional=True))
    person = {"type": "users_select", "action_id": "person"}
    blocks.append(_input("person", "To a colleague", person, optional=True))
    return _view("transfer", "Transfer", "Transfer", blocks, found, acted)


def build_edit_draft(found: Conversation, acted: DeskCommand, text: str) -> Json:
    """Let the draft be changed and sent."""
    element = {"type": "plain_text_input", "action_id": "text", "multiline": True, "initial_value": text}
    return _view("send_draft", "Edit draft", "Send", [_input("text", "To the customer", element)], found, acted)


def _view(act: str, title: str, submit: str, blocks: list[Json], found: Conversation, acted: DeskCommand) -> Json:
    about = {
        "tenant": found.origin.tenant,
        "conversation": found.id,
        "place": acted.place,
        "external_id": acted.external_id,
        "value": acted.value if act == "send_draft" else "",
    }
    return {
        "type": "modal",
        "callback_id": f"{PREFIX}{act}",
        "private_metadata": orjson.dumps(about).decode(),
        "title": _plain_text(title),
        "submit": _plain_text(submit),
        "close": _plain_text("Cancel"),
        "blocks": blocks,
    }


def _input(block: str, label: str, element: Mapping[str, Any], *, optional: bool = False) -> Json:
    made: Json = {"type": "input", "block_id": block, "label": _plain_text(label), "element": dict(element)}
    return {**made, "optional": True} if optional else made


def _select(kind: str, action: str, names: Sequence[str]) -> Json:
    return {"type": kind, "action_id": action, "options": [_option(name, name) for name in names[:MOST_OPTIONS]]}


def _option(name: str, value: str) -> Json:
    return {"text": _plain_text(name[:MOST_OPTION]), "value": value}


def _plain_text(text: str) -> Json:
    return {"type": "plain_text", "text": text}
