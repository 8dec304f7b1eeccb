"""Kills while people have a conversation on each channel, at either desk."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.harness.processes import ForkServer
from tests.harness.sizes import size
from tests.scenarios.desk.desk_installations import DESKS
from tests.scenarios.desk.kills import DeskKills
from tests.scenarios.scenario_installation import stage_of

COUNTS = {"slack": size(6, full=20), "webhook": size(4, full=10)}
SEED = random.SystemRandom().randrange(2**32)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("desk", DESKS)
async def test_no_word_is_lost_doubled_or_out_of_order_when_processes_are_killed(
    fork_server: ForkServer, tmp_path: Path, desk: str
) -> None:
    """Where the vendor cannot say what it has shown, a message may be missing; then the record says so."""
    print(f"seed {SEED}")
    async with stage_of(fork_server, tmp_path, DESKS[desk]) as stage:
        kill_report = await DeskKills(stage, SEED).run(COUNTS[desk])
    print(kill_report.as_json())
    for person, told in kill_report.inquests.items():
        (tmp_path / f"{person}.txt").write_text(told)
    assert kill_report.wrong == [], f"what they went through is told in {tmp_path}"
    assert kill_report.kills.total() >= COUNTS[desk]
