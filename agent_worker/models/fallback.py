"""One answer's way down: what failed so far and what it cost, what was shown, and what is said at the end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import structlog

from agent_worker.grounding.failures import AttemptFailed, NotAsked, Ungrounded
from agent_worker.handoff.handback import since_people
from agent_worker.handoff.reply_templates import handoff_draft, wait_draft
from agent_worker.models.action_calls import told_of
from agent_worker.models.circuit_breaker import Breaker
from agent_worker.phrases import Voice
from schemas.errors import ModelFailed
from schemas.messages import Citation
from schemas.ports import ActionResult, Draft, Passage, Question

Written = TypeVar("Written")
log = structlog.get_logger("parley.worker")


class Shown:
    """What the contact sees while the answer is written."""

    def __init__(self, emit: Callable[[str], Awaitable[None]], take_back: Callable[[], Awaitable[None]]) -> None:
        self._emit = emit
        self._take_back = take_back
        self._text = ""

    async def emit(self, sentence: str) -> None:
        self._text += sentence
        await self._emit(sentence)

    async def restart(self) -> None:
        self._text = ""
        await self._take_back()

    async def settle(self, text: str) -> None:
        """What was shown is how the text begins, or is taken back: never a half reply."""
        if not text.startswith(self._text.strip()):
            await self.restart()


@dataclass(slots=True)
class Ladder:
    """``failed`` is told of each failure that was the model's own. ``results``: of actions in attempts that failed."""

    question: Question
    voice: Voice
    shown: Shown
    failed: Callable[[str], None]
    failures: list[ModelFailed] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    results: list[ActionResult] = field(default_factory=list)
    tokens: int = 0
    cost: float = 0.0

    async def emit(self, sentence: str) -> None:
        await self.shown.emit(sentence)

    async def attempt(
        self, name: str, answer: Callable[[], Awaitable[Draft]], breaker: Breaker | None = None
    ) -> Draft | None:
        """None when it failed."""
        if self.failures:
            await self.shown.restart()
        try:
            return await behind(breaker, answer)
        except ModelFailed as error:
            self._note(name, error)
            return None

    def _note(self, name: str, error: ModelFailed) -> None:
        self.failures.append(error)
        if isinstance(error, NotAsked):
            self.reasons.append(f"model {name} not asked: {error.message}")
        else:
            log.warning("model_failed", model=name, reason=error.message)
            self.failed(name)
            why = f" ({error.reason})" if isinstance(error, Ungrounded) else ""
            self.reasons.append(f"model {name} failed: {error.message}{why}")
        if isinstance(error, AttemptFailed):
            self.tokens += error.tokens
            self.cost += error.cost
            self.results += [result for result in error.results if result not in self.results]

    def told(self, name: str) -> Draft | None:
        """What was done before everything failed is said in its own words. None when nothing was done."""
        told = [
            (result.say or passage.text, passage)
            for result in self.results
            if (passage := result.told or told_of(self.question.tenant, result)) is not None
        ]
        return _told(told, name) if told else None

    async def conclude(self, draft: Draft) -> Draft:
        """The draft with what failed before it. When nobody could look properly, that is said instead of "it is not in
        the documents"; to whom it was said before, people are called."""
        if not draft.answered and any(_away(error) for error in self.failures):
            draft = self._waiting(draft)
        await self.shown.settle(draft.text)
        if not self.failures:
            return draft
        tokens, cost = draft.tokens + self.tokens, draft.cost + self.cost
        return replace(draft, tokens=tokens, cost=cost, reasons=[*self.reasons, *draft.reasons])

    def _waiting(self, draft: Draft) -> Draft:
        said = [line.text for line in since_people(self.question.history) if line.author.kind == "agent"]
        if said and said[-1] == self.voice.wait:
            return replace(handoff_draft(self.voice, draft.model), reasons=["no model for the second time in a row"])
        return wait_draft(self.voice, draft.model)


async def behind(breaker: Breaker | None, answer: Callable[[], Awaitable[Written]]) -> Written:
    """Ask whoever stands behind the breaker, and tell it what came of that."""
    if breaker is None:
        return await answer()
    breaker.ask()
    try:
        written = await answer()
    except NotAsked:
        breaker.gave_up()
        raise
    except AttemptFailed as error:
        breaker.failed(error)
        raise
    except BaseException:
        breaker.gave_up()
        raise
    breaker.worked()
    return written


def _away(error: ModelFailed) -> bool:
    return isinstance(error, NotAsked) or (isinstance(error, AttemptFailed) and error.outage)


def _told(told: Sequence[tuple[str, Passage]], name: str) -> Draft:
    """Each text as it stands, with the number of its passage."""
    text = "\n".join(f"{said.strip()} [{n}]" for n, (said, _) in enumerate(told, 1))
    citations = [
        Citation(
            n=n,
            document=passage.document,
            title=passage.title,
            heading=passage.heading,
            url=passage.url,
            version=passage.version,
            quote=passage.text.strip(),
        )
        for n, (_, passage) in enumerate(told, 1)
    ]
    reasons = ["an action was called before the model failed"]
    return Draft(text=text, answered=True, citations=citations, model=name, reasons=reasons)
