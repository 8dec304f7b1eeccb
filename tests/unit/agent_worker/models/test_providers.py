"""Three kinds of providers, one behaviour: what is asked, what is shown, what it costs."""

from __future__ import annotations

import pytest

from agent_worker.models.providers.provider import Prices
from tests.simulators.models.request_reading import data_of, lines_of
from tests.simulators.models.server import Script
from tests.unit.agent_worker.models.conftest import HEAT, TIMES, Asking, LadderClient, Provider

BOTH = "Do you add a heat pack in winter?\nWhen do parcels leave your nursery?"
PROVIDERS: list[Provider] = ["openai", "anthropic", "google"]


@pytest.fixture(params=PROVIDERS)
def of_each(request: pytest.FixtureRequest, asking: Asking) -> LadderClient:
    return asking(provider=request.param)


async def test_an_answer_is_streamed_with_its_quotes_and_its_bill(of_each: LadderClient) -> None:
    """By sentences, each with its source; tokens and dollars as the provider counted them."""
    draft = await of_each.ask(BOTH)
    assert of_each.shown == draft.text
    assert len(of_each.deltas) == 2
    assert [citation.quote for citation in draft.citations] == [HEAT, TIMES]
    (call,) = of_each.server.calls
    prompt = sum(len(line.text.split()) for line in lines_of(call.body))
    assert prompt < draft.tokens < prompt + 60
    assert draft.cost == pytest.approx((prompt * 2 + (draft.tokens - prompt) * 10) / 1e6)


async def test_the_request_bears_instructions_data_and_key_apart(of_each: LadderClient) -> None:
    """Rules in the system part, data in a user's text, the key in its header alone."""
    await of_each.ask(BOTH)
    (call,) = of_each.server.calls
    assert "You answer customers' messages" in call.system
    assert data_of(call.body)["message"] == BOTH
    assert HEAT not in call.system
    assert call.key.removeprefix("Bearer ") == "sk-test"
    assert "sk-test" not in str(call.body)


async def test_a_refused_sentence_is_repaired_once(of_each: LadderClient) -> None:
    """The refused answer and the objection follow the same beginning."""
    of_each.server.next_scripts = [Script(text="In winter we add a heat pack for 9.90 euro [1].")]
    draft = await of_each.ask(BOTH)
    first, second = (lines_of(call.body) for call in of_each.server.calls)
    assert second[: len(first)] == first
    assert [line.side for line in second[len(first) :]] == ["assistant", "user"]
    assert (draft.model, "4.50 euro" in draft.text) == ("remote", True)


async def test_cached_tokens_have_a_price_of_their_own() -> None:
    """What the provider had already read costs what the configuration says, else as much as the rest."""
    from agent_worker.models.providers.provider import Usage

    usage = Usage(input=1_000, cached=900, output=10)
    assert usage.cost(Prices(2.0, 10.0, 0.2)) == pytest.approx((100 * 2 + 900 * 0.2 + 10 * 10) / 1e6)
    assert usage.cost(Prices(2.0, 10.0)) == pytest.approx((1_000 * 2 + 10 * 10) / 1e6)
