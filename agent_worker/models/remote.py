"""A model elsewhere, behind the Model port: asked with numbered passages, believed only through the gate."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Protocol

from agent_worker.grounding.cutting import Sentences
from agent_worker.grounding.failures import AttemptFailed, Ungrounded
from agent_worker.grounding.gate import LONGEST, Gate
from agent_worker.handoff.drafts import not_found_draft
from agent_worker.models.phrases import set_phrase
from agent_worker.models.prompt import NOT_FOUND, Prompt, again, prompt_of
from agent_worker.models.registry import Emit
from agent_worker.settings import WorkerSettings
from schemas.ports import Draft, Passage, Question

LONGEST_ANSWER = 8_000
"""Characters of an answer; a message holds no more."""
DOUBTFUL = 0.15
"""Below this confidence the documents hold nothing worth the price of a question. Between it and the tenant's
``answerable_above`` the model is asked, and may find that they do not: it reads better than a search does, and what it
says still needs its proof."""


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars for a million tokens. ``cached`` is for what the provider had in its prompt cache."""

    input: float = 0.0
    output: float = 0.0
    cached: float | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """What may be spent on one answer. ``timeout``: seconds for all of it; ``silence``: the longest wait for the first
    sign of life and between two; ``context``: tokens of prompt and answer together; ``output``: of the answer."""

    timeout: float = 60.0
    silence: float = 20.0
    context: int = 32_000
    output: int = 1_000
    prices: Prices = Prices()


@dataclass(slots=True)
class Usage:
    """Tokens, as the provider counted them; all 0 when it did not say."""

    input: int = 0
    cached: int = 0
    output: int = 0

    @property
    def total(self) -> int:
        return self.input + self.output

    def cost(self, prices: Prices) -> float:
        """US dollars."""
        cached = prices.input if prices.cached is None else prices.cached
        fresh = self.input - self.cached
        return (fresh * prices.input + self.cached * cached + self.output * prices.output) / 1_000_000


class Source(Protocol):
    """A provider's streaming interface. Closing the generator ends the request."""

    def stream(self, prompt: Prompt, output: int, usage: Usage) -> AsyncGenerator[str, None]:
        """Pieces of text, empty ones as a sign of life (a model that thinks); fills ``usage`` as it learns. Raises
        ModelFailed."""

    async def close(self) -> None: ...


@dataclass(slots=True)
class Attempt:
    """One request and what came of it."""

    prompt: Prompt
    gate: Gate
    usage: Usage = field(default_factory=Usage)
    written: str = ""
    shown: str = ""


class RemoteModel:
    """Implements schemas.ports.Model, and ``repair`` for the ladder."""

    def __init__(self, name: str, source: Source, settings: WorkerSettings, terms: Terms) -> None:
        self.name = name
        self._source = source
        self._settings = settings
        self._terms = terms

    async def answer(self, question: Question, emit: Emit) -> Draft:
        """Raises ModelFailed; as Ungrounded when the gate stopped a sentence."""
        voice = self._settings.of(question.tenant).voice
        phrase = set_phrase(question, voice, self.name)
        if phrase is not None:
            if not phrase.handoff:
                await emit(phrase.text)
            return phrase
        if not _worth_asking(question):
            return not_found_draft(voice, self.name)
        prompt, passages = self._prompt(question)
        return await self._attempt(Attempt(prompt, Gate(passages)), question, emit)

    async def repair(self, question: Question, refused: Ungrounded, emit: Emit) -> Draft:
        """Ask once more, with the gate's objection. Raises ModelFailed."""
        prompt, passages = self._prompt(question)
        return await self._attempt(Attempt(again(prompt, refused), Gate(passages)), question, emit)

    async def close(self) -> None:
        await self._source.close()

    def _prompt(self, question: Question) -> tuple[Prompt, list[Passage]]:
        voice = self._settings.of(question.tenant).voice
        return prompt_of(question, voice, max(1, self._terms.context - self._terms.output))

    async def _attempt(self, attempt: Attempt, question: Question, emit: Emit) -> Draft:
        try:
            async with asyncio.timeout(self._terms.timeout):
                await self._write(attempt, emit)
            return self._draft(attempt, question)
        except TimeoutError as error:
            raise self._spent(attempt, AttemptFailed(f"no answer within {self._terms.timeout:g} s")) from error
        except AttemptFailed as error:
            raise self._spent(attempt, error) from error.__cause__

    async def _write(self, attempt: Attempt, emit: Emit) -> None:
        sentences = Sentences()
        async with aclosing(self._source.stream(attempt.prompt, self._terms.output, attempt.usage)) as pieces:
            while (piece := await self._next(pieces)) is not None:
                attempt.written += piece
                if len(attempt.written) > LONGEST_ANSWER:
                    raise AttemptFailed(f"the answer is longer than {LONGEST_ANSWER} characters")
                for sentence in sentences.add(piece):
                    await _show(attempt, sentence, emit)
                if sentences.held > 2 * LONGEST:
                    raise Ungrounded(f"a sentence is longer than {LONGEST} characters")
        if not attempt.written.strip():
            raise AttemptFailed("empty answer")
        if attempt.written.strip() != NOT_FOUND:
            for sentence in sentences.rest():
                await _show(attempt, sentence, emit)

    async def _next(self, pieces: AsyncGenerator[str, None]) -> str | None:
        try:
            async with asyncio.timeout(self._terms.silence):
                return await anext(pieces, None)
        except TimeoutError as error:
            raise AttemptFailed(f"silent for {self._terms.silence:g} s") from error

    def _draft(self, attempt: Attempt, question: Question) -> Draft:
        tokens, cost = attempt.usage.total, attempt.usage.cost(self._terms.prices)
        if attempt.written.strip() == NOT_FOUND:
            voice = self._settings.of(question.tenant).voice
            return replace(not_found_draft(voice, self.name), tokens=tokens, cost=cost)
        citations = attempt.gate.citations
        if not citations:
            raise Ungrounded("it answers nothing: cite the passages, or write NOT_FOUND", text=attempt.written)
        return Draft(
            text=attempt.shown.strip(), answered=True, citations=citations, model=self.name, tokens=tokens, cost=cost
        )

    def _spent(self, attempt: Attempt, error: AttemptFailed) -> AttemptFailed:
        error.tokens, error.cost = attempt.usage.total, attempt.usage.cost(self._terms.prices)
        if isinstance(error, Ungrounded):
            error.text = attempt.written
        return error


def _worth_asking(question: Question) -> bool:
    found = question.found
    return bool(found.passages) and (found.answerable or found.confidence >= DOUBTFUL)


async def _show(attempt: Attempt, sentence: str, emit: Emit) -> None:
    """To the contact only once it has passed."""
    admitted = attempt.gate.admit(sentence)
    if not attempt.shown:
        admitted = admitted.lstrip()
    attempt.shown += admitted
    await emit(admitted)
