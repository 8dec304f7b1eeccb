"""A model elsewhere, behind the Model port: asked with numbered passages, believed only through the gate."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace

from agent_worker.grounding.failures import AttemptFailed, Incomplete, Ungrounded
from agent_worker.grounding.gate import Gate
from agent_worker.handoff.reply_templates import not_found_draft
from agent_worker.models.action_calls import Calls, askable, asked_draft
from agent_worker.models.budgets import Allowance, DayBudgets, Spend
from agent_worker.models.local.multiple_questions import (
    before_action,
    beside_action,
    questions_of,
    unanswered,
    with_naming,
)
from agent_worker.models.local.set_phrases import set_phrase
from agent_worker.models.prompt import Canary, again, prompt_of, system_of, with_offers
from agent_worker.models.providers.provider import Source, Terms, Usage
from agent_worker.models.providers.streamed_answer import Attempt, Step
from agent_worker.models.registry import Emit
from agent_worker.models.request import Prompt, Wrote
from agent_worker.models.staff_notes import Note, noted
from agent_worker.nlu.language_detection import language_of
from agent_worker.phrases import Voice, in_language
from agent_worker.settings import WorkerSettings
from schemas import tracing
from schemas.ports import ActionResult, Draft, Passage, Question

DOUBTFUL = 0.15
"""Below this confidence the documents hold nothing worth the price of a question. Between it and the tenant's
``answerable_above`` the model is asked, and may find that they do not: it reads better than a search does, and what it
says still needs its proof."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a model is given besides the question. ``whole``: all passages that may be shown to this tenant's contacts,
    none when they are more than so many tokens; ``canary``: the tenant's; ``budgets``: of the day."""

    whole: Callable[[str, int], Awaitable[Sequence[Passage]]] | None = None
    canary: Callable[[str], str] = lambda _: ""
    budgets: DayBudgets | None = None


