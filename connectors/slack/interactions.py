"""What people press, and the questions they ask with a command."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import structlog
from pydantic import Field, ValidationError

from connectors.markup import printable
from connectors.slack.places import Id, Spot, Stamp, Vendor, at_command, moment, spot
from connectors.slack.requests import Json
from schemas import topics
from schemas.messages import Choosing
from schemas.ports import Account, Event

log = structlog.get_logger("parley.slack")

QUIET = frozenset({"view_submission", "view_closed", "shortcut", "message_action", "block_suggestion"})
"""Nothing of ours asks for these yet."""
MOST_ID = 150
"""Characters of the value of an option of a menu."""
_ACTION = re.compile(r"parley:([\w.-]{1,64})(?::\d{1,3})?", re.ASCII)


def action_id(message: str, number: int | None = None) -> str:
    """By this a press tells of which message of ours it is an answer."""
    return f"parley:{message}" if number is None else f"parley:{message}:{number}"


class Named(Vendor):
    id: Id
    team_id: Id | None = None


class Team(Vendor):
    id: Id


class Container(Vendor):
    type: str = ""
    channel_id: Id | None = None
    message_ts: Stamp | None = None
    thread_ts: Stamp | None = None


class Pressed(Vendor):
    """``block_actions``. ``team`` is null where the app belongs to a whole organization."""

    user: Named
    team: Team | None = None
    container: Container
    message: dict[str, Any] | None = None
    actions: list[Any]


class Words(Vendor):
    text: str = ""


class Option(Vendor):
    text: Words = Words()
    value: str


class Action(Vendor):
    """A button has a value, a menu an option that was selected."""

    action_id: str
    action_ts: Stamp
    text: Words = Words()
    value: str | None = None
    selected_option: Option | None = None

    @property
    def chosen(self) -> tuple[str, str] | None:
        """Id and label."""
        picked = self.selected_option or self
        return (picked.value, picked.text.text) if picked.value and len(picked.value) <= MOST_ID else None


class Command(Vendor):
    team_id: Id
    user_id: Id
    text: str
    trigger_id: str = Field(pattern=r"^[A-Za-z0-9._-]{1,256}$")


def from_interactive(payload: Json, account: Account) -> Iterator[Event]:
    kind = str(payload.get("type"))
    if kind != "block_actions":
        if kind not in QUIET:
            _report("kind_unknown", account, kind=kind[:64])
        return
    try:
        pressed = Pressed.model_validate(payload)
    except ValidationError:
        return _report("event_malformed", account, kind=kind)
    at = _where(pressed)
    for told in pressed.actions if at else ():
        yield from _chosen(told, at, account)  # type: ignore[arg-type]


def _where(pressed: Pressed) -> Spot | None:
    """None for what was pressed elsewhere than in a message."""
    container = pressed.container
    team = pressed.team.id if pressed.team else pressed.user.team_id
    if not (team and container.channel_id and container.message_ts):
        return None
    return spot(team, container.channel_id, pressed.user.id, container.message_ts, container.thread_ts)


def _chosen(told: Any, at: Spot, account: Account) -> Iterator[Event]:
    try:
        action = Action.model_validate(told)
    except ValidationError:
        return _report("event_malformed", account, kind="action")
    ours, chosen = _ACTION.fullmatch(action.action_id), action.chosen
    if ours is None or chosen is None:
        return _report("choice_unknown", account)
    payload = {
        "text": printable(chosen[1]),
        "choice": Choosing(in_reply_to=ours.group(1), id=chosen[0]),
        "sent_at": moment(action.action_ts),
    }
    yield Event(topics.MESSAGE_RECEIVED, at.place, at.external_id(action.action_ts), payload, at.addresses)


def from_command(payload: Json, account: Account) -> Iterator[Event]:
    try:
        command = Command.model_validate(payload)
    except ValidationError:
        return _report("event_malformed", account, kind="command")
    if command.text.strip():
        at = at_command(command.team_id, command.user_id)
        text = printable(command.text)
        yield Event(topics.MESSAGE_RECEIVED, at.place, command.trigger_id, {"text": text}, at.addresses)


def _report(event: str, account: Account, **about: str) -> None:
    log.info(event, tenant=account.tenant, channel="slack", account=account.name, **about)
