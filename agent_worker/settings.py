"""What the worker is told by whoever composes it: plain values, read once, frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from agent_worker.actions.spec import Action
from agent_worker.handoff.desk_rules import DeskTerms
from agent_worker.phrases import PLAIN, Voice
from agent_worker.router.rules import RouteRules
from schemas.privacy.cards import OwnNumbers


@dataclass(frozen=True, slots=True)
class FoldRules:
    """``quiet`` is seconds to wait for more messages, by channel; ``others`` for the rest. ``longest`` seconds after
    the first waiting message, or after ``restarts`` restarts, later arrivals wait for the next turn."""

    quiet: Mapping[str, float] = field(default_factory=lambda: {"web": 0.3})
    others: float = 1.2
    longest: float = 15.0
    restarts: int = 2

    def quiet_for(self, channel: str) -> float:
        return self.quiet.get(channel, self.others)


@dataclass(frozen=True, slots=True)
class BudgetRules:
    """Of one tenant. What one turn may take; and what a contact and the tenant may take a day (UTC), 0 being without
    bound. Costs in US dollars."""

    turn_tokens: int = 400_000
    turn_cost: float = 1.0
    turn_steps: int = 6
    turn_seconds: float = 90.0
    contact_tokens_a_day: int = 2_000_000
    contact_cost_a_day: float = 5.0
    tokens_a_day: int = 0
    cost_a_day: float = 0.0


@dataclass(frozen=True, slots=True)
class ActionRules:
    """``actions`` by name, with ``settings`` for all of them. ``confirmation`` and ``approval``: seconds for which
    these questions stay open; ``settle``: seconds after an action's deadline before anybody looks what came of it.
    ``own``: what finds the tenant's own numbers, which are no cards'."""

    actions: Mapping[str, Action] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    confirmation: float = 600.0
    approval: float = 86_400.0
    settle: float = 30.0
    timezone: str = "UTC"
    own: OwnNumbers | None = None

    def today(self, now: datetime) -> date:
        """The day on which the tenant is, by which "tomorrow" is reckoned."""
        return now.astimezone(ZoneInfo(self.timezone)).date()

    @property
    def writing(self) -> bool:
        """Whether any of them changes something."""
        return any(action.writes for action in self.actions.values())


class Span(NamedTuple):
    """So many messages in so many seconds."""

    seconds: int
    most: int


@dataclass(frozen=True, slots=True)
class ContactRules:
    """For how many messages of one contact models are asked."""

    per_minute: int = 30
    per_hour: int = 300

    @property
    def spans(self) -> tuple[Span, ...]:
        return Span(60, self.per_minute), Span(3600, self.per_hour)


@dataclass(frozen=True, slots=True)
class TenantRules:
    """``answerable_above`` is the confidence (0–1) from which the documents count as holding the answer;
    ``turns_at_once`` how many turns of the tenant this process may work on at the same time; ``models`` go before
    ``model`` for messages of their language. ``desk`` is None where people work in the console alone."""

    voice: Voice = PLAIN
    fold: FoldRules = field(default_factory=FoldRules)
    answerable_above: float = 0.5
    turns_at_once: int = 2000
    model: str = "local"
    models: Mapping[str, str] = field(default_factory=dict)
    budgets: BudgetRules = BudgetRules()
    routes: RouteRules = field(default_factory=RouteRules)
    actions: ActionRules = field(default_factory=ActionRules)
    contact: ContactRules = ContactRules()
    desk: DeskTerms | None = None

    @property
    def asks_models(self) -> bool:
        """Whether an answer may cost anything."""
        return bool({self.model, *self.models.values(), self.routes.cheap, self.routes.strong} - {"local", ""})

    def frugal(self) -> TenantRules:
        """The same, but that nobody is asked who costs anything."""
        return replace(self, model="local", models={}, routes=replace(self.routes, cheap="", strong=""))


_UNKNOWN = TenantRules()


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """``streaming`` names the channels that show text while it is written, ``hinted`` those whose vendors show that an
    answer is being written; ``announced`` those where connectors show the text, and are told that a reply begins."""

    tenants: Mapping[str, TenantRules]
    streaming: frozenset[str] = frozenset({"web"})
    hinted: frozenset[str] = frozenset()
    announced: frozenset[str] = frozenset()

    def of(self, tenant: str) -> TenantRules:
        """The tenant's rules; defaults for one that is no longer configured, whose records must still be handled."""
        return self.tenants.get(tenant, _UNKNOWN)
