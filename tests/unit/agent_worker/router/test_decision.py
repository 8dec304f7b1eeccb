"""The decision: each row of what is known, where it leads, and the reason that is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent_worker.router import decision
from agent_worker.router.decision import RoutingInput, decide_route
from agent_worker.router.intents import IntentResult
from agent_worker.router.phrase_search import anger_score, find_phrase
from agent_worker.router.router import is_repeated
from agent_worker.router.rules import Intent, RiskTopic, RouteRules
from schemas.messages import Author, TranscriptMessage
from schemas.ports import SearchResult
from tests.unit.agent_worker.worker_environment import Clock

RULES = RouteRules(
    cheap="small",
    strong="large",
    intents={
        "hours": Intent(),
        "faq": Intent(to="local"),
        "contract": Intent(hard=True),
        "recall": Intent(risky=True),
    },
    risks=(RiskTopic("legal threat", ("my lawyer", "sue*")), RiskTopic("press", ("journalist",), "strong")),
    tiers={"verified": "strong", "slack/vip": "person"},
    doubtful_below=0.6,
    local_above=0.95,
    person_after=2,
)
HELD = SearchResult([], answerable=True, confidence=0.8)
ABSENT = SearchResult([], answerable=False, confidence=0.1)
PLAIN = RoutingInput("When are you open?", HELD)
SURE = IntentResult("hours", 0.9, 5.0)
STRANGE = IntentResult("hours", 0.2, 1.0, out_of_scope=True)

ROWS = {
    "routine": (PLAIN, SURE, "cheap", "intent hours (0.90) is routine"),
    "an intent that says where": (PLAIN, IntentResult("faq", 0.9), "local", "intent faq (0.90) goes to local"),
    "a hard intent": (PLAIN, IntentResult("contract", 0.8), "strong", "intent contract (0.80) is hard"),
    "a risky intent": (PLAIN, IntentResult("recall", 0.8), "person", "intent recall (0.80) is risky"),
    "a doubtful intent": (PLAIN, IntentResult("recall", 0.4), "strong", "the intent is uncertain (recall 0.40)"),
    "a risk topic": (replace(PLAIN, text="My lawyer will write."), SURE, "person", "risk: legal threat"),
    "a risk for the strong model": (replace(PLAIN, text="I am a journalist"), SURE, "strong", "risk: press"),
    "a wish for a person": (replace(PLAIN, talk="person"), SURE, "person", decision.PERSON_REQUESTED),
    "small talk": (replace(PLAIN, talk="greeting"), SURE, "local", "the documents were not searched"),
    "a risk in small talk": (replace(PLAIN, text="sued", talk="thanks"), SURE, "person", "risk: legal threat"),
    "unknown to all": (
        replace(PLAIN, search_result=ABSENT),
        STRANGE,
        "local",
        "no intent and no document matches",
    ),
    "unknown, but documented": (PLAIN, STRANGE, "cheap", "no intent, but the documents may contain an answer"),
    "several questions": (replace(PLAIN, asks=3), SURE, "strong", "3 questions at once"),
    "doubtful documents": (
        replace(PLAIN, search_result=replace(HELD, confidence=0.55)),
        SURE,
        "strong",
        "may contain an answer (0.55)",
    ),
    "very sure documents": (
        replace(PLAIN, search_result=replace(HELD, confidence=0.97)),
        SURE,
        "local",
        "quoting the documents is enough",
    ),
    "an upset contact": (replace(PLAIN, upset=0.5), SURE, "strong", "the contact is upset"),
    "upset after a failure": (
        replace(PLAIN, upset=0.5, declined=1),
        SURE,
        "person",
        "the previous answer did not help",
    ),
    "the same again": (replace(PLAIN, repeated=True), SURE, "strong", "repeats a question that was answered"),
    "after cheap did not help": (replace(PLAIN, declined=1, last_route="cheap"), SURE, "strong", "cheap model did not"),
    "after local did not help": (replace(PLAIN, declined=1, last_route="local"), SURE, "cheap", "routine"),
    "failures in a row": (replace(PLAIN, declined=2), SURE, "person", "2 answers in a row did not help"),
    "a tier": (replace(PLAIN, tiers=frozenset({"verified", "web/main"})), SURE, "strong", "contact tier verified"),
    "the highest tier": (
        replace(PLAIN, tiers=frozenset({"verified", "slack/vip"})),
        SURE,
        "person",
        "contact tier slack/vip",
    ),
    "little left to spend": (replace(PLAIN, asks=2, budget=0.05), SURE, "cheap", "little of the budget is left (5%)"),
    "nothing left to spend": (replace(PLAIN, asks=2, budget=0.0), SURE, "local", "the budget is used up"),
    "a risk with nothing left": (replace(PLAIN, text="my lawyer", budget=0.0), SURE, "person", "risk: legal threat"),
}


@pytest.mark.parametrize("row", ROWS)
def test_each_message_gets_its_route_with_the_reason(row: str) -> None:
    situation, reading, name, reason = ROWS[row]
    route = decide_route(RULES, situation, reading)
    assert route.name == name
    assert any(reason in each for each in route.reasons), route.reasons


def test_the_models_of_a_route_are_tried_in_order() -> None:
    """The strong one when the cheap one failed; what has no model of its own, another one does."""
    assert RULES.models("cheap", "local") == ("small", "large")
    assert RULES.models("strong", "local") == ("large", "small")
    assert RULES.models("local", "usual") == ("local",)
    assert RouteRules(strong="large").models("cheap", "usual") == ("usual", "large")
    assert RouteRules().models("strong", "usual") == ("usual",)
    assert RouteRules().models("strong", "local") == ("local",)


@pytest.mark.parametrize("row", [row for row, (*_, name, _reason) in ROWS.items() if name != "person"])
def test_the_local_model_alone_answers_everything_that_needs_no_person(row: str) -> None:
    situation, reading, _, _ = ROWS[row]
    route = decide_route(replace(RULES, cheap="", strong=""), situation, reading)
    assert (route.name, route.models) == ("local", ("local",))


def test_without_rules_the_usual_model_answers_everything_but_the_wish_for_a_person() -> None:
    for situation, _, _, _ in ROWS.values():
        route = decide_route(RouteRules(), replace(situation, model="usual", budget=None), IntentResult())
        if situation.talk == "person":
            assert route.name == "person"
        elif not situation.talk:
            assert (route.name, route.models) == ("cheap", ("usual",))


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("My Lawyer will hear of this", "my lawyer"),
        ("I'LL BE SUING you", "suing you"),
        ("suicidal thoughts", "suicid*"),
        ("don’t want to live any more", "don't want to live"),
        ("charge-back", "charge back"),
    ],
)
def test_phrases_are_found_whatever_the_case_and_between_the_words(text: str, phrase: str) -> None:
    assert find_phrase(text, ["nothing", phrase]) == phrase


@pytest.mark.parametrize(("text", "phrase"), [("a lawyer's plant", "my lawyer"), ("issued", "sue*"), ("pursue", "sue")])
def test_a_phrase_inside_other_words_is_not_found(text: str, phrase: str) -> None:
    assert find_phrase(text, [phrase]) == ""


def test_anger_is_told_from_plain_speech() -> None:
    assert anger_score("This is ridiculous and a waste of time!!") == 1.0
    assert anger_score("WHERE IS MY ORDER") > 0
    assert anger_score("How much light does a sundew need?") == 0.0
    assert anger_score("das ist frech", ["frech"]) == 0.5


def test_a_question_counts_as_repeated_only_after_an_answer() -> None:
    clock = Clock()

    def line(kind: str, text: str) -> TranscriptMessage:
        author = Author(kind=kind)  # type: ignore[arg-type]
        return TranscriptMessage(id=text, author=author, text=text, created_at=clock())

    asked = line("contact", "When does my order arrive?")
    assert is_repeated("when does my order ARRIVE", [asked, line("agent", "Soon.")])
    assert not is_repeated("when does my order arrive", [asked]), "it was not answered yet"
    assert not is_repeated("can I return the pot", [asked, line("agent", "Soon.")])
