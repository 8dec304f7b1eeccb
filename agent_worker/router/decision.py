"""The routing decision: rules vote for routes with reasons, and the most expensive route wins.

Risky messages, and answers that did not help, call for a person. Otherwise the intent decides, or else the estimated
difficulty; the remaining budget has the last word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from agent_worker.nlu.classification import topics_in
from agent_worker.router.intents import IntentResult
from agent_worker.router.phrase_search import find_phrase
from agent_worker.router.rules import ROUTES, Intent, RiskTopic, RouteName, RouteRules
from schemas.desk import IN_DANGER
from schemas.ports import SearchResult

MIN_UPSET = 0.5
"""From this value on the contact counts as upset."""
PERSON_REQUESTED = "the contact asked for a person"
WRONG_AGAIN = "the contact says again that the answer is wrong"
_NOT_HELPED = "did not help"
_NO_INTENT = Intent()


@dataclass(frozen=True, slots=True)
class RoutingInput:
    """``talk``: the kind of small talk, if it is any; ``asks``: the number of questions. ``declined``: consecutive
    answers that did not help; ``repeated``: the contact repeats an answered question. ``upset`` 0–1. ``tiers``:
    attributes of the contact and of the channel account. ``budget``: remaining share of the budget, None without one.
    ``model``: the tenant's usual model."""

    text: str
    search_result: SearchResult
    talk: str = ""
    asks: int = 1
    declined: int = 0
    last_route: str = ""
    repeated: bool = False
    upset: float = 0.0
    tiers: frozenset[str] = frozenset()
    budget: float | None = None
    model: str = "local"


@dataclass(frozen=True, slots=True)
class Route:
    """``models``: in the order to try them. ``say``: the text for a handoff, empty for the usual one. ``intent``,
    ``confidence`` and ``out_of_scope`` are the message's classification, if there was one."""

    name: RouteName
    models: tuple[str, ...]
    reasons: tuple[str, ...]
    scores: Mapping[str, float] = field(default_factory=dict)
    intent: str = ""
    confidence: float = 0.0
    out_of_scope: bool = False
    say: str = ""


Vote = tuple[RouteName, str]


def decide_route(rules: RouteRules, message: RoutingInput, reading: IntentResult) -> Route:
    topic = gravest_risk(rules, message.text)
    votes = _votes(rules, message, reading, topic)
    name = max((vote for vote, _ in votes), key=ROUTES.index)
    reasons = [reason for vote, reason in votes if vote == name]
    if name in ("cheap", "strong"):
        name, saving_reasons = _save_cost(rules, message, name)
        reasons += saving_reasons
    models = rules.models(name, message.model)
    return Route(
        name=_available_route(name, rules, models),
        models=models,
        reasons=tuple(reasons),
        scores=_scores(message, reading),
        intent=reading.intent,
        confidence=reading.confidence if reading.intent else message.search_result.confidence,
        out_of_scope=reading.out_of_scope,
        say=topic.say if topic is not None and name == "person" else "",
    )


def _available_route(name: RouteName, rules: RouteRules, models: tuple[str, ...]) -> RouteName:
    """The route that really answers when the chosen one has no model of its own."""
    if name == "person":
        return name
    if models == ("local",):
        return "local"
    return "cheap" if name == "strong" and not rules.strong else name


def blames_answer(reasons: Sequence[str]) -> bool:
    """True if people are called because the answers so far did not help, not because of the message's subject."""
    return any(reason in (PERSON_REQUESTED, WRONG_AGAIN) or reason.endswith(_NOT_HELPED) for reason in reasons)


def gravest_risk(rules: RouteRules, text: str) -> RiskTopic | None:
    """The most serious risk topic in the text."""
    mentioned = [topic for topic in rules.risks if _mentions(text, topic)]
    return max(mentioned, key=lambda topic: ROUTES.index(topic.to), default=None)


def _mentions(text: str, topic: RiskTopic) -> bool:
    return bool(find_phrase(text, topic.phrases)) or (topic.built_in != "" and topic.built_in in topics_in(text))


