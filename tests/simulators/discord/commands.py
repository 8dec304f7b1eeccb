"""REST: the application's slash commands, for everybody or for one server."""

from __future__ import annotations

import re
from typing import Any

from tests.simulators.discord.api import Call, Reply, Route
from tests.simulators.discord.refusals import Form, refusal
from tests.simulators.discord.server_state import ServerState

NAME = re.compile(r"[-_'\w]{1,32}")
MOST = 100
CHAT_INPUT = 1


class Commands:
    """Kept by server; "" is the set that is there everywhere."""

    def __init__(self, world: ServerState) -> None:
        self._world = world
        self._kept: dict[str, dict[str, dict[str, Any]]] = {}

    def routes(self) -> list[Route]:
        found: list[Route] = []
        for prefix, kind in (
            ("/applications/{application}", "Global"),
            ("/applications/{application}/guilds/{guild}", "Guild"),
        ):
            many, one = f"{prefix}/commands", f"{prefix}/commands/{{command}}"
            found += [
                Route("GET", many, f"Get {kind} Application Commands", self.all),
                Route("PUT", many, f"Bulk Overwrite {kind} Application Commands", self.overwrite, takes_list=True),
                Route("POST", many, f"Create {kind} Application Command", self.create),
                Route("GET", one, f"Get {kind} Application Command", self.get),
                Route("PATCH", one, f"Edit {kind} Application Command", self.edit),
                Route("DELETE", one, f"Delete {kind} Application Command", self.delete),
            ]
        return found

    def named(self, name: str, guild: str | None) -> dict[str, Any] | None:
        """What a person at this place can type after a slash; a server's own command hides the one for everybody."""
        for place in (guild or "", ""):
            for command in self._kept.get(place, {}).values():
                if command["name"] == name and command["type"] == CHAT_INPUT:
                    return command
        return None

    def all(self, call: Call) -> Reply:
        return Reply(200, list(self._set(call).values()))

    def get(self, call: Call) -> Reply:
        return Reply(200, self._one(call))

    def overwrite(self, call: Call) -> Reply:
        """All at once: what is not named is gone."""
        form = Form()
        given = call.body or []
        for index, each in enumerate(given):
            _check(form, (index,), each)
        if len({(each.get("name"), each.get("type", CHAT_INPUT)) for each in given}) < len(given):
            form.wrong((), "APPLICATION_COMMANDS_DUPLICATE_NAME", "Application command names must be unique")
        form.check()
        if len(given) > MOST:
            raise refusal(30032)
        had = {each["name"]: each["id"] for each in self._set(call).values()}
        fresh = [self._shape(call, each, had.get(each["name"])) for each in given]
        self._kept[call.path.get("guild", "")] = {each["id"]: each for each in fresh}
        return Reply(200, fresh)

    def create(self, call: Call) -> Reply:
        """The name is the key: the same name again replaces the command (200 instead of 201)."""
        form = Form()
        _check(form, (), call.body)
        form.check()
        place = self._set(call)
        had = next((each["id"] for each in place.values() if each["name"] == call.body["name"]), None)
        if had is None and len(place) >= MOST:
            raise refusal(30032)
        command = self._shape(call, call.body, had)
        place[command["id"]] = command
        return Reply(200 if had else 201, command)

    def edit(self, call: Call) -> Reply:
        command = {**self._one(call), **call.body}
        form = Form()
        _check(form, (), command)
        form.check()
        self._set(call)[command["id"]] = command
        return Reply(200, command)

    def delete(self, call: Call) -> Reply:
        del self._set(call)[self._one(call)["id"]]
        return Reply()

    def _set(self, call: Call) -> dict[str, dict[str, Any]]:
        if call.path["application"] != self._world.application:
            raise refusal(20012)
        guild = call.path.get("guild", "")
        if guild not in ("", self._world.guild):
            raise refusal(50001)
        return self._kept.setdefault(guild, {})

    def _one(self, call: Call) -> dict[str, Any]:
        command = self._set(call).get(call.path["command"])
        if command is None:
            raise refusal(10063)
        return command

    def _shape(self, call: Call, given: dict[str, Any], id: str | None) -> dict[str, Any]:
        shape = {
            "id": id or self._world.ids.snowflake(),
            "application_id": self._world.application,
            "version": self._world.ids.snowflake(),
            "type": CHAT_INPUT,
            "default_member_permissions": None,
            "nsfw": False,
            **given,
        }
        return {**shape, "guild_id": call.path["guild"]} if "guild" in call.path else shape


def _check(form: Form, path: tuple[str | int, ...], command: dict[str, Any]) -> None:
    name = command.get("name")
    kind = command.get("type", CHAT_INPUT)
    form.choice((*path, "type"), kind, (1, 2, 3, 4))
    form.text((*path, "name"), name, 32, least=1)
    if kind != CHAT_INPUT:
        return
    if isinstance(name, str) and name and (not NAME.fullmatch(name) or name != name.lower()):
        words = "Command name is invalid: small letters, digits, - and _ only."
        form.wrong((*path, "name"), "APPLICATION_COMMAND_INVALID_NAME", words)
    form.text((*path, "description"), command.get("description"), 100, least=1)
    options = command.get("options") or []
    form.long((*path, "options"), options, 25)
    for index, option in enumerate(options):
        here = (*path, "options", index)
        form.text((*here, "name"), option.get("name"), 32, least=1)
        form.text((*here, "description"), option.get("description"), 100, least=1)
        form.choice((*here, "type"), option.get("type"), tuple(range(1, 12)))
