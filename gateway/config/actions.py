"""Settings under a tenant's ``actions``: Python sources, HTTP endpoints and limits."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from connectors.settings import Settings, require_pattern
from gateway.config.field_types import Timezone
from schemas.messages import Assurance

ApproverRole = Literal["agent", "admin", "owner"]
_PLACEHOLDER = re.compile(r"{([^{}]*)}")


def _check_name(text: str) -> str:
    return require_pattern(text, r"[a-z][a-z0-9_]{0,62}", "must be 1-63 of a-z, 0-9 and '_', and begin with a letter")


def _check_endpoint_url(text: str) -> str:
    """Only the configuration decides which host is called, so no parameter may stand in the host."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.fragment:
        raise ValueError("must be an address such as https://host/path/{parameter}")
    if "{" in parts.netloc:
        raise ValueError("the host must be fixed: it cannot contain a parameter")
    return text


ActionName = Annotated[str, AfterValidator(_check_name)]
"""The name of an action or of a parameter: a Python identifier in lower case."""
EndpointUrl = Annotated[str, AfterValidator(_check_endpoint_url)]


def find_placeholders(url: str) -> set[str]:
    """The names in braces in a URL."""
    return set(_PLACEHOLDER.findall(url))


class AmountLimitSettings(Settings):
    """A condition on one parameter: it holds when the parameter is greater than a value."""

    parameter: str
    """The name of the parameter, which must be a number or an amount."""
    above: float = Field(ge=0)
    """The condition holds for values greater than this."""
    currency: str = ""
    """Only for amounts. An amount in another currency counts as above the limit."""


class ParameterSettings(Settings):
    """One input of an HTTP action."""

    type: Literal["text", "whole", "number", "amount", "date", "email", "yes_no"] = "text"
    """The kind of value. ``whole`` is a number without decimals, ``amount`` a sum of money with at most two."""
    title: str = ""
    """The name that people read. Empty: the parameter's name in words."""
    description: str = ""
    """What the parameter means, for the model that fills it in."""
    pattern: str = ""
    """A regular expression that the whole text must match."""
    options: list[str] = []
    """The texts to choose from."""
    least: float | None = None
    """The least number allowed. Without it there is no lower limit."""
    most: float | None = None
    """The greatest number allowed. Without it there is no upper limit."""
    required: bool = True
    """Ask for the value if the contact has not given it. If false, the action may run without it."""
    sensitive: bool = False
    """Leave the value out of everything that people read, such as the console and the desk."""
    currency: str = ""
    """The currency of an amount (ISO 4217, such as EUR)."""
    ask: str = ""
    """The question that asks for the value when no model asks for it."""

    @model_validator(mode="after")
    def _check(self) -> ParameterSettings:
        if self.currency and self.type != "amount":
            raise ValueError("currency is only for type amount")
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise ValueError(f"pattern: not a regular expression: {error}") from error
        if (self.pattern or self.options) and self.type != "text":
            raise ValueError("pattern and options are only for type text")
        return self


class LookupSettings(Settings):
    """A GET request that finds out whether a write was done, for example after a timeout."""

    url: EndpointUrl
    """The address. ``{key}`` in it stands for the idempotency key of the write."""
    absent: Literal["unsure", "not_done"] = "unsure"
    """The meaning of a 404: ``not_done`` if it proves that the write was not done, ``unsure`` if a person has to find
    out."""


