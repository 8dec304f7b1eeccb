"""Every way in which a provider can misbehave ends in one whole answer, with the reason on record."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from agent_worker.models.providers.remote_model import ModelDependencies
from agent_worker.voice import DEFAULT_VOICE
from schemas.ports import Passage
from tests.simulators.models.server import Script, make_held_script
from tests.unit.agent_worker.models.conftest import HEAT, TIMES, Asking, LadderClient, Provider, passage, question

BOTH = "Do you add a heat pack in winter?\nWhen do parcels leave your nursery?"
WINTER = "Do you add a heat pack in winter?"


PROVIDERS: list[Provider] = ["openai", "anthropic", "google"]


async def test_an_answer_is_streamed_by_sentences_with_verbatim_quotes(asker: LadderClient) -> None:
    """What is shown while it is written is the final text, and each number leads to a quote from the document."""
    draft = await asker.ask(BOTH)
    assert len(asker.deltas) == 2
    assert asker.shown == draft.text
    assert [citation.quote for citation in draft.citations] == [HEAT, TIMES]
    assert [citation.n for citation in draft.citations] == [1, 2]
    assert (draft.model, draft.answered, draft.reasons) == ("remote", True, [])


async def test_tokens_and_cost_are_those_the_provider_counted(asker: LadderClient) -> None:
    """Prices are dollars for a million tokens."""
    draft = await asker.ask(BOTH)
    (call,) = asker.server.calls
    prompt = sum(len(message["content"].split()) for message in call.body["messages"])
    assert draft.tokens > prompt
    assert draft.cost == pytest.approx((prompt * 2 + (draft.tokens - prompt) * 10) / 1e6)


async def test_the_request_names_the_model_and_bears_the_key(asker: LadderClient) -> None:
    """An adapter is chosen by its name; the answer is bounded; the key goes in its header alone."""
    await asker.ask(WINTER)
    (call,) = asker.server.calls
    assert (call.body["model"], call.key) == ("adapter-7", "Bearer sk-test")
    assert call.body["max_completion_tokens"] == 500
    assert "sk-test" not in str(call.body)


MISBEHAVIOURS = [
    pytest.param(Script(status=429), "HTTP 429", id="429"),
    pytest.param(Script(status=529), "HTTP 529", id="529"),
    pytest.param(Script(status=500), "HTTP 500", id="500"),
    pytest.param(Script(status=401), "HTTP 401", id="401"),
    pytest.param(Script("cut"), "broken answer", id="cut at once"),
    pytest.param(Script("cut", sentences=1), "broken answer", id="cut stream"),
    pytest.param(Script("garbage"), "broken answer", id="invalid JSON"),
    pytest.param(Script("flood"), "longer than", id="1 MB answer"),
    pytest.param(Script(text=""), "empty answer", id="empty answer"),
]


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(("script", "reason"), MISBEHAVIOURS)
async def test_a_misbehaving_provider_ends_in_the_extractive_answer(
    asking: Asking, provider: Provider, script: Script, reason: str
) -> None:
    """One request, no retry of the client's own; the contact keeps one whole answer, and the turn says why."""
    asker = asking(provider=provider)
    asker.server.script = script
    draft = await asker.ask(BOTH)
    assert draft.model == "local"
    assert draft.citations[0].quote in (HEAT, TIMES)
    assert asker.shown == draft.text, "nothing of the failed attempt may stay visible"
    assert len(draft.reasons) == 1
    assert draft.reasons[0].startswith("model remote failed: ")
    assert reason in draft.reasons[0]
    assert len(asker.server.calls) == 1
    assert asker.failed == ["remote"]


