"""A tenant's routing rules: plain values, read once, frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from agent_worker.nlu.classification import Topic

RouteName = Literal["local", "cheap", "strong", "person"]
ROUTES: tuple[RouteName, ...] = get_args(RouteName)
"""In ascending order of cost."""
NO_INTENT = "out_of_scope"
"""The intent name for a tenant's examples of messages that are out of scope."""


@dataclass(frozen=True, slots=True)
class Intent:
    """``to``: the route of its messages, empty to let the difficulty decide. ``hard`` ones go to the strong model,
    ``risky`` ones to a person."""

    to: RouteName | Literal[""] = ""
    hard: bool = False
    risky: bool = False


@dataclass(frozen=True, slots=True)
class RiskTopic:
    """``phrases``: words in order; ``*`` matches the rest of a word. ``say`` replaces the usual handoff text.
    ``built_in``: one of our topics, whose phrases in all languages count too."""

    name: str
    phrases: tuple[str, ...]
    to: RouteName = "person"
    say: str = ""
    built_in: Topic | Literal[""] = ""


@dataclass(frozen=True, slots=True)
class RouteRules:
    """Without any, the tenant's model answers everything, and only contacts who ask for a person get one.

    ``cheap`` and ``strong`` name models; empty: the tenant's model, and none. ``examples``: intent → messages;
    ``trained``: the file with the model trained on them. ``sure_above``: minimum confidence of an intent;
    ``local_above``: retrieval confidence from which the extractive answer is used; ``doubtful_below``: retrieval
    confidence below which the strong model is used. ``unknown``: the route when neither an intent nor a document fits.
    ``upset``: additional phrases of upset contacts. ``person_after``: consecutive answers that did not help before a
    person is called, 0 for never. ``tiers``: assurance level of the contact, or `channel/account`, → the lowest route.
    At ``low_budget``, a share of the budget, the strong model is no longer used.
    """

    cheap: str = ""
    strong: str = ""
    intents: Mapping[str, Intent] = field(default_factory=dict)
    examples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    trained: Path | None = None
    risks: tuple[RiskTopic, ...] = ()
    upset: tuple[str, ...] = ()
    tiers: Mapping[str, RouteName] = field(default_factory=dict)
    sure_above: float = 0.5
    local_above: float = 1.0
    doubtful_below: float = 0.0
    unknown: RouteName = "local"
    person_after: int = 0
    low_budget: float = 0.1

    def models(self, name: RouteName, usual: str) -> tuple[str, ...]:
        """Models of a route in the order to try them; ``usual`` is the tenant's. The strong model is tried when the
        cheap one fails, and a route without a model uses the other one's."""
        cheap = self.cheap or usual
        tried = {"cheap": (cheap, self.strong), "strong": (self.strong or cheap, cheap)}.get(name, ("local",))
        return ("local",) if tried[0] == "local" else tuple(dict.fromkeys(model for model in tried if model))
