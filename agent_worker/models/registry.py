"""Models by name, and the order in which they are tried."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, runtime_checkable

import structlog

from agent_worker.grounding.failures import AttemptFailed, Ungrounded
from agent_worker.models.budgets import TurnBudget
from agent_worker.models.circuit_breaker import CircuitBreaker
from agent_worker.models.ladder import Ladder, StreamedText, call_with_breaker
from agent_worker.models.request import Prompt
from agent_worker.models.staff_notes import StaffNote
from agent_worker.nlu.language_detection import detect_language, select_by_language
from agent_worker.settings import TenantRules, WorkerSettings
from agent_worker.voice import translate_voice
from schemas.errors import ConfigInvalid, ModelFailed
from schemas.ports import AnswerDraft, Model, Question

log = structlog.get_logger("parley.worker")
Emit = Callable[[str], Awaitable[None]]


@runtime_checkable
class Remote(Protocol):
    """A model that costs money and can repair a rejected answer."""

    async def attempt(
        self, question: Question, emit: Emit, budget: TurnBudget, refused: Ungrounded | None = None
    ) -> AnswerDraft:
        """``refused``: the previous attempt, to be written again. Raises AttemptFailed."""

    async def note(self, question: Question, prompt: Prompt, seconds: float) -> StaffNote:
        """A note for staff, written within ``seconds``. Raises AttemptFailed."""


@runtime_checkable
class SupportsClose(Protocol):
    async def close(self) -> None: ...


class BudgetLookup(Protocol):
    """The budgets of the day, as the router sees them."""

    async def share_left(self, tenant: str, contact: str) -> float | None:
        """See DayBudgets. None if it is not known."""


@dataclass(frozen=True, slots=True)
class FallbackRule:
    """``fallback``: models to try after this one, in order. ``breaker``: the model's."""

    fallback: tuple[str, ...] = ()
    breaker: CircuitBreaker = field(default_factory=CircuitBreaker)


def select_model(rules: TenantRules, text: str, locale: str) -> str:
    """The tenant's model for the message's language, else its general one."""
    return select_by_language(detect_language(text, locale), rules.models, rules.model) if rules.models else rules.model


class Models:
    """The ladder: the named model, one repair if the gate rejected its answer, its fallbacks, then the
    extractive model, which needs only the documents. ``failed`` is called with the model's name at each failure."""

    def __init__(
        self,
        models: Mapping[str, Model],
        *,
        last_resort: str = "local",
        failed: Callable[[str], None] = lambda _: None,
        fallback_rules: Mapping[str, FallbackRule] | None = None,
        settings: WorkerSettings | None = None,
        budgets: BudgetLookup | None = None,
    ) -> None:
        self._models = dict(models)
        # Computed once: checking an object against a protocol takes as long as the rest of a ladder step.
        self._remote = {id(model): model for model in models.values() if isinstance(model, Remote)}
        self._last_resort = last_resort
        self._failed = failed
        self._fallbacks = {name: FallbackRule() for name in models} | dict(fallback_rules or {})
        self._settings = settings or WorkerSettings(tenants={})
        self._budgets = budgets
        self._ladders: dict[tuple[str, ...], Sequence[Model]] = {}

    def ladder(self, *names: str) -> Sequence[Model]:
        """These models, their fallbacks, then the last resort. Raises ConfigInvalid for an unknown name."""
        ladder = self._ladders.get(names)
        if ladder is None:
            ladder = self._ladders[names] = self._build_ladder(names)
        return ladder

    def _build_ladder(self, names: Sequence[str]) -> Sequence[Model]:
        for name in names:
            if name not in self._models:
                raise ConfigInvalid(f"unknown model {name!r}", fix=f"use one of: {', '.join(sorted(self._models))}")
        after = [later for name in names for later in self._fallbacks[name].fallback]
        order = [name for name in dict.fromkeys([*names, *after]) if name != self._last_resort]
        return tuple(self._models[name] for name in (*order, self._last_resort) if name in self._models)

    async def budget_left(self, tenant: str, contact: str) -> float | None:
        """The share of today's budget that is left (0–1); None without budgets."""
        return None if self._budgets is None else await self._budgets.share_left(tenant, contact)

    async def answer(
        self,
        name: str,
        question: Question,
        emit: Emit,
        restart: Callable[[], Awaitable[None]],
        then: Sequence[str] = (),
    ) -> AnswerDraft:
        """``then`` names models to try afterwards. ``restart`` is called when the shown text is not the beginning of
        the answer. The draft lists the failures before it and includes their cost. Raises ModelFailed when every model
        failed."""
        rules = self._settings.of(question.tenant)
        streamed = StreamedText(emit, restart)
        ladder = Ladder(question, translate_voice(rules.voice, question.locale), streamed, self._failed)
        budget = _turn_budget(rules)
        for model in self.ladder(name, *then):
            draft = await self._ask(model, ladder, question, budget)
            if draft is not None:
                return await ladder.conclude(draft)
        raise ladder.failures[-1] if ladder.failures else ModelFailed("no model is configured")

    async def _ask(self, model: Model, ladder: Ladder, question: Question, budget: TurnBudget) -> AnswerDraft | None:
        remote = self._remote.get(id(model))
        if remote is None:
            return await self._ask_local(model, ladder, question)
        breaker = self._fallbacks[model.name].breaker
        draft = await ladder.attempt(model.name, lambda: remote.attempt(question, ladder.emit, budget), breaker)
        refused = ladder.failures[-1] if draft is None else None
        if not isinstance(refused, Ungrounded):
            return draft
        repair = lambda: remote.attempt(question, ladder.emit, budget, refused)  # noqa: E731
        return await ladder.attempt(model.name, repair, breaker)

    async def _ask_local(self, model: Model, ladder: Ladder, question: Question) -> AnswerDraft | None:
        """What was done comes before any other answer, what was refused after it."""
        if (done := ladder.report_results(model.name)) is not None:
            return done
        draft = await ladder.attempt(model.name, lambda: model.answer(question, ladder.emit))
        return draft if draft is None or draft.answered else ladder.report_refusals(model.name) or draft

    async def note(self, name: str, question: Question, prompt: Prompt, seconds: float) -> StaffNote | None:
        """Written by the first remote model of the ladder; None when there is none or it fails."""
        for model in self.ladder(name):
            remote = self._remote.get(id(model))
            if remote is None:
                continue
            try:
                breaker = self._fallbacks[model.name].breaker
                return await call_with_breaker(breaker, partial(remote.note, question, prompt, seconds))
            except AttemptFailed as error:
                log.warning("note_failed", model=model.name, reason=error.message)
                self._failed(model.name)
            return None
        return None

    async def close(self) -> None:
        for model in self._models.values():
            if isinstance(model, SupportsClose):
                await model.close()


def _turn_budget(rules: TenantRules) -> TurnBudget:
    budgets = rules.budgets
    return TurnBudget(budgets.turn_tokens, budgets.turn_cost, budgets.turn_steps, budgets.turn_seconds)
