"""The request that a model saw in a recorded turn, or would have seen, built by the code that answers contacts."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from pydantic import JsonValue

from agent_worker.grounding.failures import NotSent
from agent_worker.learning.conversation_log import ConversationLog
from agent_worker.learning.finetune.training_example import ChatMessage
from agent_worker.learning.recorded_input import IncompleteRecording, build_input
from agent_worker.learning.recorded_provider import RecordedProvider
from agent_worker.learning.recorded_services import (
    ClosedPort,
    RecordedActions,
    RecordedLimits,
    open_silent_stream,
    recorded_state,
)
from agent_worker.learning.replay_context import recorded_clock, replay_turn
from agent_worker.models.providers.masking_provider import MaskingProvider
from agent_worker.models.providers.provider import ModelLimits, Usage
from agent_worker.models.providers.remote_model import ModelDependencies, RemoteModel
from agent_worker.models.registry import Models
from agent_worker.models.request import CallResults, ModelOutput, Prompt, UserImage, UserText
from agent_worker.reading.retrieval import Retrieval
from agent_worker.router.decision import Route
from agent_worker.settings import WorkerSettings
from agent_worker.turn.answering import Answering, read_query
from agent_worker.turn.values import TurnInput
from schemas.conversation import Turn
from schemas.errors import ModelFailed
from schemas.ports import Knowledge, Limiter, Passage, QuestionPart, SearchResult
from schemas.turn_recording import TurnRecording


@dataclass(frozen=True, slots=True)
class TargetModel:
    """The model whose requests are built. ``name``: in the registry; ``id``: as `provider/model`; ``canary``: the
    tenant's secret word, which is taken out of the instructions."""

    name: str
    id: str
    limits: ModelLimits
    canary: str = ""


@dataclass(frozen=True, slots=True)
class ReadPrompt:
    """A request, before personal data is taken out of it. ``passages``: in the order of their numbers. ``answer``: what
    the model wrote, as recorded, empty if it was not this request that was recorded. ``locale``: of the contact."""

    request: Prompt
    canary: str
    passages: Sequence[Passage]
    question: str
    locale: str
    answer: str = ""

    @property
    def is_exact(self) -> bool:
        return bool(self.answer)

    @property
    def text(self) -> str:
        """Everything that is said in it."""
        return "\n".join(message.content for message in _to_messages(self.request, self.canary))

    @property
    def tools(self) -> list[dict[str, JsonValue]]:
        """The functions that could be called."""
        return [_to_tool(offer.name, offer.description, dict(offer.parameters)) for offer in self.request.offers]

    async def mask(self, *answers: str) -> tuple[list[ChatMessage], list[str]]:
        """The request as it left the house, with placeholders for personal data, and these answers with the same
        ones."""
        noted = _PromptNote()
        written = (ModelOutput(answer) for answer in answers)
        async for _ in MaskingProvider(noted).stream(self.request.append(*written), 0, Usage()):
            pass
        parts = noted.prompts[0].parts
        at = len(parts) - len(answers)
        masked = replace(noted.prompts[0], parts=parts[:at])
        return _to_messages(masked, self.canary), [part.text for part in parts[at:] if isinstance(part, ModelOutput)]


class PromptReader:
    """Builds the requests of one tenant's turns. It has no log and no state store."""

    def __init__(self, tenant: str, settings: WorkerSettings, find_target: Callable[[str], TargetModel]) -> None:
        """``find_target``: the model for a name in a turn's record; for the name of no model, the tenant's model."""
        self._settings = settings
        self._rules = settings.of(tenant)
        self._find_target = find_target

    async def read(
        self, log: ConversationLog, turn: Turn, recording: TurnRecording, passages: Sequence[Passage]
    ) -> ReadPrompt | None:
        """The request for the turn's answer. None if the log no longer has what the turn read, or if it had pictures,
        which rows cannot hold."""
        try:
            given = build_input(log, turn, recording, self._rules)
        except IncompleteRecording:
            return None
        target = self._find_target(recording.exchanges[-1].model if recording.exchanges else turn.model)
        observer = _PromptObserver(target)
        with replay_turn(recording, log.channel):
            await self._answer(given, target, observer, passages)
        seen = observer.find_request()
        if seen is None or any(isinstance(part, UserImage) for part in seen.prompt.parts):
            return None
        return ReadPrompt(
            request=seen.prompt,
            canary=target.canary,
            passages=_find_shown(seen.prompt, passages),
            question=given.intake.text,
            locale=given.locale,
            answer=seen.answer,
        )

    async def _answer(
        self, given: TurnInput, target: TargetModel, observer: _PromptObserver, passages: Sequence[Passage]
    ) -> None:
        dependencies = ModelDependencies(canary=lambda _: target.canary)
        model = RemoteModel(target.name, observer, self._settings, target.limits, dependencies)
        models = Models({target.name: model}, last_resort="", settings=self._settings)
        state = recorded_state()
        limits = RecordedLimits(cast(Limiter, ClosedPort("limiter")), recorded_clock)
        knowledge = cast(Knowledge, ClosedPort("knowledge"))
        answering = Answering(knowledge, models, RecordedActions(state), state.contacts, limits, recorded_clock)
        actions = await answering.settle(given, _seal) if given.may_act else None
        query = read_query(given, actions)
        found = SearchResult(list(passages), answerable=bool(passages), confidence=1.0)
        parts = [QuestionPart(one.text, found, one.words, one.is_question) for one in query.questions]
        retrieval = Retrieval(found, parts, resolved=query.text)
        route = Route("cheap", (target.name,), ())
        try:
            await answering.answer(given, actions, query, retrieval, route, open_silent_stream(given))
        except ModelFailed:
            return  # nobody recorded an answer to it: the request is all that is wanted


