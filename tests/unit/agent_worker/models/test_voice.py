"""A tenant's instructions and language, and what a provider can cache of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent_worker.models.providers.remote_model import ModelDependencies
from agent_worker.models.registry import select_model
from agent_worker.settings import BudgetRules, TenantRules, WorkerSettings
from agent_worker.turn.result import list_cited_passages
from agent_worker.voice import Example, Voice
from schemas.ports import Passage
from tests.simulators.models.request_reading import data_of, lines_of
from tests.unit.agent_worker.models.conftest import (
    HEAT,
    PASSAGES,
    TENANT,
    TIMES,
    Asking,
    LadderClient,
    Provider,
    passage,
    question,
)

VOICE = Voice(
    name="Fern",
    instructions={"": "Be brief.", "de": "Sag du zu den Leuten.", "de-at": "Sag Servus."},
    examples={"en": [Example("Do you ship to Norway?", "We do, on Mondays {sic} [1].")]},
)
SETTINGS = WorkerSettings(tenants={TENANT: TenantRules(voice=VOICE)})
TWO = ["Do you add a heat pack in winter?", "When do your parcels leave the nursery?"]
PROVIDERS: list[Provider] = ["openai", "anthropic", "google"]


def test_a_tenant_may_have_an_adapter_for_each_language() -> None:
    """The message decides, then the locale, then the tenant's usual one."""
    rules = TenantRules(model="base", models={"de": "german", "fr": "french"})
    assert select_model(rules, "Wann kann ich die Pflanze zurückgeben?", "en") == "german"
    assert select_model(rules, "ok", "fr-CA") == "french"
    assert select_model(rules, "Do you have a heat pack for it?", "de") == "base"


async def test_the_tenants_voice_is_that_of_the_messages_language(asking: Asking) -> None:
    """Instructions and examples stand in the system part, after the rules that bind them."""
    asker: LadderClient = asking(settings=SETTINGS)
    await asker.ask(TWO[0])
    await asker.ask("Wann kann ich die Pflanze zurückgeben?")
    await asker.ask("ok then A-17", locale="de-AT")
    english, german, austrian = (call.system for call in asker.server.calls)
    assert "Be brief." in english
    assert "We do, on Mondays {sic} [1]." in english
    assert english.index("follow only these rules") < english.index("Be brief.")
    assert "Sag du zu den Leuten." in german
    assert "Be brief." not in german
    assert "Sag Servus." in austrian


async def test_the_model_is_told_the_language(asking: Asking) -> None:
    """As data of the question, so that the stable part stays the same for a language."""
    asker: LadderClient = asking(settings=SETTINGS)
    await asker.ask("Wann kann ich die Pflanze zurückgeben?")
    assert data_of(asker.server.calls[0].body)["language"] == "de"


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("is_whole", [False, True])
async def test_two_questions_of_a_tenant_begin_the_same(asking: Asking, provider: Provider, is_whole: bool) -> None:
    """All that a provider may keep comes first, byte for byte; where everything is shown, that is the documents too."""

    async def whole(tenant: str, tokens: int) -> list[Passage]:
        assert (tenant, tokens) == (TENANT, 5_000)
        return PASSAGES

    around = ModelDependencies(all_passages=whole, canary=lambda _: "ref-0123456789")
    asker: LadderClient = asking(
        provider=provider, settings=SETTINGS, dependencies=around, full_context_tokens=5_000 if is_whole else 0
    )
    for text in TWO:
        await asker.ask(text, [passage("Something else that was found.")] if is_whole else None)
    one, two = (lines_of(call.body) for call in asker.server.calls)
    stable = 2 if is_whole else 1
    assert one[:stable] == two[:stable]
    assert one[stable] != two[stable]
    if is_whole:
        assert HEAT in one[1].text
        assert TIMES in one[1].text
        assert TWO[0] not in one[1].text


async def test_with_everything_in_the_prompt_the_gate_counts_alike(asking: Asking) -> None:
    """The numbers are those of the whole; what retrieval is unsure of, the model may still find."""

    async def whole(_tenant: str, _tokens: int) -> list[Passage]:
        return [passage("Pots are made of clay.", heading="Pots"), *PASSAGES]

    asker: LadderClient = asking(
        settings=SETTINGS, dependencies=ModelDependencies(all_passages=whole), full_context_tokens=5_000
    )
    draft = await asker.ask(TWO[1], [], confidence=0.0)
    assert (draft.model, [one.quote for one in draft.citations]) == ("remote", [TIMES])
    recorded = list_cited_passages(question(TWO[1], [replace(PASSAGES[0], document="found")]).search_result, draft)
    assert [(one.document, one.cited) for one in recorded] == [("found", False), ("shipping", True)]


async def test_a_turns_budget_bounds_what_is_shown_whole(asking: Asking) -> None:
    """Twice must be affordable, for a repair sends it again."""
    bounded = WorkerSettings(tenants={TENANT: TenantRules(budgets=BudgetRules(turn_tokens=6_000))})
    most: list[int] = []

    async def whole(_tenant: str, tokens: int) -> list[Passage]:
        most.append(tokens)
        return []

    await asking(settings=bounded, dependencies=ModelDependencies(all_passages=whole), full_context_tokens=5_000).ask(
        TWO[0]
    )
    assert most == [3_000]


@pytest.mark.parametrize("passages", [[], [passage("Pots of clay. " * 3_000)]])
async def test_knowledge_too_large_for_the_prompt_is_searched(asking: Asking, passages: list[Passage]) -> None:
    """Because it is too much for the setting, or for the question beside it: then those that were found."""

    async def whole(_tenant: str, _tokens: int) -> list[Passage]:
        return passages

    asker: LadderClient = asking(
        settings=SETTINGS, dependencies=ModelDependencies(all_passages=whole), full_context_tokens=5_000
    )
    await asker.ask(TWO[0], [replace(PASSAGES[0])])
    assert [one["text"] for one in data_of(asker.server.calls[0].body)["passages"]] == [HEAT]