DELAYS = [
    pytest.param(Script("hang"), {"silence": 1.0}, "silent for 1 s", id="hang"),
    pytest.param(make_held_script(0), {"silence": 1.0}, "silent for 1 s", id="slow first token"),
    pytest.param(make_held_script(1), {"silence": 1.0}, "silent for 1 s", id="silence in the middle"),
    pytest.param(Script(pace=0.1), {"timeout": 0.6}, "no answer within 0.6 s", id="slow altogether"),
]


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(("script", "limits", "reason"), DELAYS)
async def test_nobody_waits_longer_than_was_said(
    asking: Asking, provider: Provider, script: Script, limits: dict[str, float], reason: str
) -> None:
    """The request is ended, which the provider sees, and the extractive answer comes."""
    asker = asking(provider=provider, **limits)
    asker.server.script = script
    draft = await asker.ask(BOTH)
    assert (draft.model, asker.shown) == ("local", draft.text)
    assert draft.reasons == [f"model remote failed: {reason}"]
    (call,) = asker.server.calls
    await asyncio.wait_for(call.ended.wait(), 30)
    assert call.outcome == "dropped"


async def test_a_provider_that_is_not_there_ends_in_the_extractive_answer(asker: LadderClient) -> None:
    """A refused connection is a failure like any other."""
    await asker.server.close()
    draft = await asker.ask(WINTER)
    assert (draft.model, len(draft.reasons)) == ("local", 1)


async def test_a_streamed_draft_is_aborted_when_the_model_is_cut_off(asker: LadderClient) -> None:
    """Never a half reply: the sentence that had passed goes, the whole answer comes."""
    asker.server.script = make_held_script(1, Script("cut", sentences=1))
    asking = asyncio.create_task(asker.ask(BOTH))
    await asker.has_shown(1)
    asker.server.calls[0].gate.set()
    draft = await asking
    assert asker.takebacks == 1
    assert asker.shown == draft.text


INVENTED = "In winter we add a heat pack to every parcel for 9.90 euro [1]."


async def test_a_refused_sentence_is_repaired_once(asker: LadderClient) -> None:
    """The gate's objection goes back to the model; its second answer counts, and the cost of both."""
    asker.server.next_scripts = [Script(text=INVENTED)]
    draft = await asker.ask(WINTER)
    first, second = asker.server.calls
    assert not first.is_repair
    assert second.is_repair
    assert "9.9 EUR" in second.body["messages"][-1]["content"]
    assert second.body["messages"][: len(first.body["messages"])] == first.body["messages"], "the prompt stays cached"
    assert draft.model == "remote"
    assert "4.50 euro" in asker.shown == draft.text
    assert draft.reasons == ["model remote failed: not grounded (its passage does not contain the figure 9.9 EUR)"]
    counted = [sum(len(m["content"].split()) for m in call.body["messages"]) for call in asker.server.calls]
    assert draft.tokens > sum(counted)


async def test_a_model_that_insists_is_replaced_by_the_extractive_answer(asker: LadderClient) -> None:
    """Two refusals, no third request."""
    asker.server.script = Script(text=INVENTED)
    draft = await asker.ask(WINTER)
    assert len(asker.server.calls) == 2
    assert (draft.model, len(draft.reasons)) == ("local", 2)
    assert "9.90" not in "".join(asker.deltas), "a refused sentence is never shown"


async def test_a_sentence_leaves_before_the_next_one_is_written(asker: LadderClient) -> None:
    """Streaming is real: the first sentence is shown while the model is still held at the second."""
    asker.server.script = make_held_script(1)
    asking = asyncio.create_task(asker.ask(BOTH))
    await asker.has_shown(1)
    assert not asking.done()
    asker.server.calls[0].gate.set()
    draft = await asking
    assert draft.text.startswith(asker.deltas[0])


async def test_cancelling_ends_the_request(asker: LadderClient) -> None:
    """The provider sees the connection drop, so that nothing is paid for an answer nobody waits for."""
    asker.server.script = Script("hang")
    asking = asyncio.create_task(asker.ask(WINTER))
    call = await asker.server.called()
    asking.cancel()
    await asyncio.wait_for(call.ended.wait(), 30)
    assert call.outcome == "dropped"
    with pytest.raises(asyncio.CancelledError):
        await asking


