"""The worker's router: it classifies a message by the tenant's intent model, examines the history, and decides the
route."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import structlog

from agent_worker.knowledge.text.analysis import terms
from agent_worker.knowledge.text.query_splitting import questions
from agent_worker.knowledge.vectors.encoder import light_encoder
from agent_worker.models.local.small_talk import classify_small_talk
from agent_worker.router.artifact import examples_version, load_model
from agent_worker.router.decision import Route, RoutingInput, decide_route
from agent_worker.router.features import MAX_TEXT, Numbers, embed_texts
from agent_worker.router.intents import UNCLASSIFIED, IntentModel, IntentResult
from agent_worker.router.phrase_search import anger_score
from agent_worker.router.rules import RouteName, RouteRules
from schemas.conversation import Facts
from schemas.errors import SetupError
from schemas.messages import TranscriptMessage
from schemas.ports import SearchResult

log = structlog.get_logger("parley.worker")
_MAX_EARLIER_MESSAGES = 6
"""Earlier messages of the contact that are compared. Repetitions come soon."""
NO_FACTS = Facts()
_NO_RULES = RouteRules()
_NO_INTENTS_LEARNED = ("no intents were learned",)
_MIN_OVERLAP = 0.8
"""Share of common words from which a message repeats an earlier one."""


@dataclass(slots=True)
class RoutingRequest:
    """The new messages as one text, the history, and the search result. ``is_non_text``: it contains no text. For
    ``tiers``, ``budget`` and ``model`` see ``RoutingInput``. Not changed after its creation."""

    text: str
    search_result: SearchResult
    history: Sequence[TranscriptMessage] = ()
    facts: Facts = NO_FACTS
    is_non_text: bool = False
    tiers: frozenset[str] = frozenset()
    budget: float | None = None
    model: str = "local"


class Router:
    """Loads a tenant's intent model with its first message, and keeps it."""

    def __init__(self) -> None:
        self._models: dict[str, IntentModel] = {}

    async def route(self, rules: RouteRules, message: RoutingRequest) -> Route:
        """Without an intent model the other rules decide; the turn does not fail."""
        if rules == _NO_RULES:
            return _route_without_rules(message)
        reading = UNCLASSIFIED
        try:
            reading = await self._read(rules, message)
        except SetupError as error:
            log.error("intents_unreadable", reason=error.message, fix=error.fix)
        return decide_route(rules, build_routing_input(rules, message), reading)

    async def load(self, rules: RouteRules) -> IntentModel | None:
        """None when the tenant has no examples. Raises SetupError when the model's file is missing or was made from
        other examples."""
        if rules.trained is None:
            return None
        key = str(rules.trained)
        if key not in self._models:
            self._models[key] = await asyncio.to_thread(load_intent_model, rules)
        return self._models[key]

    async def _read(self, rules: RouteRules, message: RoutingRequest) -> IntentResult:
        model = await self.load(rules)
        if model is None or not message.text.strip():
            return UNCLASSIFIED
        return model.classify(message.text, vector_of(model, message))


def vector_of(model: IntentModel, message: RoutingRequest) -> Numbers:
    """The query's vector if retrieval used the same encoder, else a new one. Raises SetupError without such an
    encoder."""
    if model.encoder == message.search_result.encoder and len(message.search_result.vector):
        return np.array(message.search_result.vector, np.float32)
    light = light_encoder()
    if model.encoder != (light.name if light is not None else ""):
        raise SetupError(
            f"intents were learned with the encoder {model.encoder}, which is not in use here",
            fix="run `parley route train` again",
        )
    vector: Numbers = embed_texts([message.text[:MAX_TEXT]], light)[0]
    return vector


def load_intent_model(rules: RouteRules) -> IntentModel:
    """Blocking. Raises SetupError."""
    assert rules.trained is not None  # noqa: S101 - callers pass rules with examples
    return load_model(rules.trained, examples_version(rules.examples))


def _route_without_rules(message: RoutingRequest) -> Route:
    """The tenant's model answers."""
    if talk := _small_talk_kind(message):
        return decide_route(
            _NO_RULES, RoutingInput(message.text, message.search_result, talk=talk, model=message.model), UNCLASSIFIED
        )
    name: RouteName = "local" if message.model == "local" else "cheap"
    sure = message.search_result.confidence
    return Route(name, (message.model,), _NO_INTENTS_LEARNED, {"retrieval": sure}, confidence=sure)


def _small_talk_kind(message: RoutingRequest) -> str:
    if message.is_non_text:
        return "wordless"
    return classify_small_talk(message.text, message.history, locale=message.facts.locale)


def build_routing_input(rules: RouteRules, message: RoutingRequest) -> RoutingInput:
    return RoutingInput(
        text=message.text,
        search_result=message.search_result,
        talk=_small_talk_kind(message),
        asks=len(questions(message.text[:MAX_TEXT])),
        declined=message.facts.declined_in_a_row,
        last_route=message.facts.last_route,
        repeated=is_repeated(message.text, message.history),
        upset=anger_score(message.text, rules.upset),
        tiers=message.tiers,
        budget=message.budget,
        model=message.model,
    )


def is_repeated(text: str, history: Sequence[TranscriptMessage]) -> bool:
    """Return whether the contact asked nearly the same before and was answered since."""
    asked = set(terms(text))
    answered, compared = False, 0
    for line in reversed(history):
        if line.author.kind != "contact":
            answered = True
        elif answered and compared < _MAX_EARLIER_MESSAGES and len(asked) > 1:
            compared += 1
            if _overlap(asked, set(terms(line.text))) >= _MIN_OVERLAP:
                return True
    return False


def _overlap(one: set[str], other: set[str]) -> float:
    return len(one & other) / max(1, len(one | other))
