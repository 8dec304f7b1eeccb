"""What may be written under a tenant's ``actions``: where they are found, HTTP endpoints, limits."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, SecretStr, model_validator

from connectors.settings import Settings, require_pattern
from schemas.messages import Assurance

Name = Annotated[str, AfterValidator(lambda text: require_pattern(text, r"[a-z][a-z0-9_]{0,62}", _NAME))]
_NAME = "must be 1-63 of a-z, 0-9 and '_', and begin with a letter"
_PLACEHOLDER = re.compile(r"{([^{}]*)}")


def _endpoint(text: str) -> str:
    """The host stands in the configuration, whatever anybody writes in a chat."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.fragment:
        raise ValueError("must be an address such as https://host/path/{parameter}")
    if "{" in parts.netloc:
        raise ValueError("the host is fixed: a parameter cannot stand in it")
    return text


Url = Annotated[str, AfterValidator(_endpoint)]


def placeholders(url: str) -> set[str]:
    return set(_PLACEHOLDER.findall(url))


class Limit(Settings):
    """More than ``value`` in a parameter; with a ``currency``, an amount in any other one is above it too."""

    parameter: str
    above: float = Field(ge=0)
    currency: str = ""


class Parameter(Settings):
    """``pattern``: a regular expression for the whole of a text. ``currency`` (ISO 4217) of an amount; ``ask``: the
    question for it, where no model asks. ``sensitive``: kept out of records for people."""

    type: Literal["text", "whole", "number", "amount", "date", "email", "yes_no"] = "text"
    title: str = ""
    description: str = ""
    pattern: str = ""
    options: list[str] = []
    least: float | None = None
    most: float | None = None
    required: bool = True
    sensitive: bool = False
    currency: str = ""
    ask: str = ""

    @model_validator(mode="after")
    def _fits(self) -> Parameter:
        if self.currency and self.type != "amount":
            raise ValueError("currency is for type amount")
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise ValueError(f"pattern: {error}") from error
        if (self.pattern or self.options) and self.type != "text":
            raise ValueError("pattern and options are for type text")
        return self


class LookUp(Settings):
    """Asked by GET whether it was done: ``{key}`` in ``url`` is the idempotency key. 404 means that it was not when
    ``absent`` is not_done; else that a person has to find out."""

    url: Url
    absent: Literal["unsure", "not_done"] = "unsure"


class Endpoint(Settings):
    """One HTTP endpoint as an action. Parameters named in ``url`` stand there, the others are sent as a query
    (GET) or as JSON. ``contact``: what of the verified contact is sent along, by the name it has there. ``headers`` may
    hold secrets. ``key_header`` carries the idempotency key of a write."""

    title: str = ""
    description: str = Field(min_length=1)
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    url: Url
    parameters: dict[Name, Parameter] = {}
    contact: dict[Name, Literal["id", "email", "phone"]] = {}
    headers: dict[str, SecretStr] = {}
    key_header: str = "Idempotency-Key"
    risk: Literal["read", "write"] = "write"
    needs: Assurance = "verified"
    confirm: bool | Limit | None = None
    approve: bool | Limit = False
    per_contact_per_day: int = Field(default=0, ge=0)
    harmless: bool = False
    timeout: float = Field(default=10, gt=0, le=60)
    examples: list[str] = []
    look_up: LookUp | None = None

    @model_validator(mode="after")
    def _fits(self) -> Endpoint:
        unknown = placeholders(self.url) - self.parameters.keys() - self.contact.keys()
        if unknown:
            raise ValueError(f"url: there is no parameter {sorted(unknown)[0]!r}")
        if self.look_up is not None and "key" not in placeholders(self.look_up.url):
            raise ValueError("look_up.url: must hold {key}")
        if self.risk == "write" and self.method == "GET":
            raise ValueError("method: a write cannot be a GET")
        if self.parameters.keys() & self.contact.keys():
            raise ValueError("contact: a parameter has the same name")
        return self


class ActionLimits(Settings):
    """What holds for one action in this tenant, in the place of what it says itself. Empty: as it says."""

    needs: Assurance | None = None
    confirm: bool | Limit | None = None
    approve: bool | Limit | None = None
    per_contact_per_day: int | None = Field(default=None, ge=0)
    harmless: bool | None = None
    offered: bool = True


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError("must be a time zone such as Europe/Berlin") from error
    return text


class ActionSettings(Settings):
    """``sources``: Python files (relative to the configuration file), modules, or entry points in the group
    ``parley.actions``. ``settings`` are handed to them. ``confirmation_minutes``, ``approval_hours``: how long a
    question stays open; ``settle_seconds``: after an action's timeout, before anybody looks what came of it."""

    sources: list[str] = []
    settings: dict[str, SecretStr] = {}
    http: dict[Name, Endpoint] = {}
    limits: dict[Name, ActionLimits] = {}
    timezone: Annotated[str, AfterValidator(_zone)] = "UTC"
    """Where the tenant is: by its days customers say "tomorrow"."""
    confirmation_minutes: float = Field(default=10, gt=0, le=24 * 60)
    approval_hours: float = Field(default=24, gt=0, le=7 * 24)
    settle_seconds: float = Field(default=30, ge=0, le=600)
