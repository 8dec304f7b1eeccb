"""The declaration of an action, and the decorator that makes it."""

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
from agent_worker.nlu.classification import Topic
from schemas.access import Role
from schemas.errors import ConfigInvalid
from schemas.messages import Assurance

Risk = Literal["read", "write"]
Function = Callable[[ActionContext, Any], Awaitable[BaseModel]]
LookUp = Callable[[ActionContext, Any], Awaitable[BaseModel | None]]
Prepare = Callable[[ActionContext, Any], Awaitable[BaseModel]]
Check = Callable[[ActionContext, Any], Awaitable[object]]
Preview = Callable[[ActionContext, Any], Awaitable[str]]
Report = Callable[[ActionContext, Any, Any], str]
"""``(context, arguments, result)`` as a sentence for the contact."""

RESERVED_PARAMETERS = frozenset(
    {"contact", "contact_id", "customer", "customer_id", "tenant", "tenant_id", "conversation", "key"}
)
"""Names that the context provides and that a parameter must not have."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


@dataclass(frozen=True, slots=True)
class AmountLimit:
    """Holds for more than ``value`` in the argument ``field``. With a ``currency``, amounts in other currencies exceed
    it too."""

    field: str
    value: Decimal
    currency: str = ""
    currency_field: str = "currency"

    def holds(self, arguments: BaseModel) -> bool:
        """Return whether the amount exceeds the limit. A value that cannot be compared counts as too large."""
        amount = to_number(getattr(arguments, self.field, None))
        if amount is None:
            return True
        foreign = self.currency and str(getattr(arguments, self.currency_field, "")).upper() != self.currency.upper()
        return bool(foreign) or amount > self.value


def exceeds(field: str, value: float | Decimal | str, *, currency: str = "") -> AmountLimit:
    """A limit for ``confirm`` or ``approve``: more than ``value`` in the argument ``field``."""
    return AmountLimit(field, Decimal(str(value)), currency)


def to_number(value: Any) -> Decimal | None:
    """None for anything but a finite number."""
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if math.isfinite(number) else None


@dataclass(frozen=True, slots=True)
class Action:
    """One declared action. ``Options`` explains the fields."""

    name: str
    title: str
    description: str
    model: type[BaseModel]
    answer: type[BaseModel] | None
    run: Function
    risk: Risk
    confirm: bool | AmountLimit
    needs: Assurance = "verified"
    approve: bool | AmountLimit = False
    approver: Role = "agent"
    four_eyes: bool | AmountLimit = False
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
    preview: Preview | None = None
    titles: Mapping[str, str] = field(default_factory=dict)
    topic: Topic | Literal[""] = ""
    """The topic of messages that request it, in every language. Such an action is not offered to models."""

    def title_in(self, locale: str) -> str:
        """The title in the contact's language, if there is one."""
        return in_language(self.titles, locale) if self.titles else self.title

    @property
    def parameters(self) -> dict[str, Any]:
        """The JSON schema of the arguments. It is cached and must not be changed."""
        return _schema(self.model)

    @property
    def preview_model(self) -> type[BaseModel]:
        """The parameters that the preview needs."""
        return _second_parameter(self.preview) if self.preview is not None else self.model

    @property
    def writes(self) -> bool:
        return self.risk == "write"

    @property
    def bounded(self) -> bool:
        """Return whether some limit keeps the damage small if it runs without having been requested."""
        limits = isinstance(self.confirm, AmountLimit) or self.per_contact_per_day or self.approve or self.four_eyes
        return bool(self.confirm or limits or self.harmless)


@cache
def _second_parameter(function: Preview) -> type[BaseModel]:
    """The model of the arguments. Raises ConfigInvalid when it is not declared."""
    names = list(inspect.signature(function).parameters)
    model = typing.get_type_hints(function).get(names[1]) if len(names) == 2 else None
    if isinstance(model, type) and issubclass(model, BaseModel):
        return model
    raise ConfigInvalid(
        f"preview {getattr(function, '__name__', '?')!r}: its second parameter must be a pydantic model"
    )


@cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


