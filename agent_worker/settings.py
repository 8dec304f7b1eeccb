"""The worker's settings: plain values, read once, frozen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from agent_worker.actions.spec import Action
from agent_worker.handoff.desk_service_level import DeskServiceLevel
from agent_worker.knowledge.answer_threshold import ANSWERABLE_ABOVE
from agent_worker.models.adapters import AdapterRule
from agent_worker.router.rules import RouteRules
from agent_worker.voice import DEFAULT_VOICE, Voice
from schemas.actions import ActionMemory
from schemas.privacy.cards import OwnNumbers


@dataclass(frozen=True, slots=True)
class FoldRules:
    """``quiet``: seconds to wait for more messages, by channel; ``others``: for the remaining channels. ``longest``
    seconds after the first waiting message, or after ``restarts`` restarts, later arrivals wait for the next turn."""

    quiet: Mapping[str, float] = field(default_factory=lambda: {"web": 0.3})
    others: float = 1.2
    longest: float = 15.0
    restarts: int = 2


@dataclass(frozen=True, slots=True)
class BudgetRules:
    """Limits of one tenant for a turn, and for a day (UTC) of a contact and of the tenant. 0 means no limit. Costs in
    US dollars."""

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
    """``actions`` by name, with ``settings`` shared by all. ``confirmation`` and ``approval``: seconds for which these
    questions stay open; ``settle``: seconds after an action's deadline before its outcome is looked up. ``own``:
    recognizes the tenant's own numbers, which are not card numbers. ``secret``: the key of hashes that nobody else can
    derive."""

    actions: Mapping[str, Action] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    confirmation: float = 600.0
    approval: float = 86_400.0
    settle: float = 30.0
    timezone: str = "UTC"
    own: OwnNumbers | None = None
    secret: bytes = b""

    def today(self, now: datetime) -> date:
        """The date in the tenant's time zone."""
        return now.astimezone(ZoneInfo(self.timezone)).date()

    @property
    def writing(self) -> bool:
        """Return whether any action changes something."""
        return any(action.writes for action in self.actions.values())

    def may_have_begun(self, memory: ActionMemory | None) -> bool:
        """Return whether an earlier attempt at a turn may have started an action that changes something. Where all of
        them are confirmed first, that takes an open question."""
        is_asked = memory is not None and memory.confirmation is not None
        return self.writing and (
            is_asked or any(action.writes and action.confirm is not True for action in self.actions.values())
        )


class MessageLimit(NamedTuple):
    """At most ``most`` messages in ``seconds``."""

    seconds: int
    most: int


@dataclass(frozen=True, slots=True)
class ContactRules:
    """Limits for the messages of one contact that may use models."""

    per_minute: int = 30
    per_hour: int = 300

    @property
    def spans(self) -> tuple[MessageLimit, ...]:
        return MessageLimit(60, self.per_minute), MessageLimit(3600, self.per_hour)


@dataclass(frozen=True, slots=True)
class TenantRules:
    """``answerable_above``: confidence (0–1) from which the documents count as answering;
    ``turns_at_once``: concurrent turns of the tenant in this process; ``models`` override ``model`` for messages in
    their language. ``masks_for_models``: remote models get placeholders instead of personal data. ``desk`` is None for
    tenants whose people only use the console."""

    voice: Voice = DEFAULT_VOICE
    fold: FoldRules = field(default_factory=FoldRules)
    answerable_above: float = ANSWERABLE_ABOVE
    turns_at_once: int = 2000
    model: str = "local"
    models: Mapping[str, str] = field(default_factory=dict)
    adapters: Sequence[AdapterRule] = ()
    budgets: BudgetRules = BudgetRules()
    routes: RouteRules = field(default_factory=RouteRules)
    actions: ActionRules = field(default_factory=ActionRules)
    contact: ContactRules = ContactRules()
    masks_for_models: bool = True
    desk: DeskServiceLevel | None = None

    @property
    def asks_models(self) -> bool:
        """Return whether an answer may cost anything."""
        return bool({self.model, *self.models.values(), self.routes.cheap, self.routes.strong} - {"local", ""})

    def without_paid_models(self) -> TenantRules:
        """The same rules without models that cost anything."""
        return replace(self, model="local", models={}, adapters=(), routes=replace(self.routes, cheap="", strong=""))


_DEFAULT_RULES = TenantRules()


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """``live_text``: channels that show text while it is written; ``hinted``: channels that show a typing indicator;
    ``announced``: channels with live replies, whose connectors get an event when a reply begins."""

    tenants: Mapping[str, TenantRules]
    live_text: frozenset[str] = frozenset({"web"})
    hinted: frozenset[str] = frozenset()
    announced: frozenset[str] = frozenset()

    def of(self, tenant: str) -> TenantRules:
        """The tenant's rules. A tenant that is no longer configured gets the defaults, because its records still have
        to be handled."""
        return self.tenants.get(tenant, _DEFAULT_RULES)
