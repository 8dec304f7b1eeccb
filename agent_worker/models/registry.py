"""Which model answers: by name, and what to try when it fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import structlog

from schemas.errors import ConfigInvalid, ModelFailed
from schemas.ports import Draft, Model, Question

log = structlog.get_logger("parley.worker")
Emit = Callable[[str], Awaitable[None]]


class Models:
    """The ladder of design §8: the named model, then the extractive one, which needs nothing but the documents."""

    def __init__(self, models: Mapping[str, Model], *, last_resort: str = "local") -> None:
        self._models = dict(models)
        self._last = last_resort

    def ladder(self, name: str) -> list[Model]:
        """Raises ConfigInvalid for a name that is not in the registry."""
        if name not in self._models:
            raise ConfigInvalid(f"unknown model {name!r}", fix=f"use one of: {', '.join(sorted(self._models))}")
        last = self._models.get(self._last)
        first = self._models[name]
        return [first] if last is None or last is first else [first, last]

    async def answer(self, name: str, question: Question, emit: Emit, restart: Callable[[], Awaitable[None]]) -> Draft:
        """``restart`` is called before another model begins, so that what was shown can be taken back.
        Raises ModelFailed when every rung failed."""
        failure: ModelFailed | None = None
        for model in self.ladder(name):
            try:
                if failure is not None:
                    await restart()
                return await model.answer(question, emit)
            except ModelFailed as error:
                log.warning("model_failed", model=model.name, reason=error.message)
                failure = error
        raise failure or ModelFailed("no model is configured")