class Options(TypedDict, total=False):
    """Optional properties of an action."""

    title: str
    titles: Mapping[str, str]
    """Titles in languages other than English, by language."""
    description: str
    """Defaults to the function's docstring."""
    examples: Sequence[str]
    """Messages that request the action."""
    needs: Assurance
    """The assurance that the contact needs, by default ``verified``."""
    confirm: bool | AmountLimit
    """The contact has to confirm it; by default every write. False requires a bound (a limit or an approval),
    and the contact is still asked when their own words did not request the action."""
    harmless: bool
    """It may run without having been requested, because it can be undone or changes nothing."""
    approve: bool | AmountLimit
    """A colleague has to approve it."""
    approver: Role
    """The least role of a colleague who may approve it, by default ``agent``."""
    four_eyes: bool | AmountLimit
    """Two different colleagues have to approve it."""
    per_contact_per_day: int
    """Starts that a contact has each day; 0 for no limit."""
    timeout: float
    """Seconds."""
    look_up: LookUp | None
    """``(context, arguments)``: finds the outcome by ``context.key``; None when nothing is known under the key."""
    absent: Literal["unsure", "not_done"]
    """The meaning of that None."""
    read_back: LookUp | None
    """Reads the result back after a success; None means that it was not done."""
    report: Report | None
    """Describes the result in a sentence."""
    sensitive: Sequence[str]
    """Parameters whose values are masked in records."""
    prepare: Prepare | None
    """Runs before anybody is asked. Returns the arguments as they will be shown and executed, such as "all of it" as an
    amount, or refuses what would be refused anyway."""
    check: Check | None
    """``(context, arguments)``: raises ActionRefused when the action would be refused. It changes nothing. It runs
    before anybody is asked and again before the action runs."""
    preview: Preview | None
    """``(context, arguments)``, where the model of the arguments has some of the action's parameters, such as the
    order. Returns a sentence on what the action concerns, which the contact reads before they are asked for anything
    else; raises ActionRefused when the action is impossible whatever else is given. It changes nothing."""


def action(name: str = "", *, risk: Risk, **options: Unpack[Options]) -> Callable[[Function], Action]:
    """Turn an async function ``(context, arguments)`` into an action. ``risk`` says whether it changes anything. Raises
    ConfigInvalid when the declaration is inconsistent."""

    def declare(function: Function) -> Action:
        model, result_model = _models(function)
        function_name = name or getattr(function, "__name__", "")
        title, titles = options.get("title", ""), options.get("titles")
        derived = {
            "title": title or function_name.replace("_", " ").capitalize(),
            "description": options.get("description") or inspect.getdoc(function) or title or function_name,
            "titles": {"en": title, **titles} if title and titles else {},
            "examples": tuple(options.get("examples", ())),
            "confirm": options.get("confirm", risk == "write"),
        }
        declared = Action(
            name=function_name,
            model=model,
            answer=result_model,
            run=function,
            risk=risk,
            **{**options, **derived},  # type: ignore[arg-type]
        )
        check_declaration(declared)
        return declared

    return declare


def check_declaration(declared: Action) -> None:
    """Raises ConfigInvalid when the declaration is inconsistent."""
    try:
        _schema(declared.model)
    except PydanticUserError as error:
        raise ConfigInvalid(
            f"action {declared.name!r}: {declared.model.__name__} cannot be described to a model: {error}"
        ) from error
    fields = frozenset(declared.model.model_fields)
    rules = (declared.confirm, declared.approve, declared.four_eyes)
    limits = [limit for limit in rules if isinstance(limit, AmountLimit)]
    problems = {
        "its name must be 1-63 of a-z, 0-9 and '_', and begin with a letter": not _NAME.fullmatch(declared.name),
        f"{', '.join(sorted(fields & RESERVED_PARAMETERS))}: comes with the context, never as a parameter": fields
        & RESERVED_PARAMETERS,
        "a limit names a parameter that it does not have": any(limit.field not in fields for limit in limits),
        "a read is neither confirmed nor approved": not declared.writes and any(rules),
        "a read needs no check: it refuses by itself": not declared.writes and declared.check is not None,
        "its preview needs a parameter that it does not have": frozenset(declared.preview_model.model_fields) - fields,
        "timeout must be more than 0 and at most 60 seconds": not 0 < declared.timeout <= 60,
        "sensitive names a parameter that it does not have": frozenset(declared.sensitive) - fields,
        "a write without a confirmation needs a bound: per_contact_per_day, an amount above which it is"
        " confirmed or approved, or harmless": declared.writes and not declared.bounded,
    }
    for problem, holds in problems.items():
        if holds:
            raise ConfigInvalid(f"action {declared.name!r}: {problem}")


def _models(function: Function) -> tuple[type[BaseModel], type[BaseModel] | None]:
    """The models of the arguments and of the result; None for a result that is not a pydantic model."""
    function_name = getattr(function, "__name__", "?")
    parameters = list(inspect.signature(function).parameters)
    try:
        hints = typing.get_type_hints(function)
    except NameError as error:
        raise ConfigInvalid(
            f"action {function_name!r}: {error}; its models must be defined at the top level of their module"
        ) from error
    model = hints.get(parameters[1]) if len(parameters) == 2 else None
    if not inspect.iscoroutinefunction(function) or not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise ConfigInvalid(
            f"action {function_name!r}: must be `async def {function_name}(context: ActionContext, arguments: Model) "
            "-> Model`, where Model is a pydantic model"
        )
    result_model = hints.get("return")
    return model, result_model if isinstance(result_model, type) and issubclass(result_model, BaseModel) else None
