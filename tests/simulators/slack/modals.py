"""Modals and home tabs that are open, and the triggers by which they may be opened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.simulators.slack import blocks
from tests.simulators.slack.encoding import Refusal, encode, structure
from tests.simulators.slack.ids import Ids
from tests.simulators.slack.workspace import Json, Person

TRIGGER_LASTS = 3.0
MOST_BLOCKS = 100
STACK = 3
LIMITS = {"callback_id": 255, "private_metadata": 3000, "external_id": 255}
BYTES = 250_000


@dataclass
class Trigger:
    person: Person
    at: float
    used: bool = False


@dataclass(eq=False)
class View:
    """``stack`` are the views under and over it, itself included."""

    person: Person
    body: Json
    stack: list[View]
    errors: Json = field(default_factory=dict)
    """By block, as the app said them to the last submission."""

    @property
    def id(self) -> str:
        return str(self.body["id"])


class Views:
    def __init__(self, ids: Ids, now: Callable[[], float]) -> None:
        self._ids = ids
        self._now = now
        self._triggers: dict[str, Trigger] = {}
        self.open: dict[str, View] = {}
        self.homes: dict[str, Json] = {}
        """By person."""

    def trigger(self, person: Person) -> str:
        id = f"{self._ids.new('', 12)}.{self._ids.new('', 12)}.{self._ids.secret()}"
        self._triggers[id] = Trigger(person, self._now())
        return id

    def expire(self, id: str) -> None:
        """As if the trigger's time had passed."""
        self._triggers[id].at -= TRIGGER_LASTS + 1

    def exchange(self, id: str) -> Person:
        """Who pressed, if that was within three seconds, and for the first time. Raises Refusal."""
        trigger = self._triggers.get(id)
        if trigger is None:
            raise Refusal("invalid_trigger_id")
        if trigger.used:
            raise Refusal("exchanged_trigger_id")
        if self._now() > trigger.at + TRIGGER_LASTS:
            raise Refusal("expired_trigger_id")
        trigger.used = True
        return trigger.person

    def of(self, person: Person) -> View | None:
        """What this person has before them."""
        stack = next((view.stack for view in self.open.values() if view.person is person), [])
        return stack[-1] if stack else None

    def put(self, person: Person, view: Json, about: Json, under: View | None = None) -> View:
        """Open over what is open already. Raises Refusal."""
        stack = under.stack if under else []
        if len(stack) >= STACK:
            raise Refusal("push_limit_reached")
        self._once(view.get("external_id"))
        id = self._ids.new("V")
        root = stack[0].id if stack else id
        body = {**view, **about, "id": id, "root_view_id": root, "previous_view_id": stack[-1].id if stack else None}
        opened = View(person, {**body, "hash": self._hash(), "state": {"values": {}}}, stack)
        stack.append(opened)
        self.open[id] = opened
        return opened

    def _once(self, external: Any) -> None:
        if external and any(each.body.get("external_id") == external for each in self.open.values()):
            raise Refusal("duplicate_external_id")

    def _hash(self) -> str:
        return f"{int(self._now())}.{self._ids.new('', 8)}"

    def find(self, view_id: str, external_id: str) -> View:
        for view in self.open.values():
            if view.id == view_id or (external_id and view.body.get("external_id") == external_id):
                return view
        raise Refusal("not_found")

    def replace(self, view: View, body: Json) -> None:
        kept = {name: view.body[name] for name in KEPT if name in view.body}
        view.body = {**body, **kept, "hash": self._hash(), "state": view.body["state"]}
        view.errors = {}

    def close(self, view: View, *, all: bool = False) -> None:
        """It and what lies over it; or everything."""
        gone = list(view.stack) if all else view.stack[view.stack.index(view) :]
        for each in gone:
            view.stack.remove(each)
            self.open.pop(each.id, None)


KEPT = ("id", "root_view_id", "previous_view_id", "team_id", "app_id", "app_installed_team_id", "bot_id")


def read(value: Any, ids: Ids, *, kinds: tuple[str, ...] = ("modal",)) -> Json:
    """A view as the app sent it, completed. Raises Refusal."""
    view = structure(value, "invalid_arguments")
    if not isinstance(view, dict) or view.get("type") not in kinds:
        raise _refuse("must be a valid view", "/view")
    if len(encode(view)) > BYTES:
        raise Refusal("view_too_large")
    for name, most in LIMITS.items():
        if len(str(view.get(name) or "")) > most:
            raise _refuse(f"must be less than {most + 1} characters", f"/view/{name}")
    if view["type"] == "modal":
        _check_titles(view)
    written = blocks.read(view.get("blocks"), most=MOST_BLOCKS)
    if any(block["type"] == "input" for block in written) and view["type"] == "modal" and not view.get("submit"):
        raise _refuse("missing required field: submit", "/view")
    defaults = {"callback_id": "", "private_metadata": "", "external_id": "", "clear_on_close": False}
    return {**defaults, "notify_on_close": False, **view, "blocks": blocks.complete(written, ids)}


def _check_titles(view: Json) -> None:
    for name in ("title", "submit", "close"):
        text = view.get(name)
        if text is None and name != "title":
            continue
        if not isinstance(text, dict) or text.get("type") != "plain_text" or not text.get("text"):
            raise _refuse("must be a plain_text object", f"/view/{name}")
        if len(text["text"]) > 24:
            raise _refuse("must be less than 25 characters", f"/view/{name}/text")


def _refuse(what: str, where: str) -> Refusal:
    return Refusal("invalid_arguments", f"{what} [json-pointer:{where}]")
