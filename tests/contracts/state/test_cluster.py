"""State on a Redis Cluster whose primaries are replaced and whose slots move: what may have rolled back is served by
nobody, and all else goes on."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from infra.bus.partitioner import SHARDS, shard_of
from infra.state.recovery import StateRecovery
from infra.state.redis.client.scripts import scripts
from infra.state.redis.cluster.topology import SLOTS, TRUSTED
from infra.state.redis.engine import ENGINE
from infra.state.registry import StateLocation
from schemas.errors import StateLost, StateUnavailable
from schemas.ports import Bus, State
from tests.contracts.state.engines import ALL_SHARDS
from tests.contracts.state.port_calls import (
    OpenProcess,
    calls_of_all_ports,
    hear,
    is_lost,
    processes,
    set_up,
    wait_until_it_succeeds,
)
from tests.contracts.state.recorded_history import CHANNELS
from tests.contracts.state.samples import NOW, begin_turn, commit_turn, line, new_id
from tests.harness.cluster import ClusterRedis, RedisCluster, exchange, list_keys
from tests.harness.sentinel import ask, wait_for

pytestmark = [pytest.mark.scaled, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def shared_servers() -> Iterator[RedisCluster]:
    if os.environ.get("PARLEY_TEST_SERVERS") == "none":
        pytest.skip("PARLEY_TEST_SERVERS=none: tests that need Kafka or Redis are left out")
    with RedisCluster() as cluster:
        yield cluster


@pytest.fixture
def servers(shared_servers: RedisCluster) -> RedisCluster:
    """Complete and empty, whatever an earlier test did."""
    shared_servers.restore()
    return shared_servers


@pytest.fixture
async def open_process(servers: RedisCluster) -> AsyncIterator[OpenProcess]:
    async with processes(servers.url) as open_:
        yield open_


@pytest.fixture
async def state(open_process: OpenProcess) -> State:
    return await set_up(await open_process())


def conversation_on(shards: frozenset[int]) -> str:
    return next(id_ for id_ in (new_id() for _ in range(10_000)) if shard_of(id_) in shards)


def shards_of(servers: RedisCluster, node: ClusterRedis) -> frozenset[int]:
    id_ = node.id
    return frozenset(shard for shard in range(SHARDS) if node.find_owner(SLOTS[shard]) == id_)


def fail_over(servers: RedisCluster, before: ClusterRedis, slot: int, how: str) -> ClusterRedis:
    """Have a primary replaced; returns its successor. A frozen one goes on at once, and does not know yet that it was
    replaced."""
    after = servers.find_replica(before)
    if how == "command":
        servers.start_failover(after, slot)
    else:
        {"kill": before.kill, "freeze": before.pause}[how]()
    servers.wait_for_failover(after, slot)
    before.resume()
    return after


@pytest.mark.parametrize("how", ["kill", "freeze", "command"])
async def test_after_a_failover_only_the_shards_of_that_primary_are_lost_until_they_are_rebuilt(
    servers: RedisCluster, state: State, open_process: OpenProcess, how: str
) -> None:
    """Also for who has seen nothing of it, and although the former primary still takes writes."""
    before = servers.list_primaries()[0]
    gone = await asyncio.to_thread(shards_of, servers, before)
    lost, alive = conversation_on(gone), conversation_on(ALL_SHARDS - gone)
    reader = state.signals.subscribe("typing")
    for conversation in (lost, alive):
        start = await begin_turn(state, conversation)
        assert await commit_turn(state, conversation, start, handled=["e"]) == "committed"
    after = await asyncio.to_thread(fail_over, servers, before, SLOTS[min(gone)], how)
    late = conversation_on(frozenset({shard_of(lost)}))
    assert await is_lost(lambda: begin_turn(state, late))
    assert await state.transcript.add(alive, line()) == 1
    newcomer = await open_process()
    assert await newcomer.rebuild.check() == gone
    assert ask(before.port, "KEYS *" + late) in ("", "*0\r\n"), "written to a node that is no primary"
    await newcomer.rebuild.prepare(gone)
    await newcomer.rebuild.finish(gone)
    assert await state.rebuild.check() == frozenset()
    await begin_turn(state, late)
    assert "*0" not in ask(after.port, "KEYS *" + late)
    assert await newcomer.transcript.head(alive) == 1
    await hear(state, newcomer, reader)


async def test_work_on_the_other_nodes_goes_on_while_shards_are_rebuilt(
    servers: RedisCluster, state: State, bus: Bus
) -> None:
    recovery = StateRecovery(state, bus, channels=CHANNELS, clock=lambda: NOW, check_every=0.05, grace=0.5)
    recovery.start()
    try:
        await recovery.available.wait()
        before = servers.list_primaries()[0]
        gone = await asyncio.to_thread(shards_of, servers, before)
        alive = conversation_on(ALL_SHARDS - gone)
        await asyncio.to_thread(fail_over, servers, before, SLOTS[min(gone)], "command")
        works = 0
        async with asyncio.timeout(30):
            while not recovery.reports:
                assert recovery.available.is_set()
                assert not recovery.lost.is_set()
                await state.transcript.add(alive, line())
                await state.check_ready()
                works += 1
        assert works > 10
        assert [report.shards for report in recovery.reports] == [len(gone)]
        assert await state.rebuild.check() == frozenset()
    finally:
        await recovery.close()


async def test_a_call_that_hung_in_a_replaced_primary_is_not_answered_by_it(
    servers: RedisCluster, state: State
) -> None:
    """The frozen node runs the call when it goes on, and nobody may act on that."""
    before = servers.list_primaries()[0]
    gone = await asyncio.to_thread(shards_of, servers, before)
    conversation = conversation_on(gone)
    await begin_turn(state, conversation)
    after = await asyncio.to_thread(servers.find_replica, before)
    before.pause()
    calling = asyncio.ensure_future(begin_turn(state, conversation))
    await asyncio.to_thread(wait_for, after.is_primary, "a failover")
    before.resume()
    with pytest.raises((StateLost, StateUnavailable)):
        await calling


async def test_a_node_that_was_replaced_and_took_over_again_is_checked_on_open_connections_too(
    servers: RedisCluster, state: State, open_process: OpenProcess
) -> None:
    """Who made no call meanwhile has noticed nothing, and sees it when the nodes are asked again."""
    first = servers.list_primaries()[1]  # the first of them may have taken over a moment ago
    gone = await asyncio.to_thread(shards_of, servers, first)
    conversation, slot = conversation_on(gone), SLOTS[min(gone)]
    await begin_turn(state, conversation)
    second = await asyncio.to_thread(fail_over, servers, first, slot, "command")
    other = await open_process()
    assert await other.rebuild.check() == gone
    await other.rebuild.prepare(gone)
    await other.rebuild.finish(gone)
    await asyncio.to_thread(servers.wait_until_synchronized)
    assert await asyncio.to_thread(fail_over, servers, second, slot, "command") is first

    async def begin_turns() -> None:
        while True:
            await begin_turn(state, conversation)

    with pytest.raises(StateLost):
        await asyncio.wait_for(begin_turns(), 10)


async def test_a_failover_during_a_rebuild_makes_it_begin_again(servers: RedisCluster, state: State) -> None:
    """What the rebuild had written may be gone, so it must not finish."""
    before = servers.list_primaries()[0]
    gone = await asyncio.to_thread(shards_of, servers, before)
    await state.rebuild.prepare(ALL_SHARDS)
    await asyncio.to_thread(fail_over, servers, before, SLOTS[min(gone)], "kill")
    for shard in gone:
        await wait_until_it_succeeds(lambda shard=shard: read_head(state, shard))  # type: ignore[misc]
    with pytest.raises(StateLost) as caught:
        await state.rebuild.finish(ALL_SHARDS)
    assert caught.value.shards == gone
    assert await state.rebuild.check() == gone


async def read_head(state: State, shard: int) -> None:
    try:
        await state.transcript.head(conversation_on(frozenset({shard})))
    except StateLost:
        return


async def test_no_script_runs_on_a_slot_while_it_moves_and_its_shard_is_rebuilt_afterwards(
    servers: RedisCluster, state: State, open_process: OpenProcess
) -> None:
    """Else a script would write a key at one node while the others of its keys are at another."""
    source, target = servers.list_primaries()[:2]
    shard = min(await asyncio.to_thread(shards_of, servers, source))
    conversation, other = conversation_on(frozenset({shard})), conversation_on(ALL_SHARDS - {shard})
    await commit_turn(state, conversation, await begin_turn(state, conversation), handled=["e"])
    await state.transcript.add(conversation, line(id="m1"))
    before = dump_slot(source, SLOTS[shard])
    assert len(before) > 5
    await asyncio.to_thread(servers.begin_move, SLOTS[shard], source, target)
    for _ in range(2):  # none of the keys has moved, then some
        calls = [
            begin_turn(state, conversation, "e2"),
            state.transcript.add(conversation, line()),
            state.transcript.mark(conversation, ["m1"], "read"),
            state.transcript.head(conversation),
            state.conversations.own(conversation, "queue", expected_epoch=0, request_id="r", by="p", now=NOW),
        ]
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(each, StateUnavailable) for each in results), results
        assert (await state.transcript.head(other)) == 0
        assert dump_slot(source, SLOTS[shard]) | dump_slot(target, SLOTS[shard]) == before
        await asyncio.to_thread(servers.move_keys, SLOTS[shard], source, target, len(before) // 2)
    waiting = asyncio.ensure_future(state.transcript.head(conversation))
    await asyncio.to_thread(servers.move_keys, SLOTS[shard], source, target)
    await asyncio.to_thread(servers.end_move, SLOTS[shard], source, target)
    with pytest.raises(StateLost):
        await waiting
    assert await (await open_process()).rebuild.check() == {shard}
    await state.rebuild.prepare(frozenset({shard}))
    await state.rebuild.finish(frozenset({shard}))
    await begin_turn(state, conversation, "e3")
    assert await state.rebuild.check() == frozenset()


def dump_slot(node: ClusterRedis, slot: int) -> dict[bytes, bytes]:
    keys = list_keys(node.port, slot, 1_000)
    return {key: exchange(node.port, [b"ASKING"], [b"DUMP", key]) for key in keys}


async def test_every_call_of_every_port_names_keys_of_one_slot(servers: RedisCluster, state: State) -> None:
    for call in calls_of_all_ports(state):
        await call()
    keys = [
        key
        for node in servers.list_primaries()
        for key in exchange(node.port, [b"KEYS", b"*"]).split(b"\r\n")
        if key.startswith(b"parley:")
    ]
    assert len(keys) > 2 * SHARDS
    assert all(key.startswith(b"parley:{s") and key[11:13] == b"}:" for key in keys)
    assert not any(key.endswith(b"}:none") for key in keys), "the guard must never exist"


async def test_a_node_accepts_every_script(servers: RedisCluster) -> None:
    for script in scripts(guarded=True).values():
        reply = exchange(servers.nodes[0].port, [b"SCRIPT", b"LOAD", script.source.encode()])
        assert script.sha.encode() in reply


async def test_work_needs_most_of_the_primaries(servers: RedisCluster, state: State) -> None:
    first, second, third = servers.list_primaries()
    shards = await asyncio.to_thread(shards_of, servers, first)
    conversation = conversation_on(shards)
    await state.transcript.add(conversation, line())
    for node in (servers.find_replica(second), servers.find_replica(third), second, third):
        await asyncio.to_thread(node.kill)
    await asyncio.sleep(TRUSTED)  # the last answer of the majority counts so long
    with pytest.raises(StateUnavailable) as caught:
        await state.transcript.head(conversation)
    assert "primaries" in caught.value.fix
    for node in servers.nodes:
        if node.pid is None:
            await asyncio.to_thread(node.start)
    await wait_until_it_succeeds(lambda: state.transcript.head(conversation))


async def test_doctor_checks_each_primary_and_the_usage_is_that_of_all(
    servers: RedisCluster, state: State, tmp_path: Path
) -> None:
    location = StateLocation(servers.url, tmp_path)
    found = {each.check: each for each in await ENGINE.run_checks(location)}
    assert found["redis cluster"].detail == "3 primaries and 3 other nodes; each of 256 shards has a node"
    assert {found[name].status for name in ("redis cluster", "redis", "redis appendonly", "redis version")} == {"ok"}
    evicting = servers.list_primaries()[1]
    ask(evicting.port, "CONFIG SET maxmemory-policy allkeys-lru")
    found = {each.check: each for each in await ENGINE.run_checks(location)}
    assert found["redis maxmemory-policy"].status == "fail"
    assert found["redis maxmemory-policy"].detail.startswith(f"127.0.0.1:{evicting.port}: allkeys-lru")
    assert (await ENGINE.schema_state(location)).pending == ()
    for _ in range(20):
        await begin_turn(state, new_id())
    usage = await ENGINE.read_usage(location, NOW)  # type: ignore[attr-defined]
    assert usage.conversations == 20


async def test_doctor_says_that_no_node_answers(tmp_path: Path) -> None:
    (found,) = await ENGINE.run_checks(StateLocation("redis+cluster://127.0.0.1:1,127.0.0.1:2", tmp_path))
    assert (found.check, found.status) == ("redis cluster", "fail")
    assert "cannot be reached" in found.detail


async def test_a_server_that_belongs_to_no_cluster_is_named_as_such(redis_url: str, tmp_path: Path) -> None:
    place = redis_url.removeprefix("redis://").removesuffix("/0")
    (found,) = await ENGINE.run_checks(StateLocation(f"redis+cluster://{place}", tmp_path))
    assert "belongs to no cluster" in found.detail
