"""A remote model behind the Model port. It is asked with numbered passages, and its answer has to pass the gate."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial

from agent_worker.grounding.answer_check import DENIAL, AnswerCheck, check_answer
from agent_worker.grounding.failures import AttemptFailed, Incomplete, Ungrounded
from agent_worker.grounding.gate import Gate
from agent_worker.grounding.sentence_splitter import CITATION_MARK
from agent_worker.models.action_calls import ActionCalls, question_draft, question_vocabulary
from agent_worker.models.budgets import DayBudgets, Spend, TurnBudget
from agent_worker.models.images import MAX_IMAGES, ReadFile, load_images
from agent_worker.models.local.canned_replies import build_unanswered, find_canned_reply
from agent_worker.models.local.multiple_questions import (
    add_unanswered,
    find_unanswered,
    prepend_answers,
    questions_beside_action,
    questions_of,
)
from agent_worker.models.prompt import Canary, build_prompt, build_system_prompt, repair_prompt, with_offers
from agent_worker.models.providers.provider import ModelLimits, Provider, Usage
from agent_worker.models.providers.streamed_answer import Attempt, StreamedStep
from agent_worker.models.registry import Emit
from agent_worker.models.request import IMAGE_TOKENS, ModelOutput, Prompt, UserImage
from agent_worker.models.staff_notes import StaffNote, write_note
from agent_worker.nlu.language_detection import detect_language
from agent_worker.reading.question_form import Figure, has_figure, wanted_figure
from agent_worker.settings import WorkerSettings
from agent_worker.voice import Voice, translate_voice
from schemas.ports import ActionResult, AnswerDraft, Passage, Question, QuestionPart
from schemas.privacy.personal_data import PersonalData
from schemas.runtime import tracing


@dataclass(frozen=True, slots=True)
class ModelDependencies:
    """``all_passages``: ``(tenant, tokens)`` → all passages that the tenant's contacts may see, empty when they exceed
    ``tokens``; ``canary``: the tenant's; ``own_name``: the name of the tenant's company; ``budgets``: of the day;
    ``check``: whether a sentence answers the question; ``read_file``: reads pictures, None if there are none."""

    all_passages: Callable[[str, int], Awaitable[Sequence[Passage]]] | None = None
    canary: Callable[[str], str] = lambda _: ""
    own_name: Callable[[str], str] = lambda _: ""
    budgets: DayBudgets | None = None
    check: AnswerCheck = check_answer
    read_file: ReadFile | None = None


class RemoteModel:
    """Implements schemas.ports.Model, and registry.Remote for the ladder."""

    def __init__(
        self,
        name: str,
        provider: Provider,
        settings: WorkerSettings,
        limits: ModelLimits,
        dependencies: ModelDependencies = ModelDependencies(),
    ) -> None:
        self.name = name
        self._provider = provider
        self._settings = settings
        self._limits = limits
        self._dependencies = dependencies

    async def answer(self, question: Question, emit: Emit) -> AnswerDraft:
        return await self.attempt(question, emit, TurnBudget(seconds=self._limits.timeout))

    async def attempt(
        self, question: Question, emit: Emit, budget: TurnBudget, refused: Ungrounded | None = None
    ) -> AnswerDraft:
        """See registry.Remote. Raises AttemptFailed; Ungrounded when the gate rejected a sentence."""
        if refused is not None and isinstance(refused.attempt, Attempt):
            return await self._run(_prepare_repair(refused.attempt, refused), question, emit, budget)
        voice = self._settings.of(question.tenant).voice
        phrase = find_canned_reply(question, voice, self.name)
        if phrase is not None:
            if not phrase.handoff:
                await emit(phrase.text)
            return phrase
        attempt = await self._begin(question)
        if attempt is None:
            return build_unanswered(question, voice, self.name)
        return await self._run(attempt, question, emit, budget)

    async def note(self, question: Question, prompt: Prompt, seconds: float) -> StaffNote:
        """See registry.Remote."""
        prompt = replace(prompt, personal_data=self._personal_data(question))
        return await write_note(self._provider, self._limits, self._dependencies.budgets, question, prompt, seconds)

    async def close(self) -> None:
        await self._provider.close()

    # ── preparing the request ────────────────────────────────────────────────────────────────────────────────────────

    async def _begin(self, question: Question) -> Attempt | None:
        """None when there is nothing to ask the model."""
        may_act = self._limits.may_act and bool(question.offers)
        full_context = await self._all_passages(question.tenant)
        if not (may_act or full_context or _worth_asking(question)):
            return None
        canary = self._dependencies.canary(question.tenant)
        pictures = await self._load_images(question)
        prompt, passages = self._prompt(question, full_context, canary, pictures, may_act=may_act)
        questions = questions_of(question.parts)
        gate = self._open_gate(question, passages, question_vocabulary(prompt.offers))
        calls = ActionCalls(question.tenant, prompt.offers, gate)
        return Attempt(prompt, gate, calls, Canary(canary), questions=questions if len(questions) > 1 else ())

    def _open_gate(self, question: Question, passages: Sequence[Passage], askable: str) -> Gate:
        voice = self._settings.of(question.tenant).voice
        own_names = [name for name in (self._dependencies.own_name(question.tenant), voice.name) if name]
        whole = QuestionPart(question.resolved or question.text, question.search_result, question.text)
        # Documents need not mention those who wrote them.
        asked = {_remove_names(part.words, own_names): part for part in questions_of(question.parts) or [whole]}
        return Gate(
            passages,
            askable,
            questions=list(asked),
            # A picture may show what the words do not say.
            doubted={} if question.files else {words: part.text for words, part in asked.items() if _is_doubted(part)},
            check=self._dependencies.check,
            refusals=[voice.action_refused, translate_voice(voice, question.locale).action_refused],
        )

    async def _all_passages(self, tenant: str) -> Sequence[Passage]:
        if self._dependencies.all_passages is None or not self._limits.full_context_tokens:
            return ()
        # Leaves room for a repair, which sends everything again.
        limit = self._settings.of(tenant).budgets.turn_tokens // 2
        return await self._dependencies.all_passages(tenant, min(self._limits.full_context_tokens, limit))

    async def _load_images(self, question: Question) -> list[UserImage]:
        """As many as leave half of the context for the text."""
        limit = min(MAX_IMAGES, self._room // (2 * IMAGE_TOKENS))
        return await load_images(self._dependencies.read_file, question, self._limits.image_types, limit)

    @property
    def _room(self) -> int:
        """Tokens of a prompt."""
        return max(1, self._limits.context - self._limits.output)

    def _prompt(
        self,
        question: Question,
        full_context: Sequence[Passage],
        canary: str,
        pictures: Sequence[UserImage],
        *,
        may_act: bool,
    ) -> tuple[Prompt, list[Passage]]:
        language, room = detect_language(question.text, question.locale), self._room
        voice, may_see = self._settings.of(question.tenant).voice, bool(self._limits.image_types)
        system = build_system_prompt(voice, language, may_act=may_act, may_see=may_see, canary=canary)
        build = partial(build_prompt, question, system, room, language=language, pictures=pictures)
        prompt, passages = build(full_context=full_context)
        if full_context and prompt.size > room:
            prompt, passages = build()
        if prompt.size > room:
            raise AttemptFailed("the message does not fit into its context")
        prompt = replace(prompt, personal_data=self._personal_data(question))
        return (with_offers(prompt, question) if may_act else prompt), passages

    def _personal_data(self, question: Question) -> PersonalData | None:
        rules = self._settings.of(question.tenant)
        if not rules.masks_for_models:
            return None
        names = {line.author.name for line in question.history if line.author.kind in ("contact", "person")}
        return PersonalData(rules.actions.own, {*names, *question.names}, same_case=True)

    # ── running the attempt ──────────────────────────────────────────────────────────────────────────────────────────

    async def _run(self, attempt: Attempt, question: Question, emit: Emit, budget: TurnBudget) -> AnswerDraft:
        try:
            async with self._reserve_budget(attempt, question):
                question_result = await self._steps(attempt, emit, budget)
                draft = self._draft(attempt, question, question_result)
                if question_result is None and len(draft.text) > len(attempt.shown.strip()) and draft.citations:
                    await emit(draft.text[len(attempt.shown.strip()) :])
                return replace(draft, seen=[part.id for part in attempt.prompt.parts if isinstance(part, UserImage)])
        except AttemptFailed as error:
            error.tokens, error.cost = attempt.usage.total, attempt.usage.cost(self._limits.prices)
            error.results = tuple(attempt.calls.results)
            if isinstance(error, Ungrounded):
                error.text, error.attempt = attempt.written, attempt
            raise
        finally:
            budget.spend(attempt.usage.total, attempt.usage.cost(self._limits.prices))

    @asynccontextmanager
    async def _reserve_budget(self, attempt: Attempt, question: Question) -> AsyncGenerator[None, None]:
        if self._dependencies.budgets is None:
            yield
            return
        expected = Usage(attempt.prompt.size, 0, self._limits.output)
        async with self._dependencies.budgets.reserve(
            question, Spend(expected.total, expected.cost(self._limits.prices))
        ) as spent:
            try:
                yield
            finally:
                spent.tokens, spent.cost = attempt.usage.total, attempt.usage.cost(self._limits.prices)

    async def _steps(self, attempt: Attempt, emit: Emit, budget: TurnBudget) -> ActionResult | None:
        """Request until the model has answered, or an action asks the contact first."""
        remaining = self._limits.timeout
        while True:
            budget.start_request(attempt.prompt.size)
            started = time.monotonic()
            output = await self._step(attempt, emit, min(remaining, budget.seconds))
            elapsed = time.monotonic() - started
            remaining -= elapsed
            budget.spend_time(elapsed)
            if not output.calls:
                return None
            results, question_result = await attempt.calls.perform(output.calls)
            if question_result is not None:
                return question_result
            attempt.prompt = attempt.prompt.append(output, results)

    async def _step(self, attempt: Attempt, emit: Emit, seconds: float) -> ModelOutput:
        usage = Usage()
        with tracing.span("model", kind="client", attributes={"gen_ai.request.model": self.name}) as span:
            try:
                async with asyncio.timeout(max(0.0, seconds)):
                    return await self._request(attempt, StreamedStep(attempt, emit), usage)
            except TimeoutError as error:
                raise AttemptFailed(f"no answer within {round(seconds, 1):g} s", outage=True) from error
            finally:
                attempt.usage.add(usage)
                span.set("gen_ai.usage.input_tokens", usage.input)
                span.set("gen_ai.usage.output_tokens", usage.output)

    async def _request(self, attempt: Attempt, step: StreamedStep, usage: Usage) -> ModelOutput:
        output: ModelOutput | None = None
        async with aclosing(self._provider.stream(attempt.prompt, self._limits.output, usage)) as pieces:
            while (piece := await self._next(pieces)) is not None:
                if isinstance(piece, ModelOutput):
                    output = piece
                else:
                    await step.add(piece)
        output = output or ModelOutput(attempt.written)
        await step.end(output)
        return output

    async def _next(self, pieces: AsyncGenerator[str | ModelOutput, None]) -> str | ModelOutput | None:
        try:
            async with asyncio.timeout(self._limits.silence):
                return await anext(pieces, None)
        except TimeoutError as error:
            raise AttemptFailed(f"silent for {self._limits.silence:g} s", outage=True) from error

    def _draft(self, attempt: Attempt, question: Question, question_result: ActionResult | None) -> AnswerDraft:
        voice = translate_voice(self._settings.of(question.tenant).voice, question.locale)
        tokens, cost = attempt.usage.total, attempt.usage.cost(self._limits.prices)
        bill = AnswerDraft(text="", answered=True, model=self.name, tokens=tokens, cost=cost)
        if attempt.declined:
            if parts := attempt.questions:
                return add_unanswered(replace(bill, answered=False), parts, question.excess_questions, voice)
            read = replace(question.search_result, probable=False)  # the model knows what the first passages say
            unanswered = build_unanswered(replace(question, search_result=read), voice, self.name)
            return replace(unanswered, tokens=tokens, cost=cost)
        draft = replace(bill, text=attempt.shown.strip(), citations=attempt.gate.citations)
        if question_result is not None:
            return self._question_draft(attempt, draft, question_result, question, voice)
        if attempt.gate.only_refuses:
            reason = (
                "it only refuses: answer what the customer asked from the passages, say why not, or write NOT_FOUND"
            )
            raise Ungrounded(reason, sentence=attempt.shown, text=attempt.written, kind="only refuses")
        if not draft.citations and not attempt.gate.has_asked:
            raise Ungrounded("it answers nothing: cite the passages, or write NOT_FOUND", text=attempt.written)
        if figure := _missing_figure(attempt, question, draft):
            reason = f"the customer asks for a {figure}: give it as a passage does, or write NOT_FOUND"
            raise Ungrounded(reason, sentence=attempt.shown, text=attempt.written)
        missing = self._find_missing(attempt, draft)
        return add_unanswered(draft, [attempt.questions[n - 1] for n in missing], question.excess_questions, voice)

    def _find_missing(self, attempt: Attempt, draft: AnswerDraft) -> list[int]:
        """Numbers of the questions without an answer. Raises Incomplete if the first attempt left one out."""
        declined = {n for n in attempt.missing if 1 <= n <= len(attempt.questions)}
        omitted = [n for n in find_unanswered(attempt.questions, draft.text, draft.citations) if n not in declined]
        if omitted and not attempt.repaired:
            raise Incomplete(omitted, text=attempt.written)
        return sorted({*declined, *omitted})

    def _question_draft(
        self, attempt: Attempt, draft: AnswerDraft, question_result: ActionResult, question: Question, voice: Voice
    ) -> AnswerDraft:
        """The action's question, below the answers if more was asked. Questions that the model left out are answered by
        quotes from the documents."""
        if not attempt.questions:
            return question_draft(question_result, replace(draft, citations=[]))
        omitted = [attempt.questions[n - 1] for n in find_unanswered(attempt.questions, draft.text, draft.citations)]
        beside = questions_beside_action(omitted, question)
        with_answers = prepend_answers(question_draft(question_result, draft), beside, voice, question.locale)
        return replace(with_answers, text=f"{draft.text}\n\n{with_answers.text}" if draft.text else with_answers.text)


def _prepare_repair(attempt: Attempt, refused: Ungrounded) -> Attempt:
    """The same attempt with its actions done, ready to be written again."""
    attempt.prompt = repair_prompt(attempt.prompt, refused)
    attempt.gate.reset()
    attempt.usage, attempt.shown, attempt.missing, attempt.repaired = Usage(), "", set(), True
    return attempt


def _is_doubted(part: QuestionPart) -> bool:
    return not part.search_result.may_answer


def _missing_figure(attempt: Attempt, question: Question, draft: AnswerDraft) -> Figure | None:
    """The kind of figure that a single question asks for and the answer does not give. Who is told that something is
    not so, or is asked something first, needs none."""
    figure = None if attempt.questions or attempt.gate.has_asked else wanted_figure(question.text)
    text = CITATION_MARK.sub("", " ".join([draft.text, *(one.heading for one in draft.citations)]))
    return None if figure is None or has_figure(figure, text) or DENIAL.search(text) else figure


def _remove_names(text: str, names: Sequence[str]) -> str:
    for name in names:
        text = re.sub(re.escape(name), " ", text, flags=re.IGNORECASE)
    return text


def _worth_asking(question: Question) -> bool:
    """Return whether the documents contain something that justifies the cost of a request. The model reads better than
    the search, and its text still needs proof, so what is only worth offering counts too."""
    return bool(question.search_result.related_passages) and question.search_result.may_answer
