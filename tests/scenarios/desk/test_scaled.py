"""People take over from their desk, for customers on two channels by a seed, which chooses the desk as well, on Kafka
and Redis with an edge, a worker and connectors of their own."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator

import pytest

from tests.harness.processes import ForkServer
from tests.scenarios.desk.desk_conversations import DeskConversations, endings, ratings
from tests.scenarios.desk.desk_installations import DESKS, KINDS
from tests.scenarios.matrix_cells import seed
from tests.scenarios.scenario_installation import stage_of

pytestmark = [pytest.mark.scaled, pytest.mark.slow, pytest.mark.timeout(600)]
SEED = seed()
NAMES = random.Random(SEED).sample([kind.name() for kind in KINDS], 2)
SCENE = DESKS[random.Random(SEED).choice(list(DESKS))]


@pytest.fixture(scope="module")
async def cast(
    fork_server: ForkServer, tmp_path_factory: pytest.TempPathFactory, kafka_bootstrap: str, redis_url: str
) -> AsyncIterator[DeskConversations]:
    servers = {"kafka": kafka_bootstrap, "redis": redis_url, "prefix": f"desk-{SEED}."}
    folder = tmp_path_factory.mktemp("desk")
    async with stage_of(fork_server, folder, SCENE, **servers) as stage:
        cast = DeskConversations(stage, NAMES)
        yield cast
        await cast.log()


@pytest.mark.parametrize("name", NAMES)
async def test_people_take_over_give_back_and_are_rated(cast: DeskConversations, name: str) -> None:
    """Nothing is lost, doubled or out of order either way; nothing internal is seen outside; the agent keeps silent."""
    print(f"PARLEY_MATRIX_SEED={SEED}")
    await cast.case(name)


@pytest.mark.parametrize("name", NAMES)
async def test_a_message_that_comes_while_people_resolve_is_answered(cast: DeskConversations, name: str) -> None:
    print(f"PARLEY_MATRIX_SEED={SEED}")
    await cast.race(name)


async def test_the_log_tells_how_people_did(cast: DeskConversations) -> None:
    log = await cast.log()
    told = {name: (endings(log, case), ratings(log, case)) for name, case in cast.cases.items()}
    assert told == dict.fromkeys(NAMES, ([(1, "returned"), (2, "resolved")], [4]))
