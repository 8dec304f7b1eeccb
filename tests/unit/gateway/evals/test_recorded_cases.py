"""A conversation from the log becomes a case with which the same agent passes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agent_worker.learning.evals.suite import Case
from gateway.evals.recorded_cases import build_case
from tests.unit.agent_worker.actions.shop import open_shop
from tests.unit.agent_worker.learning.log_reading import read_conversations
from tests.unit.agent_worker.worker_environment import CHANNEL, TENANT, WorkerEnvironment, world_at

HEAT = "Do you add a heat pack in winter?"


async def take(world: WorkerEnvironment, name: str = "", *, failed: bool = False) -> dict[str, Any]:
    (log,) = await read_conversations(world.bus, TENANT, [CHANNEL])
    case = build_case(log, name, failed=failed)
    Case.model_validate(case)
    return case


async def say(world: WorkerEnvironment, *texts: str, **more: Any) -> None:
    for text in texts:
        await world.handle(world.said(f"m-{text}", text, **more))
        world.clock.advance(minutes=1)


async def test_what_the_agent_did_is_expected_again(tmp_path: Path) -> None:
    async with world_at(tmp_path) as world:
        await say(world, HEAT, "Do you sell spaceships?", "I want to speak to a human")
        case = await take(world)
    assert case["name"].startswith(HEAT)
    assert case["conversation"] == world.conversation
    assert [(turn["message"], turn.get("expect")) for turn in case["turns"]] == [
        (HEAT, {"cites": ["shipping"]}),
        ("Do you sell spaceships?", {"declines": True}),
        ("I want to speak to a human", {"hands_over": True}),
    ]


async def test_of_a_failed_answer_nothing_is_expected_but_that_the_next_one_answers(tmp_path: Path) -> None:
    async with world_at(tmp_path) as world:
        await say(world, HEAT, "Do you sell spaceships?", "I want to speak to a human")
        case = await take(world, failed=True)
    assert [turn.get("expect") for turn in case["turns"]] == [None, {"declines": False}, None]


async def test_what_people_answered_counts_more_than_what_the_agent_did(tmp_path: Path) -> None:
    async with world_at(tmp_path) as world:
        await say(world, HEAT)
        await say(world, "Yes: 5.50 euro since May.", by="person")
        case = await take(world, "heat")
    assert (case["name"], case["message"]) == ("heat", HEAT)
    assert (case["people"], case["expect"]) == ("Yes: 5.50 euro since May.", {"contains": ["5.50"]})


async def test_actions_are_expected_with_their_results(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop:
        await shop.say("first", 'status {"order": "A-1001"}')
        (log,) = await read_conversations(shop.world.bus, TENANT, [CHANNEL])
        case = build_case(log)
    (result,) = case["actions"]
    assert (result["name"], result["arguments"]) == ("status", {"order": "A-1001"})
    assert result["result"]
    assert case["expect"]["action"] == [{"name": "status", "arguments": {"order": "A-1001"}}]
    Case.model_validate(case)


async def test_addresses_and_card_numbers_are_masked(tmp_path: Path) -> None:
    async with world_at(tmp_path) as world:
        await say(world, "I am at eva@example.com, my card is 4111 1111 1111 1111. Do you add a heat pack in winter?")
        text = str(await take(world))
    assert "eva@example.com" not in text
    assert "4111" not in text