class EndpointSettings(Settings):
    """One HTTP endpoint as an action."""

    title: str = ""
    """The name that people read. Empty: the action's name in words."""
    description: str = Field(min_length=1)
    """What the action does and when to use it, for the model that asks for it."""
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    """The HTTP method of the request."""
    url: EndpointUrl
    """The address. Parameters in braces are filled in; the others are sent as a query (GET) or as JSON."""
    parameters: dict[ActionName, ParameterSettings] = {}
    """The inputs that the endpoint needs from the contact, by name."""
    contact: dict[ActionName, Literal["id", "email", "phone"]] = {}
    """Details of the verified contact to send along: the name that the endpoint expects → the detail."""
    headers: dict[str, SecretStr] = {}
    """HTTP headers of every request. They may contain secrets."""
    key_header: str = "Idempotency-Key"
    """The header that carries the idempotency key of a write."""
    risk: Literal["read", "write"] = "write"
    """``write`` if a call changes something, ``read`` if it only looks something up."""
    needs: Assurance = "verified"
    """How well the contact must be identified: anonymous, channel or verified."""
    confirm: bool | AmountLimitSettings | None = None
    """Whether the contact must confirm the action, or from which amount. By default writes are confirmed."""
    approve: bool | AmountLimitSettings = False
    """Whether a colleague must approve the action, or from which amount."""
    approver: ApproverRole = "agent"
    """The least role of a colleague who may approve the action: agent, admin or owner."""
    four_eyes: bool | AmountLimitSettings = False
    """Whether two different colleagues must approve the action, or from which amount."""
    per_contact_per_day: int = Field(default=0, ge=0)
    """How often one contact may use the action in a day; 0: no limit."""
    harmless: bool = False
    """The action may run even if the contact did not ask for it: it can be undone, or changes nothing outside."""
    timeout: float = Field(default=10, gt=0, le=60)
    """Seconds to wait for the endpoint. After that the outcome of a write counts as unknown."""
    examples: list[str] = []
    """Messages in which contacts ask for this action."""
    look_up: LookupSettings | None = None
    """The request that finds out whether a write was done. Without it a person has to find out."""

    @model_validator(mode="after")
    def _check(self) -> EndpointSettings:
        unknown = find_placeholders(self.url) - self.parameters.keys() - self.contact.keys()
        if unknown:
            raise ValueError(f"url: there is no parameter {sorted(unknown)[0]!r}")
        if self.look_up is not None and "key" not in find_placeholders(self.look_up.url):
            raise ValueError("look_up.url: must contain {key}")
        if self.risk == "write" and self.method == "GET":
            raise ValueError("method: a write cannot be a GET; use POST, or set `risk: read`")
        if self.parameters.keys() & self.contact.keys():
            raise ValueError("contact: a parameter already has this name")
        return self


class ActionLimits(Settings):
    """Rules for one action of this tenant that replace the action's own. A setting that is left out changes nothing."""

    needs: Assurance | None = None
    """How well the contact must be identified: anonymous, channel or verified."""
    confirm: bool | AmountLimitSettings | None = None
    """Whether the contact must confirm the action, or from which amount."""
    approve: bool | AmountLimitSettings | None = None
    """Whether a colleague must approve the action, or from which amount."""
    approver: ApproverRole | None = None
    """The least role of a colleague who may approve the action: agent, admin or owner."""
    four_eyes: bool | AmountLimitSettings | None = None
    """Whether two different colleagues must approve the action, or from which amount."""
    per_contact_per_day: int | None = Field(default=None, ge=0)
    """How often one contact may use the action in a day; 0: no limit."""
    harmless: bool | None = None
    """The action may run even if the contact did not ask for it."""
    offered: bool = True
    """False switches the action off for this tenant."""


class ActionSettings(Settings):
    """A tenant's actions."""

    sources: list[str] = []
    """Where actions are defined: Python files (relative to the configuration file), modules, or entry points in the
    group ``parley.actions``."""
    settings: dict[str, SecretStr] = {}
    """Values that the actions of ``sources`` can read, such as API keys."""
    http: dict[ActionName, EndpointSettings] = {}
    """Actions that call an HTTP endpoint, by name."""
    limits: dict[ActionName, ActionLimits] = {}
    """Rules that replace those of single actions, by the action's name."""
    timezone: Timezone = "UTC"
    """The tenant's time zone. It determines the meaning of words such as "tomorrow" in a message."""
    confirmation_minutes: float = Field(default=10, gt=0, le=24 * 60)
    """How long a contact has to confirm an action."""
    approval_hours: float = Field(default=24, gt=0, le=7 * 24)
    """How long colleagues have to approve an action."""
    settle_seconds: float = Field(default=30, ge=0, le=600)
    """How long to wait after an action timed out before looking up whether it was done."""
