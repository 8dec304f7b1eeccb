"""The tenants' actions, built from the configuration."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, create_model

from agent_worker.actions.http_action import ActionEndpoint, EndpointAnswer
from agent_worker.actions.policy import PolicyOverrides
from agent_worker.actions.registry import load_actions
from agent_worker.actions.spec import Action, AmountLimit, check_declaration, exceeds
from agent_worker.settings import ActionRules
from gateway.config.actions import ActionSettings, AmountLimitSettings, EndpointSettings, ParameterSettings
from gateway.config.secret_keys import derive_key
from schemas.errors import ConfigInvalid
from schemas.privacy.cards import OwnNumbers

EMAIL_PATTERN = r"^[^@\s]{1,64}@[^@\s]{1,255}$"
MAX_TEXT_LENGTH = 2_000
"""Maximum length of a text parameter, in characters."""


def build_action_rules(
    tenant: str,
    settings: ActionSettings,
    own: OwnNumbers | None = None,
    *,
    secret_key: str = "",
    built_in: Iterable[Action] = (),
) -> ActionRules:
    """The actions of a tenant and their rules. ``own`` finds the tenant's own numbers; ``built_in``: actions that come
    with Parley. Raises ConfigInvalid."""
    try:
        declared = [_build_action(name, each) for name, each in settings.http.items()]
        actions = load_actions(settings.sources, [*declared, *built_in])
        return ActionRules(
            actions=_apply_limits(actions, settings),
            settings={name: secret.get_secret_value() for name, secret in settings.settings.items()},
            confirmation=settings.confirmation_minutes * 60,
            approval=settings.approval_hours * 3600,
            settle=settings.settle_seconds,
            timezone=settings.timezone,
            own=own,
            secret=derive_key(secret_key, f"actions/{tenant}"),
        )
    except ConfigInvalid as error:
        raise ConfigInvalid(f"tenants.{tenant}.actions: {error.message}", fix=error.fix) from error


def _apply_limits(actions: Mapping[str, Action], settings: ActionSettings) -> dict[str, Action]:
    unknown = settings.limits.keys() - actions.keys()
    if unknown:
        raise ConfigInvalid(
            f"limits: there is no action {sorted(unknown)[0]!r}",
            fix=f"the actions are: {', '.join(sorted(actions)) or 'none'}",
        )
    limited = dict(actions)
    for name, limits in settings.limits.items():
        changed = PolicyOverrides(
            needs=limits.needs,
            confirm=_to_rule(limits.confirm),
            approve=_to_rule(limits.approve),
            approver=limits.approver,
            four_eyes=_to_rule(limits.four_eyes),
            per_contact_per_day=limits.per_contact_per_day,
            harmless=limits.harmless,
        ).apply_to(actions[name])
        check_declaration(changed)
        limited[name] = changed
    return {
        name: action for name, action in limited.items() if name not in settings.limits or settings.limits[name].offered
    }


def _to_rule(rule: bool | AmountLimitSettings | None) -> Any:
    return (
        exceeds(rule.parameter, rule.above, currency=rule.currency) if isinstance(rule, AmountLimitSettings) else rule
    )


def _build_action(name: str, endpoint: EndpointSettings) -> Action:
    confirm: bool | AmountLimit | None = _to_rule(endpoint.confirm)
    http_endpoint = _build_endpoint(endpoint)
    action = Action(
        name=name,
        title=endpoint.title or name.replace("_", " ").capitalize(),
        description=endpoint.description,
        model=_build_arguments(name, endpoint.parameters),
        answer=EndpointAnswer,
        run=http_endpoint.run,
        risk=endpoint.risk,
        needs=endpoint.needs,
        confirm=endpoint.risk == "write" if confirm is None else confirm,
        approve=_to_rule(endpoint.approve),
        approver=endpoint.approver,
        four_eyes=_to_rule(endpoint.four_eyes),
        per_contact_per_day=endpoint.per_contact_per_day,
        harmless=endpoint.harmless,
        timeout=endpoint.timeout,
        examples=tuple(endpoint.examples),
        look_up=http_endpoint.look_up if endpoint.look_up else None,
        absent=endpoint.look_up.absent if endpoint.look_up else "unsure",
        sensitive=[key for key, each in endpoint.parameters.items() if each.sensitive],
    )
    check_declaration(action)
    return action


def _build_endpoint(endpoint: EndpointSettings) -> ActionEndpoint:
    return ActionEndpoint(
        method=endpoint.method,
        url=endpoint.url,
        contact=endpoint.contact,
        headers={key: secret.get_secret_value() for key, secret in endpoint.headers.items()},
        key_header=endpoint.key_header if endpoint.risk == "write" else "",
        look_up_url=endpoint.look_up.url if endpoint.look_up else "",
    )


def _build_arguments(name: str, parameters: Mapping[str, ParameterSettings]) -> type[BaseModel]:
    fields: dict[str, Any] = {key: _build_field(each) for key, each in parameters.items()}
    return create_model(f"{name.title().replace('_', '')}Arguments", **fields)


def _build_field(parameter: ParameterSettings) -> tuple[Any, Any]:
    kind: Any = _PYTHON_TYPES[parameter.type]
    limits: dict[str, Any] = {"title": parameter.title or None, "description": parameter.description or None}
    if parameter.type in ("whole", "number", "amount"):
        limits |= {"ge": parameter.least, "le": parameter.most}
    elif parameter.options:
        kind = Literal[tuple(parameter.options)]
    elif parameter.type == "text":
        limits |= {
            "max_length": MAX_TEXT_LENGTH,
            "pattern": f"^(?:{parameter.pattern})$" if parameter.pattern else None,
        }
    hints = {"ask": parameter.ask, "currency": parameter.currency}
    limits["json_schema_extra"] = {key: text for key, text in hints.items() if text}
    annotated = Annotated[kind, Field(**limits)]
    return (annotated, ...) if parameter.required else (annotated | None, None)


_PYTHON_TYPES: dict[str, Any] = {
    "text": str,
    "whole": int,
    "number": Annotated[float, Field(allow_inf_nan=False)],
    "amount": Annotated[Decimal, Field(max_digits=14, decimal_places=2)],
    "date": datetime.date,
    "email": Annotated[str, Field(pattern=EMAIL_PATTERN)],
    "yes_no": bool,
}
