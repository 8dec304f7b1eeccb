"""The examples' configurations open as they stand, with all their actions."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gateway.config.loader import load
from gateway.wiring.actions import build_action_rules
from tests.harness.processes import ROOT

ACTIONS = {"plantstore": 9, "retail": 16}


@pytest.mark.parametrize("name", ACTIONS)
def test_an_example_opens_wherever_its_folder_is(name: str, tmp_path: Path) -> None:
    """Also as a copy elsewhere: its modules find each other without the checkout."""
    for folder in (ROOT / "examples" / name, tmp_path / "mine"):
        if not folder.exists():
            shutil.copytree(ROOT / "examples" / name, folder, ignore=shutil.ignore_patterns(".parley", "__pycache__"))
        (tenant,) = load(folder / "parley.yaml").tenants.values()
        rules = build_action_rules(name, tenant.actions)
        assert len(rules.actions) == ACTIONS[name]
        assert all(
            action.run.__module__.startswith(("parley_actions_", "agent_worker")) for action in rules.actions.values()
        )
