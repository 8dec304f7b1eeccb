"""Kills of the sender over all channels: at its crash points, and while its vendors fail."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.harness.processes import ForkServer
from tests.harness.sizes import size
from tests.scenarios.kills import POINTS_OF_SENDER, SenderKills, series
from tests.scenarios.kills_during_faults import KillsDuringFaults
from tests.scenarios.scenario_installation import KINDS, stage_of
from tests.simulators.vendor_clock import VendorClock

COUNT, AMID_FAULTS = size(len(KINDS) * len(POINTS_OF_SENDER), full=24), size(4, full=6)
"""Each crash point on each channel at least once."""
SEED = random.SystemRandom().randrange(2**32)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_no_answer_is_lost_doubled_or_out_of_order_when_its_sender_is_killed(
    fork_server: ForkServer, tmp_path: Path
) -> None:
    """Where the vendor may not say what it has shown, people may get the conversation; then the log says why."""
    print(f"seed {SEED}")
    async with stage_of(fork_server, tmp_path) as stage:
        kill_report = await SenderKills(stage, SEED).run(COUNT)
    print(kill_report.as_json())
    assert kill_report.wrong == []
    assert kill_report.kills.total() == COUNT
    assert len(kill_report.kills) == len(KINDS) * len(POINTS_OF_SENDER)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_no_answer_is_lost_doubled_or_in_doubt_unknown_to_people_when_vendors_fail_meanwhile(
    fork_server: ForkServer, tmp_path: Path
) -> None:
    print(f"seed {SEED}")
    async with stage_of(fork_server, tmp_path) as stage:
        verdict = await KillsDuringFaults(stage, SEED).judge(AMID_FAULTS)
    print(verdict.as_json())
    assert verdict.is_good
    assert verdict.kills.total() == AMID_FAULTS


def test_kills_are_dealt_evenly() -> None:
    customers = [kind(VendorClock()) for kind in KINDS]
    dealt = [(who.name(), point) for who, points in series(customers, 500) for point in points]
    counts = {cell: dealt.count(cell) for cell in dealt}
    assert len(dealt) == 500
    assert len(counts) == len(customers) * len(POINTS_OF_SENDER)
    assert max(counts.values()) - min(counts.values()) <= 1
