"""Parsing of buttons, menus, and the command."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import structlog
from pydantic import Field, ValidationError

from connectors.markup import clean_text
from connectors.slack.inbound.requests import Json
from connectors.slack.places import (
    Id,
    MessagePlace,
    SlackModel,
    Timestamp,
    build_command_place,
    build_place,
    parse_timestamp,
)
from schemas import topics
from schemas.messages import ChoiceSelection
from schemas.ports import Account, ChannelEvent

log = structlog.get_logger("parley.slack")

IGNORED = frozenset({"view_submission", "view_closed", "shortcut", "message_action", "block_suggestion"})
"""Interactions that Parley does not use."""
MAX_ID = 150
"""Characters in the value of a menu's option."""
_ACTION_ID = re.compile(r"parley:([\w.-]{1,64})(?::\d{1,3})?", re.ASCII)


def build_action_id(message: str, number: int | None = None) -> str:
    """Build the id by which an interaction names our message."""
    return f"parley:{message}" if number is None else f"parley:{message}:{number}"


class UserReference(SlackModel):
    id: Id
    team_id: Id | None = None


class Team(SlackModel):
    id: Id


class Container(SlackModel):
    type: str = ""
    channel_id: Id | None = None
    message_ts: Timestamp | None = None
    thread_ts: Timestamp | None = None


class BlockActions(SlackModel):
    """``block_actions``. ``team`` is null where the app belongs to a whole organization."""

    user: UserReference
    team: Team | None = None
    container: Container
    message: dict[str, Any] | None = None
    actions: list[Any]


class TextObject(SlackModel):
    text: str = ""


class Option(SlackModel):
    text: TextObject = TextObject()
    value: str


class Action(SlackModel):
    """A button has a value, a menu a selected option."""

    action_id: str
    action_ts: Timestamp
    text: TextObject = TextObject()
    value: str | None = None
    selected_option: Option | None = None

    @property
    def selection(self) -> tuple[str, str] | None:
        """Id and label."""
        selected = self.selected_option or self
        return (selected.value, selected.text.text) if selected.value and len(selected.value) <= MAX_ID else None


class Command(SlackModel):
    team_id: Id
    user_id: Id
    text: str
    trigger_id: str = Field(pattern=r"^[A-Za-z0-9._-]{1,256}$")


def parse_interactive(payload: Json, account: Account) -> Iterator[ChannelEvent]:
    kind = str(payload.get("type"))
    if kind != "block_actions":
        if kind not in IGNORED:
            _log("kind_unknown", account, kind=kind[:64])
        return
    try:
        interaction = BlockActions.model_validate(payload)
    except ValidationError:
        return _log("event_malformed", account, kind=kind)
    place = _locate(interaction)
    for action in interaction.actions if place else ():
        yield from _parse_action(action, place, account)  # type: ignore[arg-type]


def _locate(interaction: BlockActions) -> MessagePlace | None:
    """Return the place; None for interactions outside a message."""
    container = interaction.container
    team = interaction.team.id if interaction.team else interaction.user.team_id
    if not (team and container.channel_id and container.message_ts):
        return None
    return build_place(team, container.channel_id, interaction.user.id, container.message_ts, container.thread_ts)


def _parse_action(raw: Any, place: MessagePlace, account: Account) -> Iterator[ChannelEvent]:
    try:
        action = Action.model_validate(raw)
    except ValidationError:
        return _log("event_malformed", account, kind="action")
    action_id, selection = _ACTION_ID.fullmatch(action.action_id), action.selection
    if action_id is None or selection is None:
        return _log("choice_unknown", account)
    payload = {
        "text": clean_text(selection[1]),
        "choice": ChoiceSelection(in_reply_to=action_id.group(1), id=selection[0]),
        "sent_at": parse_timestamp(action.action_ts),
    }
    yield ChannelEvent(
        topics.MESSAGE_RECEIVED, place.place, place.external_id(action.action_ts), payload, place.addresses
    )


def parse_command(payload: Json, account: Account) -> Iterator[ChannelEvent]:
    try:
        command = Command.model_validate(payload)
    except ValidationError:
        return _log("event_malformed", account, kind="command")
    if command.text.strip():
        place = build_command_place(command.team_id, command.user_id)
        text = clean_text(command.text)
        yield ChannelEvent(
            topics.MESSAGE_RECEIVED,
            place.place,
            command.trigger_id,
            {"text": text},
            place.addresses,
            party=command.team_id,
        )


def _log(event: str, account: Account, **about: str) -> None:
    log.info(event, tenant=account.tenant, channel="slack", account=account.name, **about)
