"""What is declared about an action, and the decorator that declares it."""

from __future__ import annotations

import inspect
import math
import re
import typing
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any, Literal, TypedDict, Unpack

from pydantic import BaseModel, PydanticUserError

from agent_worker.actions.context import ActionContext
from agent_worker.actions.parsing import in_language
from schemas.errors import ConfigInvalid
from schemas.messages import Assurance

Risk = Literal["read", "write"]
Function = Callable[[ActionContext, Any], Awaitable[BaseModel]]
LookUp = Callable[[ActionContext, Any], Awaitable[BaseModel | None]]
Prepare = Callable[[ActionContext, Any], Awaitable[BaseModel]]
Check = Callable[[ActionContext, Any], Awaitable[object]]
Report = Callable[[ActionContext, Any, Any], str]
"""``(context, arguments, result)`` as a sentence for the contact."""

INJECTED = frozenset({"contact", "contact_id", "customer", "customer_id", "tenant", "tenant_id", "conversation", "key"})
"""What the context says, and a parameter therefore must not."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


@dataclass(frozen=True, slots=True)
class Above:
    """More than ``value`` in the argument ``field``. With a ``currency``, an amount in any other one is above too."""

    field: str
    value: Decimal
    currency: str = ""
    currency_field: str = "currency"

    def holds(self, arguments: BaseModel) -> bool:
        """What cannot be compared is above: the careful way out."""
        amount = number(getattr(arguments, self.field, None))
        if amount is None:
            return True
        foreign = self.currency and str(getattr(arguments, self.currency_field, "")).upper() != self.currency.upper()
        return bool(foreign) or amount > self.value


def above(field: str, value: float | Decimal | str, *, currency: str = "") -> Above:
    return Above(field, Decimal(str(value)), currency)


def number(value: Any) -> Decimal | None:
    """None for what is no finite number."""
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return None
    return found if math.isfinite(found) else None


@dataclass(frozen=True, slots=True)
class Action:
    """One declared action: see ``Options`` for what the fields mean."""

    name: str
    title: str
    description: str
    model: type[BaseModel]
    answer: type[BaseModel] | None
    run: Function
    risk: Risk
    confirm: bool | Above
    needs: Assurance = "verified"
    approve: bool | Above = False
    per_contact_per_day: int = 0
    harmless: bool = False
    timeout: float = 10.0
    examples: Sequence[str] = ()
    look_up: LookUp | None = None
    absent: Literal["unsure", "not_done"] = "unsure"
    read_back: LookUp | None = None
    report: Report | None = None
    sensitive: Sequence[str] = ()
    prepare: Prepare | None = None
    check: Check | None = None
    titles: Mapping[str, str] = field(default_factory=dict)

    def titled(self, locale: str) -> str:
        """Its title in the contact's language, where it has one."""
        return in_language(self.titles, locale) if self.titles else self.title

    @property
    def parameters(self) -> dict[str, Any]:
        """As JSON schema; made once, and not to be changed."""
        return _schema(self.model)

    @property
    def writes(self) -> bool:
        return self.risk == "write"

    @property
    def bounded(self) -> bool:
        """Whether something keeps small what it could do where nobody wanted it."""
        limits = isinstance(self.confirm, Above) or self.per_contact_per_day or self.approve
        return bool(self.confirm or limits or self.harmless)


@cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


