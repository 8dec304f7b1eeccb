"""Adapters of a model: which of them answers a conversation in place of the model that they were trained on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from agent_worker.router.decision import Route

_DIGITS = 12


@dataclass(frozen=True, slots=True)
class AdapterRule:
    """``model``: the adapter's entry in the registry; ``base``: the one that it replaces. ``share``: of conversations,
    0 to 1; ``locale``: only in this language, empty for all."""

    model: str
    base: str
    share: float = 1.0
    locale: str = ""


def choose_adapter(rules: Sequence[AdapterRule], base: str, conversation: str, locale: str) -> str:
    """The adapter that answers the conversation, or the model itself. A conversation keeps its adapter, whichever
    worker handles it, as long as the shares are the same."""
    point = _place(base, conversation)
    for rule in rules:
        if rule.base != base or not _is_for(rule, locale):
            continue
        if point < rule.share:
            return rule.model
        point -= rule.share
    return base


def apply_adapters(route: Route, rules: Sequence[AdapterRule], conversation: str, locale: str) -> Route:
    """The route with adapters in place of models. The model itself is tried next, in case that its adapter fails."""
    if not rules:
        return route
    models: list[str] = []
    reasons: list[str] = []
    for base in route.models:
        chosen = choose_adapter(rules, base, conversation, locale)
        if chosen != base:
            models.append(chosen)
            reasons.append(f"adapter {chosen} in place of {base}")
        models.append(base)
    return replace(route, models=tuple(models), reasons=(*route.reasons, *reasons)) if reasons else route


def _is_for(rule: AdapterRule, locale: str) -> bool:
    return not rule.locale or rule.locale.casefold() in (locale.casefold(), locale.casefold().partition("-")[0])


def _place(base: str, conversation: str) -> float:
    """A number from 0 to 1 that stays the same for the conversation."""
    digest = hashlib.sha256(f"{base}:{conversation}".encode()).hexdigest()
    return float(int(digest[:_DIGITS], 16) / 16**_DIGITS)
