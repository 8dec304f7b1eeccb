"""views.*: the app opens, changes and stacks what a person fills in."""

from __future__ import annotations

from typing import Any

from tests.simulators.slack import modals
from tests.simulators.slack.calls import Call, Method
from tests.simulators.slack.core import Slack
from tests.simulators.slack.encoding import Refusal
from tests.simulators.slack.workspace import Json


def app_fields(slack: Slack) -> Json:
    team, bot = slack.workspace.team, slack.bot
    return {"team_id": team, "app_id": bot.app_id, "app_installed_team_id": team, "bot_id": bot.bot_id}


def open_view(call: Call) -> Json:
    call.need("trigger_id", "view")
    view = modals.read(call.args["view"], call.slack.ids)
    person = call.slack.views.exchange(call.text("trigger_id"))
    opened = call.slack.views.put(person, view, app_fields(call.slack))
    call.slack.ledger.changed()
    return {"ok": True, "view": opened.body}


def push(call: Call) -> Json:
    call.need("trigger_id", "view")
    view = modals.read(call.args["view"], call.slack.ids)
    person = call.slack.views.exchange(call.text("trigger_id"))
    under = call.slack.views.of(person)
    if under is None:
        raise Refusal("not_found")
    opened = call.slack.views.put(person, view, app_fields(call.slack), under)
    call.slack.ledger.changed()
    return {"ok": True, "view": opened.body}


def update(call: Call) -> Json:
    call.need("view")
    if not call.text("view_id") and not call.text("external_id"):
        raise Refusal("invalid_arguments", "missing required field: view_id")
    view = modals.read(call.args["view"], call.slack.ids)
    found = call.slack.views.find(call.text("view_id"), call.text("external_id"))
    if call.text("hash") and call.text("hash") != found.body["hash"]:
        raise Refusal("hash_conflict")
    call.slack.views.replace(found, view)
    call.slack.ledger.changed()
    return {"ok": True, "view": found.body}


def publish(call: Call) -> Json:
    call.need("view")
    person = call.user("user_id")
    view = modals.read(call.args["view"], call.slack.ids, kinds=("home",))
    body = {**view, **app_fields(call.slack), "id": call.slack.ids.new("V"), "hash": call.slack.ids.new("")}
    call.slack.views.homes[person.name] = body
    call.slack.ledger.changed()
    return {"ok": True, "view": body}


METHODS: dict[str, Any] = {
    "views.open": Method(open_view, "", 4),
    "views.push": Method(push, "", 4),
    "views.update": Method(update, "", 4),
    "views.publish": Method(publish, "", 4),
}
