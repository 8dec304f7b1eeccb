"""Interactions of people: buttons, menus, modals, shortcuts and commands."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from tests.simulators.slack import modals
from tests.simulators.slack.blocks import actions_in
from tests.simulators.slack.core import Slack
from tests.simulators.slack.event_delivery import Delivery, Undelivered, What
from tests.simulators.slack.modals import View
from tests.simulators.slack.responses import Reply, Responses
from tests.simulators.slack.views import app_fields
from tests.simulators.slack.workspace import Json, Person, Post, Room

PATIENCE = 3
"""How often somebody presses again what seems not to work."""


class Interactions:
    def __init__(self, slack: Slack, responses: Responses) -> None:
        self._slack = slack
        self._responses = responses
        self.patience = PATIENCE

    def _from(self, person: Person) -> Json:
        """What stands in every interaction."""
        workspace = self._slack.workspace
        handle = person.name.casefold().replace(" ", ".")
        return {
            "user": {"id": person.id, "username": handle, "name": handle, "team_id": person.team},
            "api_app_id": workspace.app_id,
            "token": self._slack.verification_token,
            "team": {"id": workspace.team, "domain": workspace.domain},
            "enterprise": None,
            "is_enterprise_install": False,
            "trigger_id": self._slack.views.trigger(person),
        }

    async def _send(self, payload: Json, *, about: str = "", line: str = "", what: What = "interactive") -> Delivery:
        """It is not retried: the person sees that it failed. Raises Undelivered."""
        delivery = self._slack.event_delivery.send(what, payload, about=about, line=line)
        await delivery.ended.wait()
        if delivery.state != "accepted":
            self._slack.event_delivery.lost.remove(delivery)
            raise Undelivered(delivery.outcomes[-1].reason)
        return delivery

    async def press(self, name: str, post: Post, label: str) -> str:
        """A button, or an option of a menu, in a message. Pressed again when nothing seems to happen, each time with
        a trigger and a time of its own; the time of the press that was heard is given back.

        Raises LookupError, PermissionError, and Undelivered."""
        person = self._slack.workspace.person(name)
        self._slack.workspace.enter(post.room, person)
        if post.to not in ("", person.id):
            raise PermissionError(f"{name} does not see {post.ts}")
        block, element, option = find(post.body.get("blocks") or [], label)
        if element.get("url") and not element.get("value"):
            raise ValueError(f"{label} is a link")
        for left in reversed(range(self.patience)):
            action = self._action(block, element, option)
            payload = {**self._of_message(person, post), "type": "block_actions", "actions": [action]}
            payload["state"] = {"values": {}}
            try:
                await self._send(payload, about=post.ts, line=post.room.id)
            except Undelivered:
                if not left:
                    raise
                await asyncio.sleep(self._slack.pace)
            else:
                return str(action["action_ts"])
        raise AssertionError("patience is positive")

    def _action(self, block: Json, element: Json, option: Json | None) -> Json:
        stamp = self._slack.ids.ts(self._slack.now())
        action: Json = {"type": element["type"], "action_id": element["action_id"], "block_id": block["block_id"]}
        if option is not None:
            return {**action, "selected_option": option, "action_ts": stamp}
        kept: Json = {key: element[key] for key in ("text", "value", "style") if key in element}
        return {**action, **kept, "action_ts": stamp}

    def _of_message(self, person: Person, post: Post) -> Json:
        room = post.room
        container: Json = {"type": "message", "message_ts": post.ts, "channel_id": room.id}
        container["is_ephemeral"] = bool(post.to)
        if post.is_reply:
            container["thread_ts"] = post.root
        message = {key: value for key, value in post.body.items() if key != "is_ephemeral"}
        return {
            **self._from(person),
            "container": container,
            "channel": {"id": room.id, "name": room.name or "directmessage"},
            "message": message,
            "response_url": self._responses.url("actions", person, room, post),
        }

    async def press_in_view(self, name: str, label: str) -> None:
        """A button in the modal that this person has open. Raises Undelivered."""
        person = self._slack.workspace.person(name)
        view = self.view(name)
        block, element, option = find(view.body["blocks"], label)
        payload = {**self._from(person), "type": "block_actions", "view": view.body}
        payload["container"] = {"type": "view", "view_id": view.id}
        await self._send({**payload, "actions": [self._action(block, element, option)]})

    def view(self, name: str) -> View:
        """Raises LookupError."""
        view = self._slack.views.of(self._slack.workspace.person(name))
        if view is None:
            raise LookupError(f"{name} has no modal open")
        return view

    async def submit(self, name: str, values: Mapping[str, Any]) -> View | None:
        """Fill in and submit the modal that this person has open; ``values`` by action id, block id or label. What
        is before them afterwards, with the app's errors. Raises Undelivered."""
        person, view = self._slack.workspace.person(name), self.view(name)
        view.body["state"] = {"values": _state(view.body["blocks"], values)}
        payload = {**self._from(person), "type": "view_submission", "view": view.body, "response_urls": []}
        delivery = await self._send(payload)
        self._answered(person, view, delivery.answer)
        return self._slack.views.of(person)

    def _answered(self, person: Person, view: View, answer: Any) -> None:
        views = self._slack.views
        action = answer.get("response_action") if isinstance(answer, dict) else None
        if action == "errors":
            view.errors = dict(answer["errors"])
        elif action == "update":
            views.replace(view, modals.read(answer["view"], self._slack.ids))
        elif action == "push":
            views.put(person, modals.read(answer["view"], self._slack.ids), app_fields(self._slack), view)
        else:
            views.close(view, all=action == "clear")
        self._slack.ledger.changed()

    async def close(self, name: str) -> None:
        """Close it without submitting. The app is told only if it asked for that."""
        person, view = self._slack.workspace.person(name), self.view(name)
        self._slack.views.close(view)
        if view.body["notify_on_close"]:
            await self._send({**self._from(person), "type": "view_closed", "view": view.body, "is_cleared": False})

    async def shortcut(self, name: str, callback_id: str, post: Post | None = None) -> None:
        """From the menu of a message, or from everywhere. Raises Undelivered."""
        person = self._slack.workspace.person(name)
        stamp = self._slack.ids.ts(self._slack.now())
        payload: Json = {**self._from(person), "type": "shortcut", "callback_id": callback_id, "action_ts": stamp}
        if post is not None:
            seen = self._of_message(person, post)
            seen.pop("container")
            payload = {**payload, **seen, "type": "message_action", "message_ts": post.ts}
        await self._send(payload, about=post.ts if post else "")

    async def command(self, name: str, room: Room, command: str, text: str = "") -> Any:
        """Typed into a channel; it cannot be typed into a thread. The app's answer. Raises Undelivered."""
        person, workspace = self._slack.workspace.person(name), self._slack.workspace
        seen = self._from(person)
        payload = {
            "token": seen["token"],
            "team_id": workspace.team,
            "team_domain": workspace.domain,
            "channel_id": room.id,
            "channel_name": room.name or "directmessage",
            "user_id": person.id,
            "user_name": seen["user"]["name"],
            "command": command,
            "text": text,
            "api_app_id": workspace.app_id,
            "is_enterprise_install": "false",
            "response_url": self._responses.url("commands", person, room),
            "trigger_id": seen["trigger_id"],
        }
        answer = (await self._send(payload, what="slash_commands")).answer
        if answer:
            body = answer if isinstance(answer, dict) else {"text": str(answer)}
            self._responses.apply(Reply(person, room, None, self._slack.now()), body)
        return answer


