"""docs/actions.md: its examples work as they stand, and it names everything that may be written."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import get_args

import pytest
import yaml

from agent_worker.actions.policy import Refusal
from agent_worker.actions.registry import load_actions, load_source
from agent_worker.actions.spec import action
from agent_worker.settings import ActionRules
from gateway.config import loader
from gateway.config.actions import (
    ActionSettings,
    AmountLimitSettings,
    EndpointSettings,
    LookupSettings,
    ParameterSettings,
)
from gateway.scaffold import new_action
from gateway.wiring.consumers import build_worker_settings
from schemas import topics
from schemas.errors import Conflict, InvalidRequest
from tests.harness.processes import ROOT
from tests.site.blocks import list_sources
from tests.unit.agent_worker.actions.example_shop import counter_at, desk_at

TEXT = (ROOT / "docs" / "actions.md").read_text()
PYTHON, CHECK, PREVIEW = list_sources("docs/actions.md", "python")
FUNCTION, ENDPOINT, LIMITS = list_sources("docs/actions.md", "yaml")

(FRONT,) = list_sources("README.md", "python")


async def test_the_action_of_the_front_page_is_asked_for_confirmed_and_done(tmp_path: Path) -> None:
    """In under ten lines, as documents and models on that page."""
    assert len([line for line in FRONT.splitlines() if line.strip()]) < 10
    file = tmp_path / "actions.py"
    file.write_text(FRONT)
    async with counter_at(tmp_path) as counter:
        counter.actions = load_actions([str(file)])
        async with desk_at(counter, tmp_path) as desk:
            assert "How many days?" in await desk.say("I want to rent a plant")
            assert "Rent plant" in await desk.say("3")
            yes, _ = desk.choices
            await desk.say(yes)
            assert await desk.done() == ["rent_plant"]


@pytest.fixture
def rules(tmp_path: Path) -> ActionRules:
    """The page's configuration, put together as the page says."""
    (tmp_path / "actions.py").write_text(PYTHON)
    more = ENDPOINT.partition("actions:\n")[2] + LIMITS
    file = tmp_path / "parley.yaml"
    file.write_text(FUNCTION.replace("  plantstore:\n", "  plantstore:\n    name: Plant store\n") + more)
    return build_worker_settings(loader.load(file, environ={}).tenants, {}).of("plantstore").actions


def test_the_check_of_the_page_belongs_to_its_action(tmp_path: Path) -> None:
    file = tmp_path / "actions.py"
    file.write_text(f"{PYTHON}\n{CHECK}")
    (refund,) = load_source(str(file))
    assert (refund.name, refund.check is not None) == ("refund", True)


def test_the_preview_of_the_page_belongs_to_its_action(tmp_path: Path) -> None:
    file = tmp_path / "actions.py"
    file.write_text(f"{PYTHON}\n{PREVIEW}")
    (refund,) = load_source(str(file))
    assert refund.name == "refund"
    assert refund.preview is not None
    assert refund.preview.__name__ == "show_order"


def test_the_function_and_the_endpoint_of_the_page_are_offered(rules: ActionRules) -> None:
    assert list(rules.actions) == ["refund", "cancel_order", "erase_own_data"]
    refund, cancel, _ = rules.actions.values()
    assert (refund.confirm, cancel.confirm, refund.per_contact_per_day) == (True, True, 2)
    assert cancel.look_up is not None
    assert rules.settings == {"shop": "https://shop.example.com"}


def test_every_setting_is_on_the_page() -> None:
    models = (ActionSettings, EndpointSettings, ParameterSettings, AmountLimitSettings, LookupSettings)
    wanted = {name for model in models for name in model.model_fields} | set(inspect.signature(action).parameters)
    kinds = set(get_args(ParameterSettings.model_fields["type"].annotation))
    missing = {name for name in wanted | kinds if not re.search(rf"\b{name}\b", TEXT)}
    assert missing == set()


def test_every_refusal_is_on_the_page_and_every_event_exists() -> None:
    assert {reason for reason in get_args(Refusal) if f"`{reason}`" not in TEXT} == set()
    assert set(re.findall(r"`(parley\.[a-z]+\.[a-z]+\.v1)`", TEXT)) <= set(topics.EVENT_TYPES)
    assert yaml.safe_load(LIMITS)["limits"]


def test_a_new_action_works_as_it_is_written(tmp_path: Path) -> None:
    file = new_action("where_is_it", tmp_path)
    (made,) = load_source(str(file))
    assert (made.name, made.model.__name__, made.risk) == ("where_is_it", "WhereIsIt", "read")
    with pytest.raises(Conflict):
        new_action("where_is_it", tmp_path)


@pytest.mark.parametrize("name", ["", "Where", "where-is", "class", "1st", "../x", "a" * 41])
def test_a_name_that_cannot_be_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidRequest):
        new_action(name, tmp_path)
    assert not list(tmp_path.iterdir())
