"""What may be written under a tenant's `routes`: who answers what."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, RootModel, field_validator

from agent_worker.nlu.classification import Topic
from connectors.settings import Settings

Phrase = Annotated[str, Field(min_length=2, max_length=200)]
Route = Literal["local", "cheap", "strong", "person"]
Message = Annotated[str, Field(min_length=1, max_length=2000)]


class RouteModels(Settings):
    """Entries of ``models``. ``cheap`` is for what is routine (empty: the tenant's ``model``), ``strong`` for what is
    hard, and for what the cheap one failed at (empty: the cheap one does both)."""

    cheap: str = ""
    strong: str = ""


class IntentSettings(Settings):
    """Messages of one intent, and what is known of it: ``hard`` ones go to the strong model, ``risky`` ones to a
    person, unless ``to`` says where. Where nothing of that is to be said, a plain list of examples will do."""

    examples: list[Message] = []
    to: Route | Literal[""] = ""
    hard: bool = False
    risky: bool = False


class Intents(RootModel[dict[str, IntentSettings | list[Message]]]):
    """A file of examples: intent → examples. ``out_of_scope`` names what the tenant does not deal with."""


class RiskSettings(Settings):
    """``phrases``: words in order, as they stand in a message; ``*`` ends a word that may go on. No phrases: the topic
    is of no concern here. ``say`` is told the contact when a person takes over, in place of ``voice.handoff``. A plain
    list is its phrases."""

    phrases: list[Phrase] = []
    to: Route = "person"
    say: str = Field(default="", max_length=2000)


RISKS = {
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
"""Topics that go to a person wherever a tenant has `routes`, unless it says otherwise of them."""
BUILT_IN: dict[str, Topic] = {
    "legal threat": "legal",
    "self-harm": "danger",
    "chargeback": "chargeback",
    "data deletion": "deletion",
}
"""The same topics in all the languages that the agent understands, of which the phrases above are a part."""


class Routes(Settings):
    """Who answers what: `local`, the cheap model, the strong one, or a person.

    ``examples``: intent → messages, or a file with them; ``trained``: the file of what is learned from them, beside
    the data when empty. ``risks`` join the built-in topics. ``upset``: phrases of angry people, beside the built-in
    ones. ``tiers``: assurance level of the contact (anonymous, channel, verified) or `channel/account` → the least that
    answers. The thresholds are 0–1: ``sure_above`` of an intent's confidence; ``local_above`` and ``doubtful_below`` of
    retrieval's, from which the documents' own words will do, and under which the strong model reads them;
    ``low_budget`` is the share of the budget at which the strong model is spared. ``unknown`` is where goes what no
    intent and no document is about. After ``person_after`` answers in a row that did not help a person is asked, and
    an upset contact gets one after the first; 0: neither."""

    models: RouteModels = RouteModels()
    examples: dict[str, IntentSettings | list[Message]] | str = {}
    trained: str = ""
    risks: dict[str, RiskSettings | list[Phrase]] = {}
    upset: list[Phrase] = []
    tiers: dict[str, Route] = {}
    sure_above: float = Field(default=0.5, ge=0, le=1)
    local_above: float = Field(default=1.0, ge=0, le=1)
    doubtful_below: float = Field(default=0.6, ge=0, le=1)
    low_budget: float = Field(default=0.1, ge=0, le=1)
    unknown: Route = "local"
    person_after: int = Field(default=0, ge=0, le=20)

    @field_validator("tiers")
    @classmethod
    def _known(cls, tiers: dict[str, Route]) -> dict[str, Route]:
        for tier in tiers:
            if "/" not in tier and tier not in ("anonymous", "channel", "verified"):
                raise ValueError(f"{tier!r} is neither anonymous, channel, verified nor a channel/account")
        return tiers
