"""Examples hold the request as the model saw it, and the answer that people approved, wrote or changed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent_worker.learning.finetune.prompt_reader import TargetModel
from agent_worker.learning.finetune.training_example import TrainingExample
from agent_worker.learning.recorded_provider import RecordedProvider
from agent_worker.models.prompt import NOT_FOUND
from agent_worker.models.providers.masking_provider import MaskingProvider
from agent_worker.models.providers.openai import openai_provider
from agent_worker.models.providers.provider import ModelLimits
from agent_worker.models.providers.remote_model import ModelDependencies, RemoteModel
from agent_worker.router.rules import RouteRules
from agent_worker.settings import TenantRules, WorkerSettings
from tests.simulators.models.server import ModelServer, Script
from tests.unit.agent_worker.worker_environment import RETURNS, TENANT, VOICE
from tests.unit.finetune.feedback_log import ANY_MODEL, FeedbackLog, open_feedback_log, replace_limits

HEAT = "Do you add a heat pack in winter?"
POTS = "Within how many days can I return pots?"
WEEKEND = "Do parcels travel over the weekend?"
PERSON = "I want to speak to a human"
CANARY = "ref-0123456789abcdef0123"


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[FeedbackLog]:
    async with open_feedback_log(tmp_path) as opened:
        opened.begin("ann", "Ann Fern")
        yield opened


async def read_one(log: FeedbackLog) -> TrainingExample:
    (example,) = await log.read_examples()
    return example


async def test_a_liked_answer_is_learned_with_the_passages_and_the_conversation(log: FeedbackLog) -> None:
    await log.says("Hello, I am Ann Fern, ann@fern.example")
    await log.says(HEAT)
    await log.thumbs("up")
    example = await read_one(log)
    assert (example.source, example.model, example.problem) == ("thumb_up", "local", None)
    assert example.chosen.startswith("In winter we add a heat pack")
    assert "euro [1]." in example.chosen
    system, request = example.prompt
    assert "End every sentence and every list item with the number of its passage" in system.content
    asked = json.loads(request.content)
    assert asked["message"] == HEAT
    assert "heat pack to every parcel" in asked["passages"][0]["text"]
    assert asked["conversation"][0]["text"] == "Hello, I am <NAME_1>, <EMAIL_1>", "as models see it"
    assert [each.document for each in example.documents] == ["shipping"]


async def test_what_a_person_wrote_instead_is_preferred_to_the_answer_that_failed(log: FeedbackLog) -> None:
    await log.says(POTS)
    await log.thumbs("down", "and what about plants, ask bob@fern.example")
    await log.says(PERSON)
    await log.answers("You can return pots within 30 days of delivery, but living plants only if they arrive damaged.")
    example = await read_one(log)
    assert (example.source, example.reason) == ("person_wrote", "thumb")
    assert example.note == "and what about plants, ask <EMAIL_1>"
    pair = example.to_dpo()
    assert pair["chosen"][0]["content"].startswith("You can return pots within 30 days of delivery")
    assert pair["rejected"][0]["content"].startswith("You can return dry goods")
    assert [(row["label"], row["completion"]) for row in example.to_kto()] == [
        (True, pair["chosen"]),
        (False, pair["rejected"]),
    ]


async def test_a_rejected_answer_without_another_is_only_a_negative(log: FeedbackLog) -> None:
    await log.says(HEAT)
    await log.thumbs("down", "too long")
    example = await read_one(log)
    assert (example.source, example.chosen, example.note) == ("rejected", "", "too long")
    assert [row["label"] for row in example.to_kto()] == [False]


async def test_a_question_that_was_declined_is_learned_from_what_a_person_answered(log: FeedbackLog) -> None:
    await log.says(WEEKEND)
    await log.answers("No: parcels leave our nursery on Mondays and Tuesdays, so that no plant waits over a weekend.")
    example = await read_one(log)
    assert (example.source, example.rejected) == ("person_wrote", "")
    assert "Mondays and Tuesdays" in example.chosen
    assert example.to_sft()["messages"][-1] == {"role": "assistant", "content": example.chosen}


async def test_a_question_that_people_could_not_answer_from_the_passages_either_is_learned_as_declined(
    log: FeedbackLog,
) -> None:
    await log.says(WEEKEND)
    await log.answers("Sorry, nobody here can tell you.")
    example = await read_one(log)
    assert (example.source, example.chosen, example.problem) == ("person_wrote", NOT_FOUND, None)
    assert example.declines
    assert json.loads(example.prompt[1].content)["passages"], "the passages that have no answer"
    assert (example.documents, example.rejected) == ([], "")


async def test_nothing_is_learned_as_declined_that_people_answered_in_their_second_message(log: FeedbackLog) -> None:
    await log.says(WEEKEND)
    await log.answers("One moment please, Ann.")
    await log.answers("Parcels leave our nursery on Mondays and Tuesdays.")
    assert (await read_one(log)).problem == "not_grounded"


async def test_nothing_is_learned_as_declined_that_people_answered_with_a_figure_of_their_own(log: FeedbackLog) -> None:
    await log.says(WEEKEND)
    await log.answers("Sorry, only with our driver, who takes 45 euro.")
    assert (await read_one(log)).problem == "contradictory_figures"


async def test_an_answer_that_people_did_not_find_in_the_passages_is_not_learned_as_declined(log: FeedbackLog) -> None:
    """The agent answered, so somebody is wrong."""
    await log.says(HEAT)
    await log.thumbs("down")
    await log.answers("Sorry, nobody here can tell you.")
    assert (await read_one(log)).problem == "not_grounded"


async def test_thanks_and_greetings_of_people_get_no_source(log: FeedbackLog) -> None:
    await log.says(POTS)
    await log.thumbs("down")
    await log.answers("You can return pots within 30 days of delivery. Have a good day!")
    assert (await read_one(log)).chosen == "You can return pots within 30 days of delivery [1]. Have a good day!"


async def test_passages_that_a_small_context_has_no_room_for_are_no_source(log: FeedbackLog) -> None:
    await log.says("When does a parcel with a heat pack leave your nursery?")
    await log.thumbs("down")
    await log.answers("Parcels leave our nursery on Mondays and Tuesdays.")
    whole = await read_one(log)
    shown = json.loads(whole.prompt[1].content)["passages"]
    assert whole.chosen == "Parcels leave our nursery on Mondays and Tuesdays [2]."
    system, request = (each.content for each in whole.prompt)
    room = (len(system.partition("\nPlaceholders")[0]) + len(request) - len(json.dumps(shown[1:]))) // 3 + 5
    small = replace_limits(ANY_MODEL, context=room + 50, output=50)
    (example,) = await log.read_examples(small)
    assert (example.problem, example.chosen) == ("not_grounded", ""), "the model did not see it"


async def test_drafts_that_were_sent_changed_and_discarded(log: FeedbackLog) -> None:
    await log.says(POTS)
    await log.settles_draft("Within 30 days.", "You can return pots within 30 days of delivery.", "edited")
    log.begin("ben")
    await log.says(POTS)
    await log.settles_draft("You can return pots within 30 days.", "You can return pots within 30 days.", "sent")
    log.begin("cleo")
    await log.says(POTS)
    await log.settles_draft("Never.", "", "discarded")
    found = {each.source: each for each in await log.read_examples() if each.reason or each.source == "draft_sent"}
    assert found.keys() == {"person_edited", "draft_sent", "rejected"}
    assert found["person_edited"].chosen == "You can return pots within 30 days of delivery [1]."
    assert found["person_edited"].rejected == "Within 30 days [1]."
    assert found["draft_sent"].model == "local"
    assert (found["rejected"].rejected, found["rejected"].reason) == ("Never.", "draft_discarded")


async def test_what_the_contact_deleted_is_not_learned(log: FeedbackLog) -> None:
    await log.says("My neighbour is ill, please do not tell anybody.")
    await log.says(HEAT)
    await log.thumbs("up")
    await log.deletes_first()
    assert (await read_one(log)).problem == "not_recorded"


async def test_a_document_that_was_published_again_unchanged_is_not_outdated(log: FeedbackLog) -> None:
    await log.says(POTS)
    await log.thumbs("up")
    await log.world.put("returns", f"{RETURNS}\n## More\n\nPlants cannot be returned.\n")
    await log.world.library.wait_until_indexed(TENANT, 30)
    assert (await read_one(log)).problem is None
    await log.world.put("returns", RETURNS.replace("30 days", "60 days"))
    await log.world.library.wait_until_indexed(TENANT, 30)
    example = await read_one(log)
    assert (example.problem, example.prompt, example.chosen) == ("outdated_document", [], "")


async def test_the_request_of_a_remote_model_is_proven_and_has_no_secret_word(tmp_path: Path) -> None:
    """Its digest is that of the recorded one, and the answer is what the model wrote, with its own citations."""
    routes = RouteRules(cheap="remote")
    settings = WorkerSettings(tenants={TENANT: TenantRules(voice=VOICE, routes=routes)})
    limits = ModelLimits(timeout=30, silence=30, context=8_000)
    async with ModelServer().serving() as server:
        provider = openai_provider(model="base", base_url=server.base_url, api_key="sk-test", timeout=30)
        recorded = RecordedProvider("remote", "openai/base", MaskingProvider(provider))
        dependencies = ModelDependencies(canary=lambda _: CANARY)
        model = RemoteModel("remote", recorded, settings, limits, dependencies)
        server.script = Script(text="We add a heat pack to every parcel with tropical plants in winter [1].")
        async with open_feedback_log(tmp_path, routes=routes, models=[model]) as log:
            log.begin("ann")
            await log.says(HEAT)
            await log.thumbs("up")
            (exact,) = await log.read_examples(TargetModel("remote", "openai/base", limits, CANARY))
            (other,) = await log.read_examples(TargetModel("remote", "openai/other", limits, CANARY))
        await model.close()
        (call,) = server.calls
    assert (exact.is_exact, exact.problem) == (True, None)
    assert exact.chosen == "We add a heat pack to every parcel with tropical plants in winter [1]."
    assert CANARY in call.system
    assert CANARY not in exact.model_dump_json()
    assert call.system.partition("\n\n")[2] == exact.prompt[0].content
    assert call.body["messages"][1]["content"] == exact.prompt[1].content
    assert not other.is_exact, "the same request to another model proves nothing"
