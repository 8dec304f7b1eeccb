"""The decision: votes for a route, each with its reason; the one that spends most wins, unless a rule says otherwise.

A person is asked for what is risky, and after answers that did not help. Otherwise an intent says where its messages
go, or what is known of the difficulty does; the remaining budget has the last word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from agent_worker.nlu.classification import topics_in
from agent_worker.router.intents import Reading
from agent_worker.router.phrases import found_in
from agent_worker.router.rules import ROUTES, Intent, RiskTopic, RouteName, RouteRules
from schemas.ports import Found

UPSET = 0.5
"""From here on somebody counts as upset."""
ASKED = "the contact asked for a person"
WRONG_AGAIN = "the contact says again that the answer is wrong"
IN_DANGER = "risk: danger to life"
_NO_INTENT = Intent()


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known when a turn decides. ``talk``: what kind of message it is that asks the documents nothing;
    ``asks``: how many questions it holds. ``declined``: answers in a row that did not help; ``repeated``: the contact
    asks again what was answered. ``upset`` 0–1. ``tiers``: what is known of the contact and of where it writes.
    ``budget``: share of what may still be spent, None: nobody counts. ``model``: the tenant's usual one."""

    text: str
    found: Found
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
    """``models``: to be tried in order. ``say``: what the contact is told when a person takes over, empty: the usual.
    ``intent``, ``confidence`` and ``out_of_scope`` are the message's, as far as it was read."""

    name: RouteName
    models: tuple[str, ...]
    reasons: tuple[str, ...]
    scores: Mapping[str, float] = field(default_factory=dict)
    intent: str = ""
    confidence: float = 0.0
    out_of_scope: bool = False
    say: str = ""


Vote = tuple[RouteName, str]


def decide(rules: RouteRules, situation: Situation, reading: Reading) -> Route:
    topic = risk_of(rules, situation.text)
    votes = _votes(rules, situation, reading, topic)
    name = max((vote for vote, _ in votes), key=ROUTES.index)
    reasons = [reason for vote, reason in votes if vote == name]
    if name in ("cheap", "strong"):
        name, spared = _spared(rules, situation, name)
        reasons += spared
    models = rules.models(name, situation.model)
    return Route(
        name=_as_answered(name, rules, models),
        models=models,
        reasons=tuple(reasons),
        scores=_scores(situation, reading),
        intent=reading.intent,
        confidence=reading.confidence if reading.intent else situation.found.confidence,
        out_of_scope=reading.out_of_scope,
        say=topic.say if topic is not None and name == "person" else "",
    )


def _as_answered(name: RouteName, rules: RouteRules, models: tuple[str, ...]) -> RouteName:
    """A route for which there is no model is that of the one which answers instead."""
    if name == "person":
        return name
    if models == ("local",):
        return "local"
    return "cheap" if name == "strong" and not rules.strong else name


def risk_of(rules: RouteRules, text: str) -> RiskTopic | None:
    """The gravest topic that the text speaks of."""
    spoken = [topic for topic in rules.risks if _speaks_of(text, topic)]
    return max(spoken, key=lambda topic: ROUTES.index(topic.to), default=None)


def _speaks_of(text: str, topic: RiskTopic) -> bool:
    return bool(found_in(text, topic.phrases)) or (topic.built_in != "" and topic.built_in in topics_in(text))


def _votes(rules: RouteRules, situation: Situation, reading: Reading, topic: RiskTopic | None) -> list[Vote]:
    """At least one."""
    if situation.talk == "person":
        return [("person", ASKED)]
    if situation.talk == "complaint_again":
        return [("person", WRONG_AGAIN)]
    risky: list[Vote] = [(topic.to, f"risk: {topic.name}")] if topic is not None else []
    if situation.talk:
        return [*risky, ("local", "nothing was asked of the documents")]
    votes = [*risky, *_of_intent(rules, situation, reading)]
    return votes + [vote for rule in _RAISES if (vote := rule(rules, situation)) is not None]


