"""State on a primary that Sentinel names, and that Sentinel replaces: what may have rolled back is served by nobody."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from infra.state.redis import probe
from infra.state.redis.client.sentinel import TRUSTED, parse_sentinel_address
from infra.state.redis.engine import ENGINE
from infra.state.redis.settings import OPEN, RedisSettings
from infra.state.registry import StateLocation
from schemas.errors import ConfigInvalid, StateLost, StateUnavailable
from schemas.ports import State
from tests.contracts.state.engines import ALL_SHARDS
from tests.contracts.state.port_calls import OpenProcess, hear, is_lost, processes, set_up, wait_until_it_succeeds
from tests.contracts.state.samples import NOW, begin_turn, commit_turn, line, new_id
from tests.harness.sentinel import SentinelGroup, SentinelRedis, ask

needs_servers = pytest.mark.scaled


@pytest.fixture
def servers() -> Iterator[SentinelGroup]:
    if os.environ.get("PARLEY_TEST_SERVERS") == "none":
        pytest.skip("PARLEY_TEST_SERVERS=none: tests that need Kafka or Redis are left out")
    with SentinelGroup() as group:
        yield group


@pytest.fixture
async def open_process(servers: SentinelGroup) -> AsyncIterator[OpenProcess]:
    async with processes(servers.url) as open_:
        yield open_


@pytest.fixture
async def state(open_process: OpenProcess) -> State:
    return await set_up(await open_process())


async def fail_over(servers: SentinelGroup, how: str) -> tuple[SentinelRedis, SentinelRedis]:
    """Have the primary replaced; returns it and its successor. A frozen one goes on at once, and does not know yet that
    it was replaced."""
    before = servers.find_primary()
    breaks = {"kill": before.kill, "freeze": before.pause, "command": servers.start_failover}[how]
    await asyncio.to_thread(breaks)
    after = await asyncio.to_thread(servers.wait_for_failover, before)
    before.resume()
    return before, after


@needs_servers
@pytest.mark.parametrize("how", ["kill", "freeze", "command"])
async def test_after_a_failover_all_state_is_lost_until_it_is_rebuilt(
    servers: SentinelGroup, state: State, open_process: OpenProcess, how: str
) -> None:
    """Also for who has seen nothing of it, and although the former primary still takes writes."""
    conversation = new_id()
    reader = state.signals.subscribe("typing")
    assert await commit_turn(state, conversation, await begin_turn(state, conversation), handled=["e"]) == "committed"
    before, after = await fail_over(servers, how)
    late = new_id()
    assert await is_lost(lambda: begin_turn(state, late))
    newcomer = await open_process()
    assert await newcomer.rebuild.check() == ALL_SHARDS
    assert ask(before.port, "KEYS *" + late) in ("", "*0\r\n"), "written to a server that is no primary"
    await set_up(newcomer)
    assert await state.rebuild.check() == frozenset()
    await begin_turn(state, late)
    assert "*0" not in ask(after.port, "KEYS *" + late)
    await hear(state, newcomer, reader)


@needs_servers
async def test_a_call_that_hung_in_a_replaced_primary_is_not_answered_by_it(
    servers: SentinelGroup, state: State
) -> None:
    """The frozen server runs the call when it goes on, and nobody may act on that."""
    before = servers.find_primary()
    before.pause()
    calling = asyncio.ensure_future(begin_turn(state, new_id()))
    await asyncio.to_thread(servers.wait_for_failover, before)
    before.resume()
    with pytest.raises((StateLost, StateUnavailable)):
        await calling


@needs_servers
async def test_a_failover_during_a_rebuild_makes_it_begin_again(servers: SentinelGroup, state: State) -> None:
    """What the rebuild had written may be gone, so it must not finish."""
    await state.rebuild.prepare(ALL_SHARDS)
    await fail_over(servers, "kill")
    await wait_until_it_succeeds(lambda: state.leases.acquire("rebuild", "me", ttl=5, now=NOW))
    with pytest.raises(StateLost):
        await state.rebuild.finish(ALL_SHARDS)
    assert await state.rebuild.check() == ALL_SHARDS


@needs_servers
async def test_a_primary_counts_only_while_most_sentinels_name_it(servers: SentinelGroup, state: State) -> None:
    conversation = new_id()
    first, *others = servers.sentinels
    await asyncio.to_thread(first.kill)
    assert await state.transcript.add(conversation, line()) == 1
    await asyncio.to_thread(others[0].kill)
    await asyncio.sleep(TRUSTED)  # the last answer of the majority counts so long
    with pytest.raises(StateUnavailable) as caught:
        await state.transcript.head(conversation)
    assert "Sentinels" in caught.value.fix
    await asyncio.to_thread(first.start)
    await wait_until_it_succeeds(state.check_ready)
    assert await state.transcript.add(conversation, line()) == 2, "the same primary: nothing is lost"


@needs_servers
async def test_doctor_names_the_primary_and_the_engine_works_on_it(
    servers: SentinelGroup, state: State, tmp_path: Path
) -> None:
    primary = servers.find_primary()
    found = {finding.check: finding for finding in await probe.probe(servers.url)}
    assert found["redis primary"].status == "ok"
    assert found["redis primary"].detail == f"127.0.0.1:{primary.port}, found through 3 of 3 Sentinels"
    assert (found["redis"].status, found["redis replicas"].status) == ("ok", "warn")
    assert "min-replicas-to-write" in found["redis replicas"].fix
    ask(primary.port, "CONFIG SET min-replicas-to-write 1")
    await asyncio.to_thread(servers.sentinels[0].kill)
    found = {finding.check: finding for finding in await probe.probe(servers.url)}
    assert (found["redis primary"].status, found["redis replicas"].status) == ("warn", "ok")
    location = StateLocation(servers.url, tmp_path)
    assert (await ENGINE.schema_state(location)).pending == ()
    await begin_turn(state, new_id())
    usage = await ENGINE.read_usage(location, NOW)  # type: ignore[attr-defined]
    assert usage.conversations == 1


async def test_doctor_says_that_no_sentinel_answers() -> None:
    found = {each.check: each for each in await probe.probe("redis+sentinel://127.0.0.1:1,127.0.0.1:2/parley")}
    assert (found["redis primary"].status, found["redis"].status) == ("fail", "fail")
    assert found["redis primary"].detail == "unknown: 0 of 2 Sentinels answer"


def test_an_address_names_sentinels_their_group_and_the_login_at_the_primary() -> None:
    address = parse_sentinel_address("rediss+sentinel://me:p%40ss@one:1,two,[::1]:3/shop/4?ssl_check_hostname=false")
    assert address is not None
    assert address.sentinels == (("one", 1), ("two", 26379), ("::1", 3))
    assert (address.group, address.is_encrypted) == ("shop", True)
    assert {name: address.options[name] for name in ("username", "password", "db")} == {
        "username": "me",
        "password": "p@ss",
        "db": 4,
    }
    assert "p@ss" not in repr(address)
    assert parse_sentinel_address("redis://one:1/0") is None


@pytest.mark.parametrize("url", ["one:26379", "one:26379/", "/shop/0", "one:26379/shop/zero", "one:port/shop/0"])
def test_an_address_that_cannot_be_read_says_how_to_write_it(url: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        parse_sentinel_address(f"redis+sentinel://{url}")
    assert "NAME" in caught.value.fix


def test_sentinels_have_a_login_of_their_own() -> None:
    settings = RedisSettings.model_validate({"password": "a", "sentinel_username": "u", "sentinel_password": "b"})
    assert settings.sentinel_credentials() == {"username": "u", "password": "b"}
    assert OPEN.sentinel_credentials() == {}