@pytest.mark.parametrize("text", ["Hello!", "Thank you", "I want to talk to a person"])
async def test_small_talk_costs_nothing(asker: LadderClient, text: str) -> None:
    """Set phrases of the tenant need no model."""
    draft = await asker.ask(text)
    assert draft.answered
    assert asker.server.calls == []


async def test_a_question_beyond_the_documents_is_declined_without_a_model_request(asker: LadderClient) -> None:
    """No source, no claim, no cost."""
    for passages, confidence in (([], 0.9), (None, 0.1)):
        draft = await asker.ask("Who won the world championship?", passages, confidence)
        assert (draft.answered, draft.text, asker.server.calls) == (False, "Not in our documents.", [])


async def test_a_doubtful_question_is_the_models_to_judge(asker: LadderClient) -> None:
    """Between hopeless and answerable the model is asked. If it fails, nothing is quoted on a mere suspicion."""
    assert (await asker.ask(WINTER, confidence=0.3)).model == "remote"
    asker.server.script = Script(status=500)
    draft = await asker.ask(WINTER, confidence=0.3)
    assert (draft.answered, draft.model) == (False, "local")


async def test_what_a_model_found_no_answer_in_is_not_quoted_as_the_closest(asker: LadderClient) -> None:
    found = replace(question("Is parking available?").search_result, answerable=False, probable=True)
    draft = await asker.ask("Is parking available?", search_result=found)
    assert (draft.text, draft.citations, draft.model) == (DEFAULT_VOICE.did_you_mean, [], "remote")


async def test_a_model_may_say_that_the_passages_hold_no_answer(asker: LadderClient) -> None:
    """Then the sections that were found are offered in the tenant's own words, and the model's word for it is never
    shown."""
    draft = await asker.ask("Is parking available?")
    assert (draft.answered, draft.text, draft.model) == (False, DEFAULT_VOICE.did_you_mean, "remote")
    assert [choice.label for choice in draft.choices] == ["Shipping: Winter", "Shipping: Times", "None of these"]
    assert draft.tokens > 0
    assert asker.deltas == []


async def test_a_message_longer_than_the_context_is_not_sent(asker: LadderClient) -> None:
    """Nobody pays for a request that the provider has to refuse; the contact is answered all the same."""
    draft = await asker.ask(f"{WINTER} {'Really? ' * 25_000}")
    assert (draft.model, asker.server.calls) == ("local", [])
    assert draft.reasons == ["model remote failed: the message does not fit into its context"]


async def test_an_answer_made_of_courtesies_is_none(asker: LadderClient) -> None:
    """Whoever asks something gets a claim with its source, or an honest no."""
    asker.server.script = Script(text="Thank you for your question!")
    draft = await asker.ask(WINTER)
    assert draft.model == "local"
    assert draft.citations


async def test_a_true_sentence_about_something_else_is_no_answer(asking: Asking) -> None:
    """It is grounded, but not in anything about what was asked; the name of the company itself is no such thing."""
    cards, text = [passage("We take bank transfers and credit cards.")], "We take bank transfers and credit cards [1]."
    asker = asking(dependencies=ModelDependencies(own_name=lambda _: "Green & Co"))
    asker.server.script = Script(text=text)
    draft = await asker.ask("Can I pay with PayPal?", cards)
    assert draft.model == "local"
    assert "its passage does not mention 'PayPal', which the customer asks about" in draft.reasons[0]
    assert (await asker.ask("Can I pay Green & Co by card?", cards)).model == "remote"


async def test_another_check_can_judge_the_sentences(asking: Asking) -> None:
    """Each of them, with the question and what it cites."""
    seen: list[tuple[str, str, str]] = []

    def check(question: str, sentence: str, cited: Passage) -> str | None:
        seen.append((question, sentence, cited.text))
        return "it is about something else"

    asker = asking(dependencies=ModelDependencies(check=check))
    draft = await asker.ask(WINTER)
    assert (draft.model, seen[0][0], seen[0][2]) == ("local", WINTER, HEAT)
    assert "it is about something else" in draft.reasons[0]