async def _seal() -> None:
    """Nothing is written."""


# ── observing the request ────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class _ObservedRequest:
    prompt: Prompt
    answer: str = ""


@dataclass(slots=True)
class _PromptObserver:
    """A provider that notes each request, and answers it only as it was answered."""

    target: TargetModel
    seen: list[_ObservedRequest] = field(default_factory=list)

    async def stream(self, prompt: Prompt, output: int, usage: Usage) -> AsyncGenerator[str | ModelOutput, None]:
        """See Provider."""
        request = _ObservedRequest(prompt)
        self.seen.append(request)
        async for piece in RecordedProvider(self.target.name, self.target.id, _ClosedProvider()).stream(
            prompt, output, usage
        ):
            if isinstance(piece, ModelOutput):
                request.answer = piece.text
            yield piece

    def find_request(self) -> _ObservedRequest | None:
        """The last request, with the answer that was accepted in the end. A repair only adds a complaint."""
        if not self.seen:
            return None
        asked = [each for each in self.seen if not _is_repair(each.prompt)] or self.seen
        return replace(asked[-1], answer=self.seen[-1].answer)

    async def close(self) -> None:
        """Nothing is open."""


@dataclass(slots=True)
class _PromptNote:
    """A provider that notes what it is asked."""

    prompts: list[Prompt] = field(default_factory=list)

    async def stream(self, prompt: Prompt, output: int, usage: Usage) -> AsyncGenerator[str | ModelOutput, None]:
        """See Provider."""
        self.prompts.append(prompt)
        yield ModelOutput("")

    async def close(self) -> None:
        """Nothing is open."""


class _ClosedProvider:
    """Implements Provider for requests that were not recorded."""

    async def stream(self, prompt: Prompt, output: int, usage: Usage) -> AsyncGenerator[str | ModelOutput, None]:
        for failure in (NotSent("no answer to it was recorded"),):
            raise failure
        yield ""

    async def close(self) -> None:
        """Nothing is open."""


def _find_shown(prompt: Prompt, passages: Sequence[Passage]) -> list[Passage]:
    """The passages in the order of their numbers. A small context has no room for all of them."""
    data: list[dict[str, str]] = []
    for part in prompt.parts:
        if isinstance(part, UserText) and not data:
            data = json.loads(part.text).get("passages", [])
    known = {(one.title, one.heading, one.text): one for one in passages}
    return [known[one["title"], one["heading"], one["text"]] for one in data]


def _is_repair(prompt: Prompt) -> bool:
    before, last = (None, *prompt.parts)[-2:]
    return isinstance(before, ModelOutput) and isinstance(last, UserText)


# ── as chat messages ─────────────────────────────────────────────────────────────────────────────────────────────────


def _to_messages(prompt: Prompt, canary: str) -> list[ChatMessage]:
    """The request in the format of chat completions, without the secret word."""
    system = prompt.system
    if canary and canary in (secret := system.partition("\n\n")[0]):
        system = system.removeprefix(secret).lstrip("\n")
    messages = [ChatMessage(role="system", content=system)]
    for part in prompt.parts:
        if isinstance(part, UserText):
            messages.append(ChatMessage(role="user", content=part.text))
        elif isinstance(part, ModelOutput):
            calls = [_to_call(call.id, call.name, call.arguments) for call in part.calls]
            messages.append(ChatMessage(role="assistant", content=part.text, tool_calls=calls))
        elif isinstance(part, CallResults):
            results = part.results
            messages += [ChatMessage(role="tool", content=text, tool_call_id=call.id) for call, text in results]
    return messages


def _to_call(id: str, name: str, arguments: str) -> dict[str, JsonValue]:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def _to_tool(name: str, description: str, parameters: dict[str, JsonValue]) -> dict[str, JsonValue]:
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}