def _votes(rules: RouteRules, message: RoutingInput, reading: IntentResult, topic: RiskTopic | None) -> list[Vote]:
    """At least one."""
    if message.talk == "person":
        return [("person", PERSON_REQUESTED)]
    if message.talk == "complaint_again":
        return [("person", WRONG_AGAIN)]
    risky: list[Vote] = []
    if topic is not None:
        risky = [(topic.to, IN_DANGER if topic.built_in == "danger" else f"risk: {topic.name}")]
    if message.talk:
        return [*risky, ("local", "the documents were not searched")]
    votes = [*risky, *_votes_for_intent(rules, message, reading)]
    return votes + [vote for rule in _ESCALATIONS if (vote := rule(rules, message)) is not None]


def _votes_for_intent(rules: RouteRules, message: RoutingInput, reading: IntentResult) -> list[Vote]:
    """The intent's route; for an uncertain or unknown intent, the rules for those."""
    if reading.out_of_scope:
        if message.search_result.may_answer:
            return [("cheap", "no intent, but the documents may contain an answer")]
        return [(rules.unknown, "no intent and no document matches")]
    if not reading.intent:
        return [("cheap", "no intents were learned")]
    if reading.confidence < rules.sure_above:
        doubt = f"the intent is uncertain ({reading.intent} {reading.confidence:.2f})"
        return [("strong", doubt) if message.search_result.may_answer else ("cheap", doubt)]
    named = f"intent {reading.intent} ({reading.confidence:.2f})"
    intent = rules.intents.get(reading.intent, _NO_INTENT)
    if intent.risky:
        return [("person", f"{named} is risky")]
    if intent.to:
        return [(intent.to, f"{named} goes to {intent.to}")]
    return [("strong", f"{named} is hard") if intent.hard else ("cheap", f"{named} is routine")]


def _vote_for_failures(rules: RouteRules, message: RoutingInput) -> Vote | None:
    """Reasons from answers that did not help and from repeated questions."""
    failed = message.declined + message.repeated
    if rules.person_after and failed >= rules.person_after:
        return "person", f"{failed} answers in a row {_NOT_HELPED}"
    if message.repeated:
        return "strong", "the contact repeats a question that was answered"
    if message.declined and message.last_route == "cheap":
        return "strong", "the cheap model did not answer the previous message"
    return None


def _vote_for_anger(rules: RouteRules, message: RoutingInput) -> Vote | None:
    if message.upset < MIN_UPSET:
        return None
    if rules.person_after and message.declined + message.repeated:
        return "person", f"the contact is upset, and the previous answer {_NOT_HELPED}"
    return "strong", "the contact is upset"


def _vote_for_difficulty(rules: RouteRules, message: RoutingInput) -> Vote | None:
    if message.asks > 1:
        return "strong", f"{message.asks} questions at once"
    sure = message.search_result.confidence
    if message.search_result.may_answer and sure < rules.doubtful_below:
        return "strong", f"the documents may contain an answer ({sure:.2f})"
    return None


def _vote_for_tier(rules: RouteRules, message: RoutingInput) -> Vote | None:
    found = [(rules.tiers[tier], tier) for tier in sorted(message.tiers) if tier in rules.tiers]
    best = max(found, key=lambda each: ROUTES.index(each[0]), default=None)
    return None if best is None else (best[0], f"contact tier {best[1]}")


_ESCALATIONS: tuple[Callable[[RouteRules, RoutingInput], Vote | None], ...] = (
    _vote_for_failures,
    _vote_for_anger,
    _vote_for_difficulty,
    _vote_for_tier,
)


def _save_cost(rules: RouteRules, message: RoutingInput, name: RouteName) -> tuple[RouteName, list[str]]:
    """A cheaper route, because the extractive answer is certain enough or little budget is left."""
    if name == "cheap" and message.search_result.answerable and message.search_result.confidence >= rules.local_above:
        return "local", [f"quoting the documents is enough ({message.search_result.confidence:.2f})"]
    if message.budget is None or message.budget > rules.low_budget:
        return name, []
    if message.budget <= 0:
        return "local", ["the budget is used up"]
    return "cheap", [f"little of the budget is left ({message.budget:.0%})"]


def _scores(message: RoutingInput, reading: IntentResult) -> dict[str, float]:
    scores = dict(_score_items(message))
    if reading.intent:
        scores |= {"energy": reading.energy, **{f"intent.{name}": share for name, share in reading.shares.items()}}
    return scores


def _score_items(message: RoutingInput) -> Iterator[tuple[str, float]]:
    yield "retrieval", message.search_result.confidence
    for name in ("asks", "declined", "upset"):
        if value := getattr(message, name):
            yield name, float(value)
    if message.budget is not None:
        yield "budget", round(message.budget, 4)
