"""People take over from their desk and give back, for customers on every channel, in one process on SQLite, whichever
desk it is."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.harness.processes import ForkServer
from tests.scenarios.desk.desk_conversations import DeskConversations, endings, ratings
from tests.scenarios.desk.desk_installations import DESKS, KINDS
from tests.scenarios.scenario_installation import stage_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
NAMES = [kind.name() for kind in KINDS]


@pytest.fixture(scope="module", params=DESKS)
async def cast(
    request: pytest.FixtureRequest, fork_server: ForkServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[DeskConversations]:
    folder = tmp_path_factory.mktemp("desk")
    async with stage_of(fork_server, folder, DESKS[request.param]) as stage:
        cast = DeskConversations(stage, NAMES)
        yield cast
        await cast.log()


@pytest.mark.parametrize("name", NAMES)
async def test_people_take_over_give_back_and_are_rated(cast: DeskConversations, name: str) -> None:
    """Nothing is lost, doubled or out of order either way; nothing internal is seen outside; the agent keeps silent."""
    await cast.case(name)


@pytest.mark.parametrize("name", NAMES)
async def test_a_message_that_comes_while_people_resolve_is_answered(cast: DeskConversations, name: str) -> None:
    await cast.race(name)


async def test_the_log_tells_how_people_did(cast: DeskConversations) -> None:
    log = await cast.log()
    told = {name: (endings(log, case), ratings(log, case)) for name, case in cast.cases.items()}
    assert told == dict.fromkeys(NAMES, ([(1, "returned"), (2, "resolved")], [4]))
