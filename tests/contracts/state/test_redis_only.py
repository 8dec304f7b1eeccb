"""Failures of a store on a server of its own. Each test has its own Redis, to break as it likes."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from infra.bus.partitioner import shard_of
from infra.deploy.local_redis import LocalRedis
from infra.state.redis.client.scripts import scripts
from schemas import ids
from schemas.errors import StateLost
from schemas.ports import State
from tests.contracts.state.engines import ALL_SHARDS
from tests.contracts.state.port_calls import (
    OpenProcess,
    all_there,
    calls_of_all_ports,
    processes,
    set_up,
    wait_until_it_succeeds,
)
from tests.contracts.state.samples import (
    NOW,
    begin_turn,
    commit_turn,
    later,
    line,
    new_id,
)

pytestmark = pytest.mark.scaled


@pytest.fixture
async def open_process(stoppable_redis: LocalRedis) -> AsyncIterator[OpenProcess]:
    async with processes(stoppable_redis.url) as open_:
        yield open_


@pytest.fixture
async def state(open_process: OpenProcess) -> State:
    return await set_up(await open_process())


@pytest.fixture
async def server(stoppable_redis: LocalRedis) -> AsyncIterator[Any]:
    """A plain client, for what an operator does to a server."""
    async with Redis.from_url(stoppable_redis.url, protocol=2) as client:
        yield client


async def test_scripts_that_redis_forgot_are_loaded_again_before_any_call(state: State, server: Any) -> None:
    calls: list[Callable[[], Awaitable[object]]] = [
        *calls_of_all_ports(state),
        lambda: state.leases.acquire("l", "me", ttl=5, now=NOW),
        lambda: state.leases.release("l", "me"),
    ]
    for call in calls:
        await server.execute_command("SCRIPT", "FLUSH")
        await call()


async def test_scripts_forgotten_under_load_fail_no_call(state: State, server: Any) -> None:
    conversations = [new_id() for _ in range(300)]

    async def work(conversation: str) -> str:
        return await commit_turn(state, conversation, await begin_turn(state, conversation), handled=["e"])

    async def forget() -> None:
        for _ in range(20):
            await server.execute_command("SCRIPT", "FLUSH")

    results, _ = await asyncio.gather(asyncio.gather(*map(work, conversations)), forget())
    assert results == ["committed"] * 300


async def test_redis_accepts_every_script(server: Any) -> None:
    for script in scripts().values():
        assert (await server.script_load(script.source)) in (script.sha, script.sha.encode())


async def test_after_flushall_the_next_call_of_every_operation_says_so(state: State, server: Any) -> None:
    calls = calls_of_all_ports(state)
    for call in calls:
        await call()
    for call in calls:
        await server.flushall()
        with pytest.raises(StateLost):
            await call()
    assert await state.rebuild.check() == ALL_SHARDS


async def test_an_empty_redis_is_lost_for_a_process_that_has_never_seen_it(
    open_process: OpenProcess,
) -> None:
    state = await open_process()
    assert await state.rebuild.check() == ALL_SHARDS
    with pytest.raises(StateLost) as caught:
        await state.transcript.head("c")
    assert caught.value.shards == {shard_of("c")}
    assert await state.leases.acquire("rebuild", "me", ttl=5, now=NOW) is not None, "the rebuild needs its lease"


async def test_a_redis_that_came_back_with_older_data_is_lost_for_everybody(
    state: State, stoppable_redis: LocalRedis, open_process: OpenProcess
) -> None:
    conversation, other = new_id(), "quiet"
    shard = shard_of(conversation)
    await begin_turn(state, conversation, "e0")
    await state.transcript.head(other)
    await asyncio.to_thread(stoppable_redis.stop)
    backup = stoppable_redis.home / "backup"
    shutil.copytree(stoppable_redis.data_dir, backup)
    await asyncio.to_thread(stoppable_redis.start)
    await wait_until_it_succeeds(state.rebuild.check)
    start = await begin_turn(state, conversation, "e1")
    assert await commit_turn(state, conversation, start, handled=["e1"]) == "committed"
    await asyncio.to_thread(stoppable_redis.kill)
    shutil.rmtree(stoppable_redis.data_dir)
    shutil.copytree(backup, stoppable_redis.data_dir)
    await asyncio.to_thread(stoppable_redis.start)
    newcomer = await open_process()
    assert await newcomer.rebuild.check() == frozenset(), "who has seen nothing cannot know"
    with pytest.raises(StateLost):
        await begin_turn(state, conversation, "e1")
    assert await newcomer.rebuild.check() == {shard}, "who does know tells the others"
    with pytest.raises(StateLost):
        await newcomer.conversations.get(conversation)
    assert await state.transcript.head(other) == 0


async def test_two_thousand_calls_at_once_wait_for_few_connections(state: State, server: Any) -> None:
    conversations = [new_id() for _ in range(2000)]
    seqs = await asyncio.gather(*(state.transcript.add(one, line()) for one in conversations))
    assert seqs == [1] * 2000
    assert len(await server.client_list()) <= 16 + 1


async def test_a_cancelled_call_runs_to_its_end_and_costs_no_connection(state: State, server: Any) -> None:
    conversation = new_id()
    for n in range(50):
        task = asyncio.create_task(state.transcript.add(conversation, line(id=f"m{n}")))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await all_there(state, conversation, 50)
    assert (await server.info("stats"))["total_connections_received"] <= 16 + 2


async def test_a_process_adopts_the_epoch_of_a_rebuild_by_another_and_its_old_work_is_fenced(
    state: State, open_process: OpenProcess
) -> None:
    other, conversation = await open_process(), new_id()
    zombie = await begin_turn(state, conversation)
    snapshot = await state.conversations.snapshot(conversation)
    assert snapshot is not None
    await other.rebuild.prepare(ALL_SHARDS)
    with pytest.raises(StateLost):
        await state.conversations.get(conversation)
    await other.rebuild.restore(snapshot)
    await other.rebuild.finish(ALL_SHARDS)
    await begin_turn(other, conversation)
    assert await commit_turn(state, conversation, zombie) == "stale"
    assert await state.rebuild.check() == frozenset()


async def test_a_rebuilder_that_was_overtaken_writes_nothing_and_does_not_finish(
    state: State, open_process: OpenProcess
) -> None:
    slow, fast, conversation = state, await open_process(), new_id()
    await begin_turn(slow, conversation)
    snapshot = await slow.conversations.snapshot(conversation)
    assert snapshot is not None
    await slow.rebuild.prepare(ALL_SHARDS)
    await fast.rebuild.prepare(ALL_SHARDS)
    await slow.rebuild.restore(snapshot)
    with pytest.raises(StateLost):
        await slow.rebuild.finish(ALL_SHARDS)
    assert await fast.rebuild.check() == ALL_SHARDS
    await fast.rebuild.finish(ALL_SHARDS)
    assert await fast.conversations.get(conversation) is None
    await slow.rebuild.restore(snapshot)
    assert await fast.conversations.get(conversation) is None, "nor does it write to a shard that is alive"


async def test_a_lease_goes_to_a_higher_token_even_after_the_store_was_emptied(state: State, server: Any) -> None:
    first = await state.leases.acquire("gateway", "a", ttl=10, now=NOW)
    await server.flushall()
    second = await state.leases.acquire("gateway", "b", ttl=10, now=later(1))
    assert first is not None
    assert second is not None
    assert second > first


async def test_every_key_carries_the_tag_of_its_shard(state: State, server: Any) -> None:
    for call in calls_of_all_ports(state):
        await call()
    keys = [key.decode() for key in await server.keys("*")]
    assert all(key.startswith("parley:{s") and key[11:13] == "}:" for key in keys)
    conversation = ids.conversation_id("plantstore", "web", "main", "tagged")
    await state.transcript.add(conversation, line())
    tagged = await server.keys(f"parley:{{s{shard_of(conversation):02x}}}:*:{conversation}")
    assert tagged == await server.keys(f"*{conversation}*")
    assert tagged


async def test_every_bucket_of_the_limiter_ends_by_itself(state: State, server: Any) -> None:
    """However many strangers there are, what is kept of them is bounded by how many came of late."""
    for number in range(50):
        await state.limiter.take(f"inbound:shop:web:main:from:198.51.100.{number}", per_second=2, burst=20, now=NOW)
    lives = [await server.ttl(key) async for key in server.scan_iter(match="*198.51.100.*")]
    assert len(lives) == 50
    assert all(0 < life <= 20 / 2 + 60 for life in lives)


async def test_a_bucket_that_need_not_be_kept_until_it_is_full_goes_earlier(state: State, server: Any) -> None:
    for name, keep in (("brief", 7_200.0), ("full", 0.0)):
        assert await state.limiter.take(name, per_second=1 / 3600, burst=300, now=NOW, keep=keep) == 0
    lives = {}
    async for key in server.scan_iter("*:g:*"):
        lives[key.decode().rpartition(":")[2]] = await server.ttl(key)
    assert lives["brief"] <= 7_200
    assert lives["full"] > 300 * 3_600 - 60
