"""The desk is away while customers are handed over: ten seconds of it, at twenty times the pace. The long runs have ten
minutes of it, at Slack's own."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.harness.processes import ForkServer
from tests.harness.sizes import size
from tests.scenarios.desk.desk_installations import DESKS
from tests.scenarios.desk.outage import Outage
from tests.scenarios.matrix_cells import seed
from tests.scenarios.scenario_installation import stage_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
SEED = seed()
NAMES = ["web", random.Random(SEED).choice(["discord", "whatsapp", "instagram"])]


@pytest.mark.parametrize("desk", list(DESKS)[: size(1, full=2)])
async def test_customers_are_told_and_people_see_all_of_it_once_in_order_when_the_desk_is_back(
    fork_server: ForkServer, tmp_path: Path, desk: str
) -> None:
    print(f"PARLEY_MATRIX_SEED={SEED}")
    async with stage_of(fork_server, tmp_path, DESKS[desk]) as stage:
        kill_report = await Outage(stage, 1 / 6, SEED, NAMES).run()
    assert kill_report.wrong == []
    assert kill_report.refused
