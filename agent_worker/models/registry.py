"""Which model answers: by name, and what to try when it fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, runtime_checkable

import structlog

from agent_worker.grounding.failures import AttemptFailed, Ungrounded
from agent_worker.models.budgets import Allowance, DayBudgets
from agent_worker.models.circuit_breaker import Breaker
from agent_worker.models.fallback import Ladder, Shown, behind
from agent_worker.models.request import Prompt
from agent_worker.models.staff_notes import Note
from agent_worker.nlu.language_detection import kept_for, language_of
from agent_worker.settings import TenantRules, WorkerSettings
from schemas.errors import ConfigInvalid, ModelFailed
from schemas.ports import Draft, Model, Question

log = structlog.get_logger("parley.worker")
Emit = Callable[[str], Awaitable[None]]


@runtime_checkable
class Remote(Protocol):
    """A model that costs something, and that can be told what the gate objected to."""

    async def attempt(
        self, question: Question, emit: Emit, allowance: Allowance, refused: Ungrounded | None = None
    ) -> Draft:
        """``refused``: the attempt before, to be written once more. Raises AttemptFailed."""

    async def note(self, question: Question, prompt: Prompt, seconds: float) -> Note:
        """What it writes for people alone, within so many seconds. Raises AttemptFailed."""


@runtime_checkable
class Closing(Protocol):
    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Standing:
    """``fallback``: the models to try after this one, in order. ``breaker``: of its provider."""

    fallback: tuple[str, ...] = ()
    breaker: Breaker = field(default_factory=Breaker)


def chosen(rules: TenantRules, text: str, locale: str) -> str:
    """The model that the tenant has for this language, else the one for all."""
    return kept_for(language_of(text, locale), rules.models, rules.model) if rules.models else rules.model


class Models:
    """The ladder of design §8: the named model, once more if the gate objected, those after it, then the extractive
    one, which needs nothing but the documents. ``failed`` is told the name of a model with each of its failures."""

    def __init__(
        self,
        models: Mapping[str, Model],
        *,
        last_resort: str = "local",
        failed: Callable[[str], None] = lambda _: None,
        standings: Mapping[str, Standing] | None = None,
        settings: WorkerSettings | None = None,
        budgets: DayBudgets | None = None,
    ) -> None:
        self._models = dict(models)
        # Once: to compare an object with a protocol takes as long as all the rest of a step of the ladder.
        self._remote = {id(model): model for model in models.values() if isinstance(model, Remote)}
        self._last = last_resort
        self._failed = failed
        self._standings = {name: Standing() for name in models} | dict(standings or {})
        self._settings = settings or WorkerSettings(tenants={})
        self._budgets = budgets
        self._ladders: dict[tuple[str, ...], Sequence[Model]] = {}

    def ladder(self, *names: str) -> Sequence[Model]:
        """These, then those that stand after them, then the last resort. Raises ConfigInvalid for a name that is not in
        the registry."""
        known = self._ladders.get(names)
        if known is None:
            known = self._ladders[names] = self._built(names)
        return known

    def _built(self, names: Sequence[str]) -> Sequence[Model]:
        for name in names:
            if name not in self._models:
                raise ConfigInvalid(f"unknown model {name!r}", fix=f"use one of: {', '.join(sorted(self._models))}")
        after = [later for name in names for later in self._standings[name].fallback]
        order = [name for name in dict.fromkeys([*names, *after]) if name != self._last]
        return tuple(self._models[name] for name in (*order, self._last) if name in self._models)

    async def left(self, tenant: str, contact: str) -> float | None:
        """The share of today's budget that is left (0–1); None when nothing is counted."""
        return None if self._budgets is None else await self._budgets.left(tenant, contact)

    async def answer(
        self,
        name: str,
        question: Question,
        emit: Emit,
        restart: Callable[[], Awaitable[None]],
        then: Sequence[str] = (),
    ) -> Draft:
        """``then`` names models to be tried after it. ``restart`` is called when what was shown is not how the answer
        begins. The draft says what failed before it, and bears its cost. Raises ModelFailed when every rung failed."""
        rules = self._settings.of(question.tenant)
        shown = Shown(emit, restart)
        way = Ladder(question, rules.voice, shown, self._failed)
        allowance = _allowance(rules)
        for model in self.ladder(name, *then):
            draft = await self._ask(model, way, question, allowance)
            if draft is not None:
                return await way.conclude(draft)
        raise way.failures[-1] if way.failures else ModelFailed("no model is configured")

    async def _ask(self, model: Model, way: Ladder, question: Question, allowance: Allowance) -> Draft | None:
        remote = self._remote.get(id(model))
        if remote is None:
            return way.told(model.name) or await way.attempt(model.name, lambda: model.answer(question, way.emit))
        breaker = self._standings[model.name].breaker
        draft = await way.attempt(model.name, lambda: remote.attempt(question, way.emit, allowance), breaker)
        refused = way.failures[-1] if draft is None else None
        if not isinstance(refused, Ungrounded):
            return draft
        again = lambda: remote.attempt(question, way.emit, allowance, refused)  # noqa: E731
        return await way.attempt(model.name, again, breaker)

    async def note(self, name: str, question: Question, prompt: Prompt, seconds: float) -> Note | None:
        """By the first model of the ladder that costs something; None when there is none, or it fails."""
        for model in self.ladder(name):
            remote = self._remote.get(id(model))
            if remote is None:
                continue
            try:
                breaker = self._standings[model.name].breaker
                return await behind(breaker, partial(remote.note, question, prompt, seconds))
            except AttemptFailed as error:
                log.warning("note_failed", model=model.name, reason=error.message)
                self._failed(model.name)
            return None
        return None

    async def close(self) -> None:
        for model in self._models.values():
            if isinstance(model, Closing):
                await model.close()


def _allowance(rules: TenantRules) -> Allowance:
    budgets = rules.budgets
    return Allowance(budgets.turn_tokens, budgets.turn_cost, budgets.turn_steps, budgets.turn_seconds)
