"""A short torture of each engine (tests/torture; `make torture` runs the long one): load, kills and bad weather."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest

from tests.harness.processes import ForkServer
from tests.harness.sizes import size
from tests.torture.plan import Engine, Options
from tests.torture.report import Outcome
from tests.torture.run import torture

MESSAGES, PEOPLE = size(100, full=500), size(15, full=30)
KILLS = size(5, full=8)
"""Each role at least once."""
MUTANT_KILLS = size(3, full=12)
MUTANTS: list[tuple[Engine, str, str]] = [
    ("embedded", "published_apart", "worker.after_commit"),
    ("scaled", "outbox_forgotten", "worker.after_commit"),
    ("embedded", "dedupe_off", "worker.after_publish"),
]
"""Each with the point at which a worker has to die for it to show."""
SEED = random.SystemRandom().randrange(2**32)


async def short(fork_server: ForkServer, folder: Path, options: Options) -> Outcome:
    outcome = await torture(options, folder, fork_server, print)
    print(json.dumps(outcome.as_json(), indent=1))
    return outcome


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_embedded_loses_doubles_and_reorders_nothing_under_kills_and_bad_weather(
    fork_server: ForkServer, tmp_path: Path
) -> None:
    options = Options("embedded", MESSAGES, kills=KILLS, seed=SEED, seconds=120, faults=8, people=PEOPLE)
    outcome = await short(fork_server, tmp_path, options)
    assert outcome.found.faults == []
    assert outcome.shortfalls == []


@pytest.mark.scaled
@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_kafka_and_redis_lose_double_and_reorder_nothing_when_all_parts_are_killed(
    fork_server: ForkServer, tmp_path: Path
) -> None:
    if os.environ.get("PARLEY_TEST_SERVERS") == "none":
        pytest.skip("PARLEY_TEST_SERVERS=none: tests that need Kafka or Redis are left out")
    options = Options("scaled", MESSAGES, kills=KILLS, seed=SEED, seconds=180, faults=8, people=PEOPLE)
    outcome = await short(fork_server, tmp_path, options)
    assert outcome.found.faults == []
    assert outcome.shortfalls == []


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("engine", "mutant", "point"), MUTANTS[-size(2, full=3) :])
async def test_a_defect_on_purpose_is_seen(
    fork_server: ForkServer, tmp_path: Path, engine: Engine, mutant: str, point: str
) -> None:
    """A process may not pass the point in time: a round without a finding is repeated with more load and kills."""
    if engine == "scaled" and os.environ.get("PARLEY_TEST_SERVERS") == "none":
        pytest.skip("PARLEY_TEST_SERVERS=none: tests that need Kafka or Redis are left out")
    for factor in (1, 2, 4):
        (folder := tmp_path / f"{factor}").mkdir()
        options = Options(
            engine,
            factor * MESSAGES,
            kills=factor * MUTANT_KILLS,
            seed=7 * factor,
            seconds=60,
            faults=0,
            kinds=(),
            people=PEOPLE,
            mutant=mutant,
            settle=3,
            points=(point,),
        )
        outcome = await short(fork_server, folder, options)
        if outcome.found.doubled if mutant == "dedupe_off" else outcome.found.unanswered:
            return
    pytest.fail("the checker saw nothing")
