"""The format of a suite: cases with what the contact writes, and what is expected of the answers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, model_validator

from schemas.messages import Assurance

Step = Literal["acknowledge", "restate", "explain", "link", "propose", "confirm", "sign_off"]
"""The steps that ``structure`` knows."""


def _to_list(value: Any) -> Any:
    return value if isinstance(value, list) or value is None else [value]


def _to_action(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


def _to_instant(value: datetime) -> datetime:
    return value if value.tzinfo else value.replace(tzinfo=UTC)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Fragment = str | int | float
"""A text, or a number, which a text contains in any spelling: 4.5 as 4.50 or 4,50."""
Fragments = Annotated[list[Fragment | list[Fragment]], BeforeValidator(_to_list)]
"""Each is expected. Of a list within the list, one is enough."""
Instant = Annotated[datetime, AfterValidator(_to_instant)]
"""In UTC, if no time zone is given."""
Texts = Annotated[list[str], BeforeValidator(_to_list)]


class ActionExpectation(_Section):
    """An action that is to be performed. ``arguments``: those that matter. ``outcome``: of the call."""

    name: str
    arguments: dict[str, JsonValue] = {}
    outcome: Literal["succeeded", "failed", "refused", "unknown"] = "succeeded"


ActionExpectations = Annotated[
    list[Annotated[ActionExpectation, BeforeValidator(_to_action)]],
    BeforeValidator(_to_list),
]
"""All actions that may be performed; an empty list for none."""


class LengthLimits(_Section):
    """Limits, each inclusive."""

    min_words: int = Field(default=0, ge=0)
    max_words: int | None = Field(default=None, ge=0)
    min_sentences: int = Field(default=0, ge=0)
    max_sentences: int | None = Field(default=None, ge=0)
    max_characters: int | None = Field(default=None, ge=0)


class StepDefinition(_Section):
    """A step of ``structure`` that is recognized by one of these phrases."""

    name: str
    phrases: Texts


class Expectations(_Section):
    """What is expected of an answer. Each field is a check of its own, under its name. What is left out is not
    checked."""

    cites: Texts = []
    contains: Fragments = []
    must_not_contain: Fragments = []
    closing: str = ""
    disclaimer: str = ""
    structure: list[Step | StepDefinition] = []
    action: ActionExpectations | None = None
    declines: bool | None = None
    asks: bool | None = None
    hands_over: bool | None = None
    language: str = ""
    length: LengthLimits | None = None
    tone: str = ""
    judge: str = ""


class ActionResult(_Section):
    """The result of an action, which is never performed. ``arguments``: only for a call with these; ``result``: what it
    returns; ``refused`` and ``failed``: the reason, if it does not succeed."""

    name: str
    arguments: dict[str, JsonValue] = {}
    result: dict[str, JsonValue] = {}
    refused: str = ""
    failed: str = ""


class CaseTurn(_Section):
    """One message of the contact and the answer to it. ``picks``: presses a button of the last answer, by its label or
    id. ``people``: what a person answered to it."""

    message: str = ""
    picks: str = ""
    expect: Expectations = Expectations()
    people: str = ""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if bool(self.message) == bool(self.picks):
            raise ValueError("must have either `message` or `picks`")
        return self


class SimulatedCustomer(_Section):
    """A customer who is played by a model. ``wants``: what they want; ``knows``: what they can tell; ``turns``: their
    messages at most."""

    wants: str
    knows: str = ""
    turns: int = Field(default=6, ge=1, le=20)


class Case(_Section):
    """One conversation: ``message`` and ``people`` for one turn, ``turns`` for several, ``customer`` for a simulated
    one. ``expect``: of the answer, or of the conversation as a whole if there are several. ``at``: the time of its
    beginning; now, if it is left out. ``conversation``: the one that it was taken from."""

    name: str = Field(min_length=1)
    message: str = ""
    people: str = ""
    turns: list[CaseTurn] = []
    customer: SimulatedCustomer | None = None
    expect: Expectations = Expectations()
    channel: str = "web"
    locale: str = ""
    assurance: Assurance = "anonymous"
    at: Instant | None = None
    actions: list[ActionResult] = []
    conversation: str = ""

    @model_validator(mode="after")
    def _has_one_form(self) -> Self:
        if sum(map(bool, (self.message, self.turns, self.customer))) != 1:
            raise ValueError("must have exactly one of `message`, `turns` and `customer`")
        if self.people and not self.message:
            raise ValueError("`people` belongs to a `message`")
        return self

    @property
    def script(self) -> list[CaseTurn]:
        """The contact's messages, none for a simulated customer."""
        return [CaseTurn(message=self.message, people=self.people)] if self.message else self.turns


class Gate(_Section):
    """What a run must reach. ``passed`` and ``checks``: shares from 0 to 1, of all cases and of those with that check;
    ``cost``: US dollars at most for the whole run; ``p95_ms``: for one answer."""

    passed: float = Field(default=1.0, ge=0, le=1)
    checks: dict[str, Annotated[float, Field(ge=0, le=1)]] = {}
    cost: float | None = Field(default=None, ge=0)
    p95_ms: float | None = Field(default=None, ge=0)


def _to_gate(value: Any) -> Any:
    return {"passed": value} if isinstance(value, int | float) and not isinstance(value, bool) else value


class Suite(_Section):
    """A file of cases. ``expect``: of every answer in it. ``judge``: the model that judges ``tone`` and ``judge``;
    ``customer``: the model that plays simulated customers; both are entries of ``models``."""

    gate: Annotated[Gate, BeforeValidator(_to_gate)] = Gate()
    judge: str = ""
    customer: str = ""
    expect: Expectations = Expectations()
    cases: list[Case] = Field(min_length=1)

    @model_validator(mode="after")
    def _is_measurable(self) -> Self:
        names = [case.name for case in self.cases]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two cases have the name {twice[0]!r}")
        if all(case.customer for case in self.cases):
            raise ValueError(
                "has only simulated customers, who are easier to please than people: write at least one case by hand"
            )
        return self
