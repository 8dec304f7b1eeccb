"""Three kinds of providers, one behaviour: what is asked, what is shown, what it costs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent_worker.models.providers.provider import Prices
from tests.simulators.models.request_reading import data_of, lines_of
from tests.simulators.models.server import Script
from tests.unit.agent_worker.models.conftest import HEAT, PASSAGES, TIMES, Asking, LadderClient, Provider, passage

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


ASTRAY = replace(passage("When tendrils dry, the humidity has changed suddenly.", document="care"), related=False)


async def test_passages_about_something_else_are_not_shown(of_each: LadderClient) -> None:
    """Whatever cites them is repaired, and where there are no others nobody is asked."""
    of_each.server.next_scripts = [Script(text="When tendrils dry, the humidity has changed suddenly [3].")]
    draft = await of_each.ask(BOTH, [*PASSAGES, ASTRAY])
    assert [one["text"] for one in data_of(of_each.server.calls[0].body)["passages"]] == [HEAT, TIMES]
    assert (draft.model, "tendrils" in draft.text) == ("remote", False)
    of_each.server.calls.clear()
    draft = await of_each.ask("Who won the world cup in 2014?", [ASTRAY])
    assert (draft.answered, of_each.server.calls) == (False, [])


async def test_a_figure_that_is_asked_for_must_be_given(of_each: LadderClient) -> None:
    """A sentence next to it in the document is repaired; that something is not so answers, too."""
    told = [passage("A heat pack costs 4.50 euro. It keeps the parcel warm. Outside winter we add no heat pack.")]
    astray = Script(text="A heat pack keeps the parcel warm [1].")
    of_each.server.next_scripts = [astray, Script(text="A heat pack costs 4.50 euro [1].")]
    draft = await of_each.ask("How much is a heat pack?", told)
    assert (draft.model, draft.text) == ("remote", "A heat pack costs 4.50 euro [1].")
    assert "asks for a price" in lines_of(of_each.server.calls[1].body)[-1].text
    of_each.server.calls.clear()
    of_each.server.next_scripts = [Script(text="Outside winter we add no heat pack [1].")]
    draft = await of_each.ask("How much is a heat pack outside winter?", told)
    assert (draft.text, len(of_each.server.calls)) == ("Outside winter we add no heat pack [1].", 1)


async def test_cached_tokens_have_a_price_of_their_own() -> None:
    """What the provider had already read costs what the configuration says, else as much as the rest."""
    from agent_worker.models.providers.provider import Usage

    usage = Usage(input=1_000, cached=900, output=10)
    assert usage.cost(Prices(2.0, 10.0, 0.2)) == pytest.approx((100 * 2 + 900 * 0.2 + 10 * 10) / 1e6)
    assert usage.cost(Prices(2.0, 10.0)) == pytest.approx((1_000 * 2 + 10 * 10) / 1e6)
