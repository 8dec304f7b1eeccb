"""What doctor says of an account that has a desk."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from connectors.slack.connection import SlackConnection
from schemas.ports import Remark
from tests.harness.tools import no_files
from tests.unit.desk.colleagues import Team
from tests.unit.desk.conftest import World


@pytest.fixture
async def team(world: World) -> AsyncIterator[Team]:
    async with Team(world).at_work() as team:
        yield team


async def inspected(team: Team, *more: str) -> list[Remark]:
    connection = SlackConnection(replace(team.account, desk=frozenset({team.room.id, *more})), no_files)
    try:
        return await connection.inspect()
    finally:
        await connection.close()


async def test_a_desk_that_is_set_up_is_well(team: Team) -> None:
    assert [remark.status for remark in await inspected(team)] == ["ok"]


async def test_a_channel_that_the_app_is_not_in_is_named_with_what_to_do(team: Team) -> None:
    other = team.slack.channel("refunds", with_bot=False)
    private = team.slack.channel("secret", private=True, with_bot=False)
    told = await inspected(team, other.id, private.id)
    assert [remark.status for remark in told] == ["fail", "fail"]
    assert any(other.id in remark.detail and "not in it" in remark.detail for remark in told)
    assert all("/invite" in remark.fix for remark in told)


@pytest.mark.parametrize("scope", ["reactions:write", "users:read", "channels:read"])
async def test_a_scope_that_the_desk_lacks_is_told(team: Team, scope: str) -> None:
    team.slack.scopes.discard(scope)
    (told,) = await inspected(team)
    assert told.status == "fail"
    assert scope in told.detail
