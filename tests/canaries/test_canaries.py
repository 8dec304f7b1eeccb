"""A small run of the canaries on each engine: no byte of the erased is left, and all of the others is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.canaries.run import CanaryRun, Options, open_installation
from tests.harness.installation import QUICK_ERASURE
from tests.harness.processes import ForkServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.mark.parametrize("engine", ["embedded", pytest.param("scaled", marks=pytest.mark.scaled)])
async def test_no_byte_of_erased_people_is_left_and_the_others_are_all_there(
    engine: str, fork_server: ForkServer, tmp_path: Path
) -> None:
    options = Options(engine, 10, erased=5, kill_every=2.5, seed=1, deadline=240, look_every=0.2, calm=2)
    async with open_installation(fork_server, engine, tmp_path, options.seed, **QUICK_ERASURE) as there:
        report = await CanaryRun(there, options, print).run()
    print(report.searched)
    assert report.is_good, report
    assert report.kills
    assert report.stores["desk_posts"] >= 3
    assert report.readable == {}, "neither words nor names and places, of people who were not erased either"
    assert all(searched["control"] for searched in report.searched.values()), "the search finds what is there"
