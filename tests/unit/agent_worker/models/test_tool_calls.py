"""Actions that a model asks for while it answers: called as offered, told as data, never more than was offered."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from agent_worker.models.providers.provider import ModelLimits
from agent_worker.models.providers.remote_model import RemoteModel
from agent_worker.models.registry import FallbackRule
from schemas.messages import Choice
from schemas.ports import ActionOffer, ActionResult, Passage
from tests.simulators.models.request_reading import lines_of, results_of, tools_of
from tests.simulators.models.server import Call, Script
from tests.unit.agent_worker.models.conftest import SETTINGS, TENANT, Asking, LadderClient, Provider, source_of

ASKED = "Where is my order A-17?"
TOLD = "Order A-17 left our nursery on 3 March 2026 and arrives on 5 March 2026."
STATUS = {"type": "object", "properties": {"order": {"type": "string"}}, "required": ["order"]}
REFUND = {
    "type": "object",
    "properties": {"order": {"type": "string"}, "amount": {"type": "number"}},
    "required": ["order", "amount"],
}
SAY = "Shall I refund 12.00 euro for order A-17?"


@dataclass
class Shop:
    """Two actions: one reads, one asks the contact first. ``called``: what reached them."""

    called: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    outcome: Callable[[str], ActionResult] | None = None

    @property
    def offers(self) -> list[ActionOffer]:
        return [
            ActionOffer("refund", "Refund an order, in part or whole.", REFUND, "write", [], self._call("refund")),
            ActionOffer(
                "order_status", "Where an order is.", STATUS, "read", ["Where is my order?"], self._call("order_status")
            ),
        ]

    def _call(self, name: str) -> Any:
        async def call(arguments: Mapping[str, Any]) -> ActionResult:
            self.called.append((name, dict(arguments)))
            if self.outcome is not None:
                return self.outcome(name)
            if name == "refund":
                return ActionResult(name, "asked", say=SAY, choices=[Choice(id="yes", label="Yes")])
            told = Passage(TENANT, "action:order_status", 0, "Order A-17", "", "", TOLD, 1.0)
            return ActionResult(name, "succeeded", {"order": "A-17"}, evidence=told)

        return call


def calls(name: str, **arguments: Any) -> Script:
    return Script(calls=((name, json.dumps(arguments)),))


@pytest.fixture
def shop() -> Shop:
    return Shop()


PROVIDERS: list[Provider] = ["openai", "anthropic", "google"]


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_result_is_cited_like_a_document(asking: Asking, shop: Shop, provider: Provider) -> None:
    """The model calls, reads what came of it, and its sentence about it passes with that as its source."""
    asker = asking(provider=provider, may_act=True)
    asker.server.next_scripts = [calls("order_status", order="A-17")]
    draft = await asker.ask(ASKED, offers=shop.offers)
    assert shop.called == [("order_status", {"order": "A-17"})]
    assert (draft.text, draft.model, draft.reasons) == (f"{TOLD.rstrip('.')} [1].", "remote", [])
    assert [(one.document, one.quote) for one in draft.citations] == [("action:order_status", TOLD)]
    first, second = asker.server.calls
    assert sorted(tools_of(first.body)) == ["order_status", "refund"]
    assert tools_of(second.body) == tools_of(first.body), "what a provider keeps stays the same"
    assert [result["outcome"] for result in results_of(second.body)] == ["succeeded"]
    before = lines_of(first.body)
    assert lines_of(second.body)[: len(before)] == before


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_an_action_that_asks_first_has_the_last_word(asking: Asking, shop: Shop, provider: Provider) -> None:
    """Its own words and choices are the reply, exactly; no more is asked of the model; what it had shown goes."""
    asker = asking(provider=provider, may_act=True)
    script = calls("refund", order="A-17", amount=12)
    asker.server.script = Script(calls=script.calls, text="In winter we add a heat pack to every parcel [1]. Moment.")
    draft = await asker.ask("Refund 12 euro of A-17", offers=shop.offers)
    assert (draft.text, [choice.id for choice in draft.choices]) == (SAY, ["yes"])
    assert (draft.citations, draft.model, len(asker.server.calls)) == ([], "remote", 1)
    assert asker.takebacks == 1
    assert asker.shown == ""


async def test_text_before_a_tool_call_is_no_part_of_the_answer(asking: Asking, shop: Shop) -> None:
    """ "Let me look that up." needs no source, because nobody gets to read it."""
    asker = asking(may_act=True)
    script = calls("order_status", order="A-17")
    asker.server.next_scripts = [Script(calls=script.calls, text="Let me look up the status of A-17 for you.")]
    draft = await asker.ask(ASKED, offers=shop.offers)
    assert draft.text == asker.shown == f"{TOLD.rstrip('.')} [1]."
    assert asker.deltas == [draft.text]


async def test_a_claim_about_a_result_needs_its_figures(asking: Asking, shop: Shop) -> None:
    """The gate compares with what the action answered; the repair does not call again."""
    asker = asking(may_act=True)
    asker.server.next_scripts = [
        calls("order_status", order="A-17"),
        Script(text="Order A-17 arrives on 9 March 2026 [3]."),
    ]
    draft = await asker.ask(ASKED, offers=shop.offers)
    assert draft.model == "remote"
    assert "5 March" in draft.text
    assert "9 March" not in "".join(asker.deltas)
    assert len(shop.called) == 1


async def test_a_model_may_ask_for_what_is_missing(asking: Asking, shop: Shop) -> None:
    """A question made of the words of the actions claims nothing; one that offers something does."""
    asker = asking(may_act=True)
    asker.server.script = Script(text="Which order is it, please?")
    draft = await asker.ask("Where is my order?", offers=shop.offers)
    assert (draft.text, draft.model) == ("Which order is it, please?", "remote")
    asker.server.script = Script(text="Would you like a free bonsai with your order?")
    draft = await asker.ask("Where is my order?", offers=shop.offers)
    assert draft.model == "local"
    assert "bonsai" not in "".join(asker.deltas)


NONSENSE = {
    "a function nobody offered": ("delete_customer", "{}"),
    "an argument of a wrong type": ("refund", '{"order": "A-17", "amount": "all of it"}'),
    "an argument nobody asked for": ("order_status", '{"order": "A-17", "customer": "somebody else"}'),
    "an argument missing": ("refund", '{"order": "A-17"}'),
    "invalid JSON": ("refund", '{"order": "A-17", '),
    "no object": ("order_status", '["A-17"]'),
}


@pytest.mark.parametrize("case", NONSENSE)
async def test_a_call_that_makes_no_sense_is_told_once(asking: Asking, shop: Shop, case: str) -> None:
    """The model hears why and mends it; nothing was called."""
    asker = asking(may_act=True)
    asker.server.next_scripts = [Script(calls=(NONSENSE[case],)), calls("order_status", order="A-17")]
    draft = await asker.ask(ASKED, offers=shop.offers)
    assert (draft.model, shop.called) == ("remote", [("order_status", {"order": "A-17"})])
    (refusal,) = results_of(asker.server.calls[1].body)
    assert refusal["outcome"] == "refused"
    assert refusal["reason"]


@pytest.mark.parametrize("case", NONSENSE)
async def test_a_model_that_insists_on_nonsense_is_replaced(asking: Asking, shop: Shop, case: str) -> None:
    """At its second mistake the ladder goes on; still nothing was called."""
    asker = asking(may_act=True)
    asker.server.script = Script(calls=(NONSENSE[case],))
    draft = await asker.ask(ASKED, offers=shop.offers)
    assert (draft.model, shop.called, len(asker.server.calls)) == ("local", [], 2)
    assert draft.reasons == ["model remote failed: wrong action calls"]


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_megabyte_of_arguments_is_none(asking: Asking, shop: Shop, provider: Provider) -> None:
    """It is not read to its end, and nothing is called."""
    asker = asking(provider=provider, may_act=True)
    asker.server.script = calls("order_status", order="x" * 1_000_000)
    draft = await asker.ask(ASKED, offers=shop.offers)
    assert (draft.model, shop.called, len(asker.server.calls)) == ("local", [], 1)
    assert draft.reasons == ["model remote failed: an action's arguments are longer than 20000 characters"]


async def test_the_same_call_again_is_not_made_again(asking: Asking, shop: Shop) -> None:
    """A result is the last word: a model that loops gets it once more, until its requests are used up."""
    asker = asking(may_act=True)
    asker.server.script = calls("order_status", order="A-17")
    draft = await asker.ask(ASKED, offers=shop.offers)
    assert len(shop.called) == 1
    assert len(asker.server.calls) == 6
    assert "model remote not asked: the turn's budget of requests is spent" in draft.reasons


async def test_a_done_action_is_reported_even_if_the_model_fails_after_it(asking: Asking, shop: Shop) -> None:
    """The action's own words are the answer then, with their source; nothing else is said in its place."""
    asker = asking(may_act=True)
    asker.server.next_scripts = [calls("order_status", order="A-17"), Script(status=500)]
    draft = await asker.ask(ASKED, offers=shop.offers)
    assert (draft.text, draft.model, draft.answered) == (f"{TOLD} [1]", "local", True)
    assert draft.citations[0].quote == TOLD


