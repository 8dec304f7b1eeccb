"""The action that is meant is picked, and questions are left to the documents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from agent_worker.actions.one_time_codes import CHECK, SEND
from agent_worker.actions.registry import load_actions
from agent_worker.actions.slot_filling.action_matching import match_action
from schemas.ports import ActionOffer

SHOP = Path("examples/plantstore")
MESSAGES: dict[str, dict[str, list[str]]] = yaml.safe_load((Path(__file__).parent / "picking.yaml").read_text())


async def _refuse_call(_arguments: Any) -> Any:
    raise AssertionError("picking calls nothing")


def offers() -> list[ActionOffer]:
    return [
        ActionOffer(
            each.name,
            each.description,
            each.model.model_json_schema(),
            each.risk,
            each.examples,
            _refuse_call,
            each.title,
        )
        for each in load_actions(["examples.plantstore.shop.actions"]).values()
        if each.name not in (SEND, CHECK)
    ]


def pick_action(text: str) -> str:
    meant = match_action(text, offers())
    return meant.offer.name if meant is not None else "documents"


def find_selection_errors(half: str) -> tuple[list[str], list[str]]:
    """Requests that were not taken for what they are, and questions that were taken for requests."""
    missed: list[str] = []
    mistaken: list[str] = []
    for name, texts in MESSAGES[half].items():
        for text in texts:
            if (meant := pick_action(text)) != name:
                (mistaken if name == "documents" else missed).append(f"{text} → {meant}")
    return missed, mistaken


def test_the_training_examples_are_classified_correctly() -> None:
    assert find_selection_errors("fitted") == ([], [])


@pytest.mark.parametrize(
    "text",
    [
        "can I cancel my potting bench appointment?",
        "please cancel my repotting appointment",
        "move my potting appointment to Saturday",
    ],
)
def test_nothing_is_booked_by_whoever_cancels(text: str) -> None:
    """No action cancels an appointment, and booking one shares most of the words."""
    assert pick_action(text) != "book_repotting"


def test_of_unseen_requests_most_are_understood_and_few_questions_are_taken_for_one() -> None:
    missed, mistaken = find_selection_errors("unseen")
    requests = sum(len(texts) for name, texts in MESSAGES["unseen"].items() if name != "documents")
    assert len(missed) <= 0.15 * requests, missed
    assert len(mistaken) <= 1, mistaken


@pytest.mark.parametrize("file", ["questions", "calibration", "unseen"])
def test_of_the_shops_questions_hardly_any_is_taken_for_a_request(file: str) -> None:
    """These are all for the documents, or for nobody."""
    asked = [entry["question"] for entry in yaml.safe_load((SHOP / f"{file}.yaml").read_text())["cases"]]
    mistaken = [text for text in asked if pick_action(text) != "documents"]
    assert len(mistaken) <= 0.01 * len(asked) + 1, mistaken