class RemoteModel:
    """Implements schemas.ports.Model, and registry.Remote for the ladder."""

    def __init__(
        self,
        name: str,
        source: Source,
        settings: WorkerSettings,
        terms: Terms,
        surroundings: Surroundings = Surroundings(),
    ) -> None:
        self.name = name
        self._source = source
        self._settings = settings
        self._terms = terms
        self._around = surroundings

    async def answer(self, question: Question, emit: Emit) -> Draft:
        return await self.attempt(question, emit, Allowance(seconds=self._terms.timeout))

    async def attempt(
        self, question: Question, emit: Emit, allowance: Allowance, refused: Ungrounded | None = None
    ) -> Draft:
        """See registry.Remote. Raises AttemptFailed; as Ungrounded when the gate stopped a sentence."""
        if refused is not None and isinstance(refused.so_far, Attempt):
            return await self._run(_repairing(refused.so_far, refused), question, emit, allowance)
        voice = self._settings.of(question.tenant).voice
        phrase = set_phrase(question, voice, self.name)
        if phrase is not None:
            if not phrase.handoff:
                await emit(phrase.text)
            return phrase
        attempt = await self._begin(question)
        if attempt is None:
            return not_found_draft(voice, self.name)
        return await self._run(attempt, question, emit, allowance)

    async def note(self, question: Question, prompt: Prompt, seconds: float) -> Note:
        """See registry.Remote."""
        return await noted(self._source, self._terms, self._around.budgets, question, prompt, seconds)

    async def close(self) -> None:
        await self._source.close()

    # ── beginning ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _begin(self, question: Question) -> Attempt | None:
        """None when there is nothing to ask the model about."""
        acts = self._terms.acts and bool(question.offers)
        whole = await self._whole(question.tenant)
        if not (acts or whole or _worth_asking(question)):
            return None
        canary = self._around.canary(question.tenant)
        prompt, passages = self._prompt(question, whole, canary, acts=acts)
        gate = Gate(passages, askable(prompt.offers))
        asked = questions_of(question.parts)
        calls = Calls(question.tenant, prompt.offers, gate)
        return Attempt(prompt, gate, calls, Canary(canary), asked=asked if len(asked) > 1 else ())

    async def _whole(self, tenant: str) -> Sequence[Passage]:
        if self._around.whole is None or not self._terms.whole:
            return ()
        # Room for a repair, which sends it all again.
        most = self._settings.of(tenant).budgets.turn_tokens // 2
        return await self._around.whole(tenant, min(self._terms.whole, most))

    def _prompt(
        self, question: Question, whole: Sequence[Passage], canary: str, *, acts: bool
    ) -> tuple[Prompt, list[Passage]]:
        language = language_of(question.text, question.locale)
        system = system_of(self._settings.of(question.tenant).voice, language, acts=acts, canary=canary)
        room = max(1, self._terms.context - self._terms.output)
        prompt, passages = prompt_of(question, system, room, language=language, whole=whole)
        if whole and prompt.size > room:
            prompt, passages = prompt_of(question, system, room, language=language)
        if prompt.size > room:
            raise AttemptFailed("the message does not fit into its context")
        return (with_offers(prompt, question) if acts else prompt), passages

    # ── running ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _run(self, attempt: Attempt, question: Question, emit: Emit, allowance: Allowance) -> Draft:
        try:
            async with self._billed(attempt, question):
                asked = await self._steps(attempt, emit, allowance)
                draft = self._draft(attempt, question, asked)
                if asked is None and len(draft.text) > len(attempt.shown.strip()) and draft.citations:
                    await emit(draft.text[len(attempt.shown.strip()) :])
                return draft
        except AttemptFailed as error:
            error.tokens, error.cost = attempt.usage.total, attempt.usage.cost(self._terms.prices)
            error.results = tuple(attempt.calls.done)
            if isinstance(error, Ungrounded):
                error.text, error.so_far = attempt.written, attempt
            raise
        finally:
            allowance.used(attempt.usage.total, attempt.usage.cost(self._terms.prices))

    @asynccontextmanager
    async def _billed(self, attempt: Attempt, question: Question) -> AsyncGenerator[None, None]:
        if self._around.budgets is None:
            yield
            return
        expected = Usage(attempt.prompt.size, 0, self._terms.output)
        async with self._around.budgets.taken(
            question, Spend(expected.total, expected.cost(self._terms.prices))
        ) as spent:
            try:
                yield
            finally:
                spent.tokens, spent.cost = attempt.usage.total, attempt.usage.cost(self._terms.prices)

    async def _steps(self, attempt: Attempt, emit: Emit, allowance: Allowance) -> ActionResult | None:
        """Until the model has answered, or an action asks the contact first."""
        left = self._terms.timeout
        while True:
            allowance.step(attempt.prompt.size)
            begun = time.monotonic()
            wrote = await self._step(attempt, emit, min(left, allowance.seconds))
            took = time.monotonic() - begun
            left -= took
            allowance.waited(took)
            if not wrote.calls:
                return None
            returned, asked = await attempt.calls.perform(wrote.calls)
            if asked is not None:
                return asked
            attempt.prompt = attempt.prompt.then(wrote, returned)

    async def _step(self, attempt: Attempt, emit: Emit, seconds: float) -> Wrote:
        usage = Usage()
        with tracing.span("model", kind="client", attributes={"gen_ai.request.model": self.name}) as span:
            try:
                async with asyncio.timeout(max(0.0, seconds)):
                    return await self._request(attempt, Step(attempt, emit), usage)
            except TimeoutError as error:
                raise AttemptFailed(f"no answer within {round(seconds, 1):g} s", outage=True) from error
            finally:
                attempt.usage.add(usage)
                span.set("gen_ai.usage.input_tokens", usage.input)
                span.set("gen_ai.usage.output_tokens", usage.output)

    async def _request(self, attempt: Attempt, step: Step, usage: Usage) -> Wrote:
        wrote: Wrote | None = None
        async with aclosing(self._source.stream(attempt.prompt, self._terms.output, usage)) as pieces:
            while (piece := await self._next(pieces)) is not None:
                if isinstance(piece, Wrote):
                    wrote = piece
                else:
                    await step.add(piece)
        wrote = wrote or Wrote(attempt.written)
        await step.end(wrote)
        return wrote

    async def _next(self, pieces: AsyncGenerator[str | Wrote, None]) -> str | Wrote | None:
        try:
            async with asyncio.timeout(self._terms.silence):
                return await anext(pieces, None)
        except TimeoutError as error:
            raise AttemptFailed(f"silent for {self._terms.silence:g} s", outage=True) from error

    def _draft(self, attempt: Attempt, question: Question, asked: ActionResult | None) -> Draft:
        voice = in_language(self._settings.of(question.tenant).voice, question.locale)
        tokens, cost = attempt.usage.total, attempt.usage.cost(self._terms.prices)
        bill = Draft(text="", answered=True, model=self.name, tokens=tokens, cost=cost)
        if attempt.declined:
            words = [part.words for part in attempt.asked]
            declined = with_naming(replace(bill, answered=False), words, question.beyond, voice)
            return declined if words else replace(not_found_draft(voice, self.name), tokens=tokens, cost=cost)
        draft = replace(bill, text=attempt.shown.strip(), citations=attempt.gate.citations)
        if asked is not None:
            return self._asked(attempt, draft, asked, question, voice)
        if not draft.citations and not attempt.gate.has_asked:
            raise Ungrounded("it answers nothing: cite the passages, or write NOT_FOUND", text=attempt.written)
        missing = self._missing(attempt, draft)
        return with_naming(draft, [attempt.asked[n - 1].words for n in missing], question.beyond, voice)

    def _missing(self, attempt: Attempt, draft: Draft) -> list[int]:
        """Numbers of the questions without an answer. Raises Incomplete at the first attempt that leaves one out."""
        declared = {n for n in attempt.missing if 1 <= n <= len(attempt.asked)}
        left = [n for n in unanswered(attempt.asked, draft.text, draft.citations) if n not in declared]
        if left and not attempt.repaired:
            raise Incomplete(left, text=attempt.written)
        return sorted({*declared, *left})

    def _asked(self, attempt: Attempt, draft: Draft, asked: ActionResult, question: Question, voice: Voice) -> Draft:
        """The action's question; below the answers, where more was asked. What the model left out is quoted from the
        documents."""
        if not attempt.asked:
            return asked_draft(asked, replace(draft, citations=[]))
        left = [attempt.asked[n - 1] for n in unanswered(attempt.asked, draft.text, draft.citations)]
        said = before_action(asked_draft(asked, draft), beside_action(left, question), voice)
        return replace(said, text=f"{draft.text}\n\n{said.text}" if draft.text else said.text)


def _repairing(attempt: Attempt, refused: Ungrounded) -> Attempt:
    """The same attempt with its actions done, about to be written anew."""
    attempt.prompt = again(attempt.prompt, refused)
    attempt.gate.begin_again()
    attempt.usage, attempt.shown, attempt.missing, attempt.repaired = Usage(), "", set(), True
    return attempt


def _worth_asking(question: Question) -> bool:
    found = question.found
    return bool(found.passages) and (found.answerable or found.confidence >= DOUBTFUL)