def find(blocks: list[Json], label: str) -> tuple[Json, Json, Json | None]:
    """The block, the element and, in a menu, the option that is labelled so. Raises LookupError."""
    for block, element in actions_in(blocks):
        if element.get("type") == "button" and element["text"]["text"] == label:
            return block, element, None
        for option in element.get("options", []):
            if option["text"]["text"] == label:
                return block, element, option
    raise LookupError(f"nothing here is labelled {label!r}")


def _state(blocks: list[Json], values: Mapping[str, Any]) -> Json:
    """What stands in the fields. Slack's client does not submit while a field that must be filled in is empty."""
    state: Json = {}
    for block in blocks:
        if block["type"] != "input":
            continue
        element = block["element"]
        names = (element["action_id"], block["block_id"], block["label"]["text"])
        value = next((values[name] for name in names if name in values), _initial(element))
        if value in (None, "") and not block.get("optional"):
            raise ValueError(f"{block['label']['text']} must be filled in")
        state[block["block_id"]] = {element["action_id"]: _filled(element, value)}
    return state


def _initial(element: Json) -> Any:
    """What stands there before anybody touched it."""
    options = element.get("initial_options")
    return element.get("initial_value") if options is None else [option["text"]["text"] for option in options]


def _filled(element: Json, value: Any) -> Json:
    kind = element["type"]
    chosen = [option for option in element.get("options", []) if option["text"]["text"] in _listed(value)]
    if kind in ("static_select", "radio_buttons"):
        return {"type": kind, "selected_option": chosen[0] if chosen else None}
    if kind in ("checkboxes", "multi_static_select"):
        return {"type": kind, "selected_options": chosen}
    if kind == "users_select":
        return {"type": kind, "selected_user": value}
    return {"type": kind, "value": value}


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]
