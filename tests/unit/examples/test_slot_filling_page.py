"""docs/asking.md says what is so: its figures, its keys, and how its examples are read."""

from __future__ import annotations

import json
import re
from datetime import date

import pytest

from agent_worker.actions.execution.effects import PROOF_LIFETIME
from agent_worker.actions.one_time_codes import actions
from agent_worker.actions.one_time_codes import actions as proof
from agent_worker.actions.parsing import ParseContext, fields_of
from agent_worker.actions.registry import load_actions
from agent_worker.actions.slot_filling import dialogue
from tests.harness.processes import ROOT

PAGE = (ROOT / "docs" / "asking.md").read_text()
TODAY = ParseContext(date(2026, 11, 23), "en", asked=True)
FIELDS = {
    "order": {"type": "string", "pattern": r"^NP-\d{5}$"},
    "day": {"type": "string", "format": "date"},
    "amount": {"type": "string", "currency": "EUR"},
    "count": {"type": "integer"},
}
READ = {
    "order": ("`np 10231`", ["NP-10231"]),
    "day": (
        "`tomorrow`, `Dec 3`, `24.12.`, `kommenden Freitag`",
        ["2026-11-24", "2026-12-03", "2026-12-24", "2026-11-27"],
    ),
    "amount": ("`12,50 €`, `€12.50`, `twelve fifty`", ["12.50"] * 3),
    "count": ("`3`, `three`, `zwei`", [3, 3, 2]),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_the_examples_are_read_as_the_page_says(name: str) -> None:
    shown, expected = READ[name]
    assert shown in PAGE
    (field,) = fields_of({"properties": {name: FIELDS[name]}}, "en")
    assert [one.value for text in re.findall(r"`([^`]+)`", shown) for one in field.read(text, TODAY)] == expected


def test_the_figures_are_those_of_the_code() -> None:
    assert "for ten minutes, five attempts" in PAGE
    assert (actions.LIFE.total_seconds(), actions.ATTEMPTS) == (600, 5)
    assert "one address is sent five an hour" in PAGE
    assert (proof.PER_DAY, proof.PER_ADDRESS_PER_HOUR, PROOF_LIFETIME.total_seconds()) == (10, 5, 3600)
    assert (dialogue.MAX_MISUNDERSTANDINGS, dialogue.DIALOGUE_TIMEOUT.total_seconds()) == (2, 1800)


def test_the_keys_are_those_that_the_example_uses() -> None:
    table = PAGE[PAGE.index("| key | what |") :]
    keys = set(re.findall(r"^\| `([a-z]+)` \|", table, re.MULTILINE))
    shop = load_actions(["examples.plantstore.shop.actions"]).values()
    schemas = json.dumps([action.model.model_json_schema() for action in shop])
    assert keys == {"ask", "titles", "labels", "currency"}
    assert all(f'"{key}":' in schemas for key in keys)