class Options(TypedDict, total=False):
    """What else may be said of an action."""

    title: str
    titles: Mapping[str, str]
    """By other languages than English."""
    description: str
    """Mostly the function's docstring says it."""
    examples: Sequence[str]
    """Messages that ask for it."""
    needs: Assurance
    """How sure we must be of the contact; ``verified`` unless said otherwise."""
    confirm: bool | Above
    """Whether the contact is asked first; by default each write is. False needs a bound (a limit or an approval), and
    even then asks first where the contact's own words did not ask for it."""
    harmless: bool
    """The tenant's word that it may be done although nobody asked for it: it can be undone, or changes nothing."""
    approve: bool | Above
    """Whether a colleague is asked."""
    per_contact_per_day: int
    """How often it may be begun, 0 for any number."""
    timeout: float
    """Seconds."""
    look_up: LookUp | None
    """``(context, arguments)``: finds out by ``context.key`` whether it was done. None: there is nothing under it."""
    absent: Literal["unsure", "not_done"]
    """What that None means."""
    read_back: LookUp | None
    """Asked the same once it seems done; None means that it is not."""
    report: Report | None
    """The result in a sentence."""
    sensitive: Sequence[str]
    """Parameters whose values stay out of records for people."""
    prepare: Prepare | None
    """Looks before anybody is asked, and gives the arguments as they are to be shown and done, such as "all of it" as
    an amount; or refuses what would be refused anyway."""
    check: Check | None
    """``(context, arguments)``: raises ActionRefused where the action would be refused. It changes nothing, and runs
    before anybody is asked and again before the action is done."""


def action(name: str = "", *, risk: Risk, **options: Unpack[Options]) -> Callable[[Function], Action]:
    """Declare an async function ``(context, arguments)`` an action. Raises ConfigInvalid for what cannot work.
    ``risk``: whether it changes anything."""

    def declare(function: Function) -> Action:
        model, answer = _models(function)
        called = name or getattr(function, "__name__", "")
        title, titles = options.get("title", ""), options.get("titles")
        said = {
            "title": title or called.replace("_", " ").capitalize(),
            "description": options.get("description") or inspect.getdoc(function) or title or called,
            "titles": {"en": title, **titles} if title and titles else {},
            "examples": tuple(options.get("examples", ())),
            "confirm": options.get("confirm", risk == "write"),
        }
        made = Action(name=called, model=model, answer=answer, run=function, risk=risk, **{**options, **said})  # type: ignore[arg-type]
        check(made)
        return made

    return declare


def check(made: Action) -> None:
    """Raises ConfigInvalid."""
    try:
        _schema(made.model)
    except PydanticUserError as error:
        raise ConfigInvalid(
            f"action {made.name!r}: {made.model.__name__} cannot be told to a model: {error}"
        ) from error
    fields = frozenset(made.model.model_fields)
    limits = [limit for limit in (made.confirm, made.approve) if isinstance(limit, Above)]
    problems = {
        "its name must be 1-63 of a-z, 0-9 and '_', and begin with a letter": not _NAME.fullmatch(made.name),
        f"{', '.join(sorted(fields & INJECTED))}: comes with the context, never as a parameter": fields & INJECTED,
        "a limit names a parameter that it does not have": any(limit.field not in fields for limit in limits),
        "a read is neither confirmed nor approved": not made.writes and (made.confirm or made.approve),
        "a read needs no check: it refuses by itself": not made.writes and made.check is not None,
        "timeout must be more than 0 and at most 60 seconds": not 0 < made.timeout <= 60,
        "sensitive names a parameter that it does not have": frozenset(made.sensitive) - fields,
        "a write that the contact is not asked about needs a bound: per_contact_per_day, an amount above which it is"
        " confirmed or approved, or harmless": made.writes and not made.bounded,
    }
    for problem, holds in problems.items():
        if holds:
            raise ConfigInvalid(f"action {made.name!r}: {problem}")


def _models(function: Function) -> tuple[type[BaseModel], type[BaseModel] | None]:
    """Of the arguments, and of the result if it is declared as one."""
    called = getattr(function, "__name__", "?")
    parameters = list(inspect.signature(function).parameters)
    try:
        hints = typing.get_type_hints(function)
    except NameError as error:
        raise ConfigInvalid(f"action {called!r}: {error}; its models must stand at the top of their module") from error
    model = hints.get(parameters[1]) if len(parameters) == 2 else None
    if not inspect.iscoroutinefunction(function) or not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise ConfigInvalid(
            f"action {called!r}: must be `async def {called}(context: ActionContext, arguments: Model) -> Model`, "
            "where Model is a pydantic model"
        )
    answer = hints.get("return")
    return model, answer if isinstance(answer, type) and issubclass(answer, BaseModel) else None
