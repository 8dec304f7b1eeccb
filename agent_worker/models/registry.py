"""Which model answers: by name, and what to try when it fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

import structlog

from agent_worker.grounding.failures import AttemptFailed, Ungrounded
from schemas.errors import ConfigInvalid, ModelFailed
from schemas.ports import Draft, Model, Question

log = structlog.get_logger("parley.worker")
Emit = Callable[[str], Awaitable[None]]


@runtime_checkable
class Repairing(Protocol):
    """A model that can be told what the gate objected to, and writes once more."""

    async def repair(self, question: Question, refused: Ungrounded, emit: Emit) -> Draft: ...


@runtime_checkable
class Closing(Protocol):
    async def close(self) -> None: ...


@dataclass(slots=True)
class Ladder:
    """One answer's way down: what failed so far, and what it cost."""

    restart: Callable[[], Awaitable[None]]
    failed: Callable[[str], None]
    failures: list[ModelFailed] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    tokens: int = 0
    cost: float = 0.0

    async def attempt(self, name: str, answer: Callable[[], Awaitable[Draft]]) -> Draft | None:
        """None when it failed."""
        if self.failures:
            await self.restart()
        try:
            draft = await answer()
        except ModelFailed as error:
            log.warning("model_failed", model=name, reason=error.message)
            self.failed(name)
            self._note(name, error)
            return None
        if not self.failures:
            return draft
        tokens, cost = draft.tokens + self.tokens, draft.cost + self.cost
        return replace(draft, tokens=tokens, cost=cost, reasons=[*self.reasons, *draft.reasons])

    def _note(self, name: str, error: ModelFailed) -> None:
        self.failures.append(error)
        why = f" ({error.reason})" if isinstance(error, Ungrounded) else ""
        self.reasons.append(f"model {name} failed: {error.message}{why}")
        if isinstance(error, AttemptFailed):
            self.tokens += error.tokens
            self.cost += error.cost


class Models:
    """The ladder of design §8: the named model, once more if the gate objected, then the extractive one, which needs
    nothing but the documents. ``failed`` is told the name of a model with each of its failures."""

    def __init__(
        self, models: Mapping[str, Model], *, last_resort: str = "local", failed: Callable[[str], None] = lambda _: None
    ) -> None:
        self._models = dict(models)
        self._last = last_resort
        self._failed = failed

    def ladder(self, *names: str) -> list[Model]:
        """Raises ConfigInvalid for a name that is not in the registry."""
        for name in names:
            if name not in self._models:
                raise ConfigInvalid(f"unknown model {name!r}", fix=f"use one of: {', '.join(sorted(self._models))}")
        last = [self._last] if self._last in self._models else []
        return [self._models[name] for name in dict.fromkeys([*names, *last])]

    async def answer(
        self,
        name: str,
        question: Question,
        emit: Emit,
        restart: Callable[[], Awaitable[None]],
        then: Sequence[str] = (),
    ) -> Draft:
        """``then`` names models to be tried before the extractive one. ``restart`` is called before another attempt
        begins, so that what was shown can be taken back. The draft says what failed before it, and bears its cost.
        Raises ModelFailed when every rung failed."""
        way = Ladder(restart, self._failed)
        for model in self.ladder(name, *then):
            draft = await way.attempt(model.name, lambda model=model: model.answer(question, emit))  # type: ignore[misc]
            if draft is None:
                draft = await self._repaired(model, way, question, emit)
            if draft is not None:
                return draft
        raise way.failures[-1] if way.failures else ModelFailed("no model is configured")

    async def _repaired(self, model: Model, way: Ladder, question: Question, emit: Emit) -> Draft | None:
        refused = way.failures[-1]
        if not isinstance(refused, Ungrounded) or not isinstance(model, Repairing):
            return None
        return await way.attempt(model.name, lambda: model.repair(question, refused, emit))

    async def close(self) -> None:
        for model in self._models.values():
            if isinstance(model, Closing):
                await model.close()
