"""The fallback ladder of one answer: failed attempts with their cost, the text shown so far, and the final draft."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import structlog

from agent_worker.grounding.answer_check import is_refusal
from agent_worker.grounding.failures import AttemptFailed, NotSent, Ungrounded
from agent_worker.handoff.handback import lines_after_handback
from agent_worker.handoff.reply_templates import handoff_draft, wait_draft
from agent_worker.models.action_calls import passage_from_result
from agent_worker.models.circuit_breaker import CircuitBreaker
from agent_worker.voice import Voice
from schemas.errors import ModelFailed
from schemas.ports import ActionResult, AnswerDraft, Passage, Question

Output = TypeVar("Output")
log = structlog.get_logger("parley.worker")


class StreamedText:
    """The text that the contact sees while the answer is written."""

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

    async def finish(self, text: str) -> None:
        """Retract the shown text unless the final text begins with it, so that no half reply remains."""
        if not text.startswith(self._text.strip()):
            await self.restart()


@dataclass(slots=True)
class Ladder:
    """``on_failure`` is called with the model's name for each failure that is the model's own. ``results``: of actions
    in failed attempts."""

    question: Question
    voice: Voice
    streamed: StreamedText
    on_failure: Callable[[str], None]
    failures: list[ModelFailed] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    results: list[ActionResult] = field(default_factory=list)
    tokens: int = 0
    cost: float = 0.0

    async def emit(self, sentence: str) -> None:
        await self.streamed.emit(sentence)

    async def attempt(
        self, name: str, answer: Callable[[], Awaitable[AnswerDraft]], breaker: CircuitBreaker | None = None
    ) -> AnswerDraft | None:
        """The draft; None when the attempt failed."""
        if self.failures:
            await self.streamed.restart()
        try:
            return await call_with_breaker(breaker, answer)
        except ModelFailed as error:
            self._note(name, error)
            return None

    def _note(self, name: str, error: ModelFailed) -> None:
        self.failures.append(error)
        if isinstance(error, NotSent):
            self.reasons.append(f"model {name} not asked: {error.message}")
        else:
            log.warning("model_failed", model=name, reason=error.message)
            self.on_failure(name)
            why = f" ({error.reason})" if isinstance(error, Ungrounded) else ""
            self.reasons.append(f"model {name} failed: {error.message}{why}")
        if isinstance(error, AttemptFailed):
            self.tokens += error.tokens
            self.cost += error.cost
            self.results += [result for result in error.results if result not in self.results]

    def report_results(self, name: str) -> AnswerDraft | None:
        """A draft about the actions that were done before every model failed. None when there were none."""
        return self._report([result for result in self.results if result.outcome != "refused"], name)

    def report_refusals(self, name: str) -> AnswerDraft | None:
        """A draft about the actions that were refused with a reason, for a question that has no other answer: nobody
        knows whether the contact wanted them, or somebody whose words the model obeyed."""
        refused = [result for result in self.results if result.outcome == "refused"]
        return self._report([result for result in refused if not self._says_nothing(result)], name)

    def _report(self, results: Sequence[ActionResult], name: str) -> AnswerDraft | None:
        reports = [
            (result.say or passage.text, passage)
            for result in results
            if (passage := result.evidence or passage_from_result(self.question.tenant, result)) is not None
        ]
        return _results_draft(reports, name) if reports else None

    def _says_nothing(self, result: ActionResult) -> bool:
        return bool(result.say) and is_refusal(result.say, [self.voice.action_refused])

    async def conclude(self, draft: AnswerDraft) -> AnswerDraft:
        """Add the failed attempts to the draft. When an outage prevented a proper search, the draft says so instead of
        claiming that the documents do not contain the answer; the second time in a row people are called."""
        if not draft.answered and any(_is_outage(error) for error in self.failures):
            draft = self._wait_or_handoff(draft)
        await self.streamed.finish(draft.text)
        if not self.failures:
            return draft
        tokens, cost = draft.tokens + self.tokens, draft.cost + self.cost
        return replace(draft, tokens=tokens, cost=cost, reasons=[*self.reasons, *draft.reasons])

    def _wait_or_handoff(self, draft: AnswerDraft) -> AnswerDraft:
        earlier = [line.text for line in lines_after_handback(self.question.history) if line.author.kind == "agent"]
        if earlier and earlier[-1] == self.voice.models_unavailable:
            return replace(handoff_draft(self.voice, draft.model), reasons=["no model for the second time in a row"])
        return wait_draft(self.voice, draft.model)


async def call_with_breaker(breaker: CircuitBreaker | None, answer: Callable[[], Awaitable[Output]]) -> Output:
    """Call through the breaker and report the outcome to it."""
    if breaker is None:
        return await answer()
    breaker.acquire()
    try:
        output = await answer()
    except NotSent:
        breaker.release()
        raise
    except AttemptFailed as error:
        breaker.record_failure(error)
        raise
    except BaseException:
        breaker.release()
        raise
    breaker.record_success()
    return output


def _is_outage(error: ModelFailed) -> bool:
    return isinstance(error, NotSent) or (isinstance(error, AttemptFailed) and error.outage)


def _results_draft(reports: Sequence[tuple[str, Passage]], name: str) -> AnswerDraft:
    """Each text as it is, with its passage's number."""
    text = "\n".join(f"{said.strip()} [{n}]" for n, (said, _) in enumerate(reports, 1))
    citations = [passage.cite(n, passage.text.strip()) for n, (_, passage) in enumerate(reports, 1)]
    reasons = ["an action was called before the model failed"]
    return AnswerDraft(text=text, answered=True, citations=citations, model=name, reasons=reasons)
