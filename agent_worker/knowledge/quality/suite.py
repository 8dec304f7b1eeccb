"""Suites of customers' messages with the rules that grade the replies: ``parley knowledge check SUITE``.

A suite is YAML with a list ``cases``. A case is one customer, who writes one message (``question``) or several after
another (``turns``). docs/quality.md describes every field.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from schemas.errors import Unprocessable

Kind = Literal[
    "plain",
    "yes_no",
    "unanswerable",
    "follow_up",
    "several",
    "comparison",
    "negation",
    "ask_back",
    "language",
]
Polarity = Literal["yes", "no"]


def _polarity(value: object) -> object:
    """YAML reads a bare yes or no as a boolean."""
    return {True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else value


def _piece(value: object) -> object:
    """A piece is a text or alternatives. YAML reads bare figures as numbers."""
    items = value if isinstance(value, list) else [value]
    return tuple(str(item) if isinstance(item, int | float) else item for item in items)


Piece = Annotated[tuple[str, ...], BeforeValidator(_piece), Field(min_length=1)]
"""Alternative spellings, one of which is enough."""


class Rules(BaseModel):
    """A good reply. ``must_contain``: all of these; ``must_not_contain``: none of these; ``must_cite``: one of these
    documents first. ``polarity``: the right answer to a question for yes or no. ``sources``: the places that answer,
    as ``document#heading``, for judging an offered question. No document answers a question that ``must_decline``; too
    little was said in one that ``must_ask_back``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    must_contain: list[Piece] = []
    must_not_contain: list[Piece] = []
    must_cite: list[str] = []
    polarity: Annotated[Polarity | None, BeforeValidator(_polarity)] = None
    sources: list[str] = []
    must_decline: bool = False
    must_ask_back: bool = False

    @property
    def is_answerable(self) -> bool:
        return not self.must_decline and not self.must_ask_back

    @property
    def is_empty(self) -> bool:
        return not (self.must_contain or self.must_cite or self.polarity or self.must_decline or self.must_ask_back)


class Part(Rules):
    """One of several questions in a message. ``about``: words of the question, by which a reply may name it."""

    about: str = Field(min_length=1)


class Message(Rules):
    """One of the customer's messages. Without rules its reply is not graded. ``reworded``: a follow-up in words that
    can be understood alone, which shows what the documents give without the conversation."""

    say: str = Field(min_length=1)
    reworded: str = ""
    parts: list[Part] = []

    @property
    def is_graded(self) -> bool:
        return bool(self.parts) or not self.is_empty


class Case(Message):
    """``turns``: the messages of a conversation, instead of one ``question``."""

    id: str
    kind: Kind = "plain"
    language: str = "en"
    say: str = Field(default="", alias="question")
    turns: list[Message] = []

    @model_validator(mode="after")
    def _has_something_to_grade(self) -> Self:
        if bool(self.say) == bool(self.turns):
            raise ValueError("give either question or turns")
        if not any(message.is_graded for message in self.messages):
            raise ValueError(
                "no message has a rule: must_contain, must_cite, polarity, must_decline, must_ask_back or parts"
            )
        return self

    @property
    def messages(self) -> list[Message]:
        return self.turns or [self]

    def reword_follow_ups(self) -> list[Case]:
        """Each follow-up that has an answer as a customer of its own."""
        return [
            Case(id=self.id, turns=[turn.model_copy(update={"say": turn.reworded or turn.say})])
            for turn in self.turns[1:]
            if turn.is_graded and (turn.parts or turn.is_answerable)
        ]


class Suite(BaseModel):
    """``name``: shown with the figures, the file's name if empty."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = ""
    cases: list[Case] = Field(min_length=1)

    def list_named_documents(self) -> list[tuple[str, str, str]]:
        """Case, field and document of every rule that names a document."""
        return [
            (case.id, field, place.partition("#")[0])
            for case in self.cases
            for rules in (case, *case.turns, *case.parts, *(part for turn in case.turns for part in turn.parts))
            for field, places in (("must_cite", rules.must_cite), ("sources", rules.sources))
            for place in places
        ]


def read_suite(raw: Any) -> Suite:
    """Validate a parsed suite file. Raises Unprocessable naming the case and field at fault."""
    try:
        return Suite.model_validate(raw)
    except ValidationError as error:
        problems = [f"{_place(raw, problem['loc'])}: {problem['msg']}" for problem in error.errors()[:3]]
        raise Unprocessable("; ".join(problems)) from error


def _place(raw: Any, path: tuple[int | str, ...]) -> str:
    """Name the case by its id where it has one."""
    cases = raw.get("cases") if isinstance(raw, Mapping) else None
    if len(path) > 1 and path[0] == "cases" and isinstance(path[1], int) and isinstance(cases, list):
        case = cases[path[1]]
        name = case.get("id", path[1] + 1) if isinstance(case, Mapping) else path[1] + 1
        return ".".join([f"case {name}", *map(str, path[2:])])
    return ".".join(map(str, path)) or "the suite"
