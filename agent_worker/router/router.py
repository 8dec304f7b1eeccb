"""The router of a worker: reads a message by the tenant's model of intents, looks at the talk before, and decides."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import structlog

from agent_worker.knowledge.text.analysis import terms
from agent_worker.knowledge.text.query_splitting import questions
from agent_worker.knowledge.vectors.encoder import light_encoder
from agent_worker.models.local.small_talk import talk_of
from agent_worker.router.artifact import load, stamp
from agent_worker.router.decision import Route, Situation, decide
from agent_worker.router.features import LONGEST, Numbers, vectors_of
from agent_worker.router.intents import UNREAD, IntentModel, Reading
from agent_worker.router.phrases import upset
from agent_worker.router.rules import RouteName, RouteRules
from schemas.conversation import Facts
from schemas.errors import SetupError
from schemas.messages import TranscriptMessage
from schemas.ports import Found

log = structlog.get_logger("parley.worker")
_BACK = 6
"""So many of the contact's earlier messages are compared: who asks again does so soon."""
NO_FACTS = Facts()
_PLAIN = RouteRules()
_UNLEARNED = ("no intents were learned",)
_SAME = 0.8
"""Share of words that two messages have in common when the second asks again what the first did."""


@dataclass(slots=True)
class Message:
    """What is to be routed: the new messages as one text, the talk before, and what was found. ``wordless``: nothing in
    it is words. For ``tiers``, ``budget`` and ``model`` see ``Situation``. Never changed once made."""

    text: str
    found: Found
    history: Sequence[TranscriptMessage] = ()
    facts: Facts = NO_FACTS
    wordless: bool = False
    tiers: frozenset[str] = frozenset()
    budget: float | None = None
    model: str = "local"


class Router:
    """What was learned is loaded with the first message of a tenant, and kept."""

    def __init__(self) -> None:
        self._learned: dict[str, IntentModel] = {}

    async def route(self, rules: RouteRules, message: Message) -> Route:
        """Without what was learned, messages go where the other rules send them: a turn does not fail for it."""
        if rules == _PLAIN:
            return _plainly(message)
        reading = UNREAD
        try:
            reading = await self._read(rules, message)
        except SetupError as error:
            log.error("intents_unread", reason=error.message, fix=error.fix)
        return decide(rules, situation_of(rules, message), reading)

    async def load(self, rules: RouteRules) -> IntentModel | None:
        """None when the tenant gives no examples. Raises SetupError when the file of what was learned from them is not
        there, or was made from others."""
        if rules.trained is None:
            return None
        key = str(rules.trained)
        if key not in self._learned:
            self._learned[key] = await asyncio.to_thread(learned, rules)
        return self._learned[key]

    async def _read(self, rules: RouteRules, message: Message) -> Reading:
        model = await self.load(rules)
        if model is None or not message.text.strip():
            return UNREAD
        return model.read(message.text, vector_of(model, message))


def vector_of(model: IntentModel, message: Message) -> Numbers:
    """The query's, where retrieval made one by the same encoder. Raises SetupError when there is no such encoder."""
    if model.encoder == message.found.encoder and len(message.found.vector):
        return np.array(message.found.vector, np.float32)
    light = light_encoder()
    if model.encoder != (light.name if light is not None else ""):
        raise SetupError(
            f"intents were learned with the encoder {model.encoder}, which does not search here",
            fix="`parley route train` learns anew",
        )
    found: Numbers = vectors_of([message.text[:LONGEST]], light)[0]
    return found


def learned(rules: RouteRules) -> IntentModel:
    """Blocking. Raises SetupError."""
    assert rules.trained is not None  # noqa: S101 - asked only of rules with examples
    return load(rules.trained, stamp(rules.examples))


def _plainly(message: Message) -> Route:
    """Without any rules; whatever were looked at, the tenant's model would answer."""
    if talk := _talk(message):
        return decide(_PLAIN, Situation(message.text, message.found, talk=talk, model=message.model), UNREAD)
    name: RouteName = "local" if message.model == "local" else "cheap"
    sure = message.found.confidence
    return Route(name, (message.model,), _UNLEARNED, {"retrieval": sure}, confidence=sure)


def _talk(message: Message) -> str:
    if message.wordless:
        return "wordless"
    return talk_of(message.text, message.history, locale=message.facts.locale)


def situation_of(rules: RouteRules, message: Message) -> Situation:
    return Situation(
        text=message.text,
        found=message.found,
        talk=_talk(message),
        asks=len(questions(message.text[:LONGEST])),
        declined=message.facts.declined_in_a_row,
        last_route=message.facts.last_route,
        repeated=is_repeated(message.text, message.history),
        upset=upset(message.text, rules.upset),
        tiers=message.tiers,
        budget=message.budget,
        model=message.model,
    )


def is_repeated(text: str, history: Sequence[TranscriptMessage]) -> bool:
    """Whether the contact asked nearly the same before, and was answered since."""
    asked = set(terms(text))
    answered, looked_at = False, 0
    for line in reversed(history):
        if line.author.kind != "contact":
            answered = True
        elif answered and looked_at < _BACK and len(asked) > 1:
            looked_at += 1
            if _in_common(asked, set(terms(line.text))) >= _SAME:
                return True
    return False


def _in_common(one: set[str], other: set[str]) -> float:
    return len(one & other) / max(1, len(one | other))