def _of_intent(rules: RouteRules, situation: Situation, reading: Reading) -> list[Vote]:
    """Where the intent's messages go; of one that is not known for sure, where the unknown or the usual goes."""
    if reading.out_of_scope:
        if situation.found.answerable:
            return [("cheap", "no intent, but the documents hold it")]
        return [(rules.unknown, "neither an intent nor a document is about it")]
    if not reading.intent:
        return [("cheap", "no intents were learned")]
    if reading.confidence < rules.sure_above:
        doubt = f"the intent is not sure ({reading.intent} {reading.confidence:.2f})"
        return [("strong", doubt) if situation.found.answerable else ("cheap", doubt)]
    named = f"intent {reading.intent} ({reading.confidence:.2f})"
    intent = rules.intents.get(reading.intent, _NO_INTENT)
    if intent.risky:
        return [("person", f"{named} is risky")]
    if intent.to:
        return [(intent.to, f"{named} goes to {intent.to}")]
    return [("strong", f"{named} is hard") if intent.hard else ("cheap", f"{named} is routine")]


def _failures(rules: RouteRules, situation: Situation) -> Vote | None:
    """Answers that did not help, and the question that is asked again."""
    failed = situation.declined + situation.repeated
    if rules.person_after and failed >= rules.person_after:
        return "person", f"{failed} answers in a row did not help"
    if situation.repeated:
        return "strong", "the contact asks again what was answered"
    if situation.declined and situation.last_route == "cheap":
        return "strong", "the cheap model did not answer the message before"
    return None


def _anger(rules: RouteRules, situation: Situation) -> Vote | None:
    if situation.upset < UPSET:
        return None
    if rules.person_after and situation.declined + situation.repeated:
        return "person", "the contact is upset, and was not helped before"
    return "strong", "the contact is upset"


def _difficulty(rules: RouteRules, situation: Situation) -> Vote | None:
    if situation.asks > 1:
        return "strong", f"{situation.asks} questions at once"
    sure = situation.found.confidence
    if situation.found.answerable and sure < rules.doubtful_below:
        return "strong", f"the documents may hold it ({sure:.2f})"
    return None


def _tier(rules: RouteRules, situation: Situation) -> Vote | None:
    found = [(rules.tiers[tier], tier) for tier in sorted(situation.tiers) if tier in rules.tiers]
    best = max(found, key=lambda each: ROUTES.index(each[0]), default=None)
    return None if best is None else (best[0], f"contact tier {best[1]}")


_RAISES: tuple[Callable[[RouteRules, Situation], Vote | None], ...] = (_failures, _anger, _difficulty, _tier)


def _spared(rules: RouteRules, situation: Situation, name: RouteName) -> tuple[RouteName, list[str]]:
    """What can be had for less: from a very sure extractive answer, or because little is left to spend."""
    if name == "cheap" and situation.found.answerable and situation.found.confidence >= rules.local_above:
        return "local", [f"the documents' own words will do ({situation.found.confidence:.2f})"]
    if situation.budget is None or situation.budget > rules.low_budget:
        return name, []
    if situation.budget <= 0:
        return "local", ["nothing is left to spend"]
    return "cheap", [f"little is left to spend ({situation.budget:.0%})"]


def _scores(situation: Situation, reading: Reading) -> dict[str, float]:
    scores = dict(_figures(situation))
    if reading.intent:
        scores |= {"energy": reading.energy, **{f"intent.{name}": share for name, share in reading.shares.items()}}
    return scores


def _figures(situation: Situation) -> Iterator[tuple[str, float]]:
    yield "retrieval", situation.found.confidence
    for name in ("asks", "declined", "upset"):
        if value := getattr(situation, name):
            yield name, float(value)
    if situation.budget is not None:
        yield "budget", round(situation.budget, 4)
