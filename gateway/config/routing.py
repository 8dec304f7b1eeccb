"""Settings under a tenant's ``routes``: which model or person answers which message."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, RootModel, field_validator

from agent_worker.nlu.classification import Topic
from connectors.settings import Settings

Phrase = Annotated[str, Field(min_length=2, max_length=200)]
Route = Literal["local", "cheap", "strong", "person"]
Message = Annotated[str, Field(min_length=1, max_length=2000)]


class RouteModels(Settings):
    """The models of two routes: names of entries of ``models``."""

    cheap: str = ""
    """The model for routine messages. Empty: the tenant's ``model``."""
    strong: str = ""
    """The model for hard messages, and for those that the cheap model failed to answer. Empty: the cheap model."""


class IntentSettings(Settings):
    """An intent. A plain list stands for its examples."""

    examples: list[Message] = []
    """Messages with this intent."""
    to: Route | Literal[""] = ""
    """The route of these messages. Empty: as ``hard`` and ``risky`` say."""
    hard: bool = False
    """Route these messages to the strong model."""
    risky: bool = False
    """Route these messages to a person."""


class IntentFile(RootModel[dict[str, IntentSettings | list[Message]]]):
    """A file of examples: intent → examples. The intent ``out_of_scope`` is for subjects that the tenant does not deal
    with."""


class RiskSettings(Settings):
    """A topic whose messages go to a person, recognized by its phrases. A plain list stands for the phrases."""

    phrases: list[Phrase] = []
    """Words in the order in which they occur in a message. ``*`` at the end of a word matches any ending. An empty list
    switches a built-in topic off."""
    to: Route = "person"
    """The route of messages with this topic."""
    say: str = Field(default="", max_length=2000)
    """The text that the contact gets when a person takes over, instead of ``voice.handoff``."""


DEFAULT_RISKS = {
    "legal threat": RiskSettings(
        phrases=[
            "my lawyer",
            "my attorney",
            "my solicitor",
            "legal action",
            "lawsuit",
            "sue you",
            "suing you",
            "see you in court",
            "take you to court",
            "small claims",
        ]
    ),
    "self-harm": RiskSettings(
        phrases=[
            "suicid*",
            "kill myself",
            "killing myself",
            "end my life",
            "hurt myself",
            "harm myself",
            "harming myself",
            "self harm*",
            "i want to die",
            "don't want to live",
            "do not want to live",
        ]
    ),
    "chargeback": RiskSettings(
        phrases=[
            "chargeback*",
            "charge back",
            "dispute the charge",
            "dispute this charge",
            "dispute the payment",
            "dispute it with my bank",
            "reported it to my bank",
            "unauthorized charge*",
            "unauthorised charge*",
        ]
    ),
    "data deletion": RiskSettings(
        phrases=[
            "delete my data",
            "delete all my data",
            "delete my personal data",
            "delete my account",
            "erase my data",
            "erase all my data",
            "erase my personal data",
            "remove my personal data",
            "right to be forgotten",
            "gdpr request",
        ]
    ),
}
"""The topics that go to a person for every tenant with ``routes``, unless its ``risks`` say otherwise."""
BUILT_IN_TOPICS: dict[str, Topic] = {
    "legal threat": "legal",
    "self-harm": "danger",
    "chargeback": "chargeback",
    "data deletion": "deletion",
}
"""The same topics in the classifier, which knows them in every language that the agent understands."""


class RoutingSettings(Settings):
    """The route of each message: ``local`` (quotes from the documents), the ``cheap`` model, the ``strong`` model, or a
    ``person``. Thresholds are between 0 and 1."""

    models: RouteModels = RouteModels()
    """The models of the routes ``cheap`` and ``strong``."""
    examples: dict[str, IntentSettings | list[Message]] | str = {}
    """Intent → examples, or a file with them."""
    trained: str = ""
    """The file for what is learned from the examples. Empty: one in ``data_dir``."""
    risks: dict[str, RiskSettings | list[Phrase]] = {}
    """Risky topics besides the built-in ones: legal threat, self-harm, chargeback, data deletion."""
    upset: list[Phrase] = []
    """Phrases that angry people use, in addition to the built-in ones."""
    tiers: dict[str, Route] = {}
    """The lowest route for some messages: by the contact's assurance level (anonymous, channel, verified) or by
    ``channel/account``."""
    sure_above: float = Field(default=0.5, ge=0, le=1)
    """The confidence from which an intent counts as recognized."""
    local_above: float = Field(default=1.0, ge=0, le=1)
    """The confidence of retrieval from which quoting the documents is enough."""
    doubtful_below: float = Field(default=0.6, ge=0, le=1)
    """The confidence of retrieval below which the strong model answers."""
    low_budget: float = Field(default=0.1, ge=0, le=1)
    """The remaining share of the budget at which the strong model is no longer used."""
    unknown: Route = "local"
    """The route of messages that match neither an intent nor a document."""
    person_after: int = Field(default=0, ge=0, le=20)
    """Route to a person after this many answers in a row that did not help (after one if the contact is upset);
    0: never."""

    @field_validator("tiers")
    @classmethod
    def _check_tiers(cls, tiers: dict[str, Route]) -> dict[str, Route]:
        for tier in tiers:
            if "/" not in tier and tier not in ("anonymous", "channel", "verified"):
                raise ValueError(f"{tier!r} is neither anonymous, channel, verified nor a channel/account")
        return tiers
