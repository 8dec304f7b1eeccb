"""kill -9 at every named point and at random times: nothing lost, nothing doubled, nothing out of order."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from schemas.runtime.crash_points import MESSAGE_POINTS
from tests.faults.traffic import check_conversations, open_traffic
from tests.harness.installation import Installation
from tests.harness.processes import ForkServer
from tests.harness.sizes import DAILY, size

# The two points around an action have their own test: test_actions.py.
PRESENT = [point for point in MESSAGE_POINTS if point not in ("worker.after_intent", "worker.after_action")]
if DAILY:
    PRESENT = ["edge.after_append", "worker.after_commit", "connector.after_send"]
ROLE = {"edge": "edge", "worker": "worker", "connector": "connectors"}
ROUNDS = size(1, full=2)
"""At every point, embedded."""
RANDOM_KILLS = 0 if DAILY else size(6, full=16)
SEED = random.SystemRandom().randrange(2**32)


async def die_at(installation: Installation, point: str, nth: int) -> None:
    """Replace the role that passes this point by one that dies there, see it die, and start it healthy again."""
    role = ROLE[point.split(".")[0]] if installation.scaled else "dev"
    await installation.kill(role)
    await installation.start(role, env={"PARLEY_CRASH_AT": f"{point}:{nth}"}, wait=False)
    status = await asyncio.wait_for(asyncio.shield(installation.roles[role].exited), 90)
    assert status == -9, f"{point} was not reached: {installation.roles[role].tail()}"
    installation.kills += 1
    await installation.start(role)


async def die_sometime(installation: Installation, rng: random.Random) -> None:
    role = rng.choice(installation.all_roles)
    await asyncio.sleep(rng.uniform(0.0, 0.6))
    await installation.kill(role)
    await installation.start(role, wait=False)


async def torment(installation: Installation, rounds: int, random_kills: int) -> None:
    rng = random.Random(SEED)
    print(f"seed {SEED}")
    async with open_traffic(installation) as contacts:
        for nth in range(1, rounds + 1):
            for point in PRESENT:
                await die_at(installation, point, nth)
        for _ in range(random_kills):
            await die_sometime(installation, rng)
        for role in installation.all_roles:
            await installation.roles[role].ready()
    found = await check_conversations(installation, contacts)
    print(f"{installation.kills} kills; {found}")
    assert found.faults == []
    assert found.messages > installation.kills


@pytest.mark.timeout(400)
async def test_embedded_survives_kills_at_every_point_and_at_any_time(fork_server: ForkServer, tmp_path: Path) -> None:
    installation = Installation.make(fork_server, tmp_path)
    await installation.start()
    await torment(installation, rounds=ROUNDS, random_kills=RANDOM_KILLS)
    await installation.stop()
    assert installation.kills == 2 * ROUNDS * len(PRESENT) + RANDOM_KILLS


@pytest.mark.scaled
@pytest.mark.timeout(400)
async def test_kafka_and_redis_survive_kills_at_every_point_and_at_any_time(
    fork_server: ForkServer, tmp_path: Path, kafka_bootstrap: str, redis_url: str, topic_prefix: str
) -> None:
    installation = Installation.make(fork_server, tmp_path, kafka=kafka_bootstrap, redis=redis_url, prefix=topic_prefix)
    await installation.prepare()
    await installation.start()
    await installation.put_documents()
    await torment(installation, rounds=1, random_kills=RANDOM_KILLS)
    await installation.stop()
    assert installation.kills == 2 * len(PRESENT) + RANDOM_KILLS
