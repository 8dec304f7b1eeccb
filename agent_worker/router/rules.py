"""What a tenant says about routing: plain values, read once, frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from agent_worker.nlu.classification import Topic

RouteName = Literal["local", "cheap", "strong", "person"]
ROUTES: tuple[RouteName, ...] = get_args(RouteName)
"""From the least to the most that is spent on an answer."""
NO_INTENT = "out_of_scope"
"""The name under which a tenant may give examples of what it does not deal with."""


@dataclass(frozen=True, slots=True)
class Intent:
    """``to`` is where its messages go, empty: as their difficulty asks. ``hard`` ones go to the strong model, ``risky``
    ones to a person."""

    to: RouteName | Literal[""] = ""
    hard: bool = False
    risky: bool = False


@dataclass(frozen=True, slots=True)
class RiskTopic:
    """``phrases``: words in order, as they may stand in a message; ``*`` ends a word that may go on. ``say`` is told
    the contact in place of the usual words of a handoff. ``built_in``: the topic of ours whose phrases in all languages
    count as well."""

    name: str
    phrases: tuple[str, ...]
    to: RouteName = "person"
    say: str = ""
    built_in: Topic | Literal[""] = ""


@dataclass(frozen=True, slots=True)
class RouteRules:
    """Without any, the tenant's model answers everything, and only who asks for a person gets one.

    ``cheap`` and ``strong`` name models; empty: the tenant's, and none. ``examples``: intent → messages; ``trained``:
    the file of what was learned from them. ``sure_above``: confidence from which an intent counts; ``local_above``: of
    retrieval, from which the extractive answer will do; ``doubtful_below``: of retrieval, under which the strong model
    reads better than the cheap one. ``unknown``: where goes what no intent and no document is about. ``upset``: what
    angry people say here. ``person_after``: answers in a row that did not help before a person is asked, 0: never.
    ``tiers``: assurance level of the contact, or `channel/account`, → the least that answers. At ``low_budget``, a
    share of what may be spent, the strong model is spared."""

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
        """Models of a route in the order in which they are tried, ``usual`` being the tenant's; the strong one is asked
        when the cheap one failed, and a route that has none gets the other's."""
        cheap = self.cheap or usual
        tried = {"cheap": (cheap, self.strong), "strong": (self.strong or cheap, cheap)}.get(name, ("local",))
        return ("local",) if tried[0] == "local" else tuple(dict.fromkeys(model for model in tried if model))