async def test_a_refusal_can_be_cited_too(asking: Asking, shop: Shop) -> None:
    """A result without words of its own is its reason and its facts."""
    asker = asking(may_act=True)
    shop.outcome = lambda name: ActionResult(name, "refused", {"order": "A-17"}, reason="the order was shipped already")
    asker.server.next_scripts = [
        calls("refund", order="A-17", amount=3),
        Script(text="The order was shipped already [3]."),
    ]
    draft = await asker.ask("Refund 3 euro of A-17", offers=shop.offers)
    assert (draft.text, draft.model) == ("The order was shipped already [1].", "remote")


async def test_the_next_model_gets_the_same_actions(asking: Asking, shop: Shop) -> None:
    """The ladder takes the offers along; `local` needs none of the rungs before it."""

    def script(call: Call) -> Script:
        if call.body["model"] == "adapter-7":
            return Script(status=529)
        return Script() if results_of(call.body) else calls("order_status", order="A-17")

    asker: LadderClient = asking(may_act=True, standing=FallbackRule(fallback=("second",)))
    second = RemoteModel("second", source_of(asker.server, "anthropic"), SETTINGS, ModelLimits(may_act=True))
    asker.models = asking(may_act=True, standing=FallbackRule(fallback=("second",)), more={"second": second}).models
    asker.server.script_for = script
    draft = await asker.ask(ASKED, offers=shop.offers)
    assert (draft.model, draft.reasons) == ("second", ["model remote failed: HTTP 529"])


async def test_a_model_without_the_ability_is_offered_nothing(asking: Asking, shop: Shop) -> None:
    """What a model can do is configuration."""
    asker = asking(may_act=False)
    await asker.ask("Do you add a heat pack in winter?", offers=shop.offers)
    assert tools_of(asker.server.calls[0].body) == []
