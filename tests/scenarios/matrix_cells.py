"""The scenarios that are possible on each channel, and those played in a run."""

from __future__ import annotations

import os
import random

import pytest

from tests.scenarios.channel_scenarios import SCENARIOS
from tests.scenarios.scenario_installation import KINDS

Cell = tuple[str, str]
"""The customers' name and the scenario's."""


def every() -> list[Cell]:
    """All that can happen."""
    return [(kind.name(), play) for kind in KINDS for play in SCENARIOS if play not in kind.cannot]


def impossible() -> dict[Cell, str]:
    return {(kind.name(), play): reason for kind in KINDS for play, reason in kind.cannot.items()}


DAILY_CELLS: list[Cell] = [
    ("slack", "edit"),
    ("slack-socket", "question"),
    ("discord", "deletion"),
    ("whatsapp-meta", "batch"),
    ("whatsapp-twilio", "duplicates"),
    ("instagram", "cut_after"),
]
"""One scenario of each channel, for `make test`."""


def some(seed: int, *, one_in: int) -> list[Cell]:
    """The same ones for the same seed."""
    whole = every()
    chosen = set(random.Random(seed).sample(whole, len(whole) // one_in))
    return [cell for cell in whole if cell in chosen]


def seed() -> int:
    """Of this run: what ``PARLEY_MATRIX_SEED`` says, which tests/run.py prints. Processes of one run agree."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or random.SystemRandom().randrange(10**6)
    return int(os.environ.get("PARLEY_MATRIX_SEED") or random.Random(run).randrange(10**6))


def select_cells(request: pytest.FixtureRequest, test: str) -> list[Cell]:
    """Those of a parametrized test that were not deselected."""
    items = [item for item in request.session.items if isinstance(item, pytest.Function) and item.originalname == test]
    cells: list[Cell] = [item.callspec.params["cell"] for item in items]  # type: ignore[misc]
    return cells
