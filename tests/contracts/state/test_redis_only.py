"""What only a store on a server of its own can suffer. Each test has its own Redis, to break as it likes."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from infra.bus.partitioner import shard_of
from infra.deploy.local_redis import LocalRedis
from infra.state.redis import open_redis_state
from infra.state.redis.scripts import scripts
from schemas import ids
from schemas.errors import StateLost, StateUnavailable
from schemas.messages import Address
from schemas.ports import State
from tests.contracts.state.engines import ALL_SHARDS
from tests.contracts.state.samples import (
    NOW,
    begun,
    committed,
    delivered,
    later,
    line,
    new_id,
    outbound,
    record,
    reply,
)

pytestmark = pytest.mark.scaled


@pytest.fixture
async def open_process(stoppable_redis: LocalRedis) -> AsyncIterator[Callable[[], Awaitable[State]]]:
    """Opens the same store once more, as another process would."""
    opened: list[State] = []

    async def open_() -> State:
        opened.append(await open_redis_state(stoppable_redis.url))
        return opened[-1]

    yield open_
    for state in opened:
        await state.close()


@pytest.fixture
async def state(open_process: Callable[[], Awaitable[State]]) -> State:
    state = await open_process()
    await state.rebuild.prepare(ALL_SHARDS)
    await state.rebuild.finish(ALL_SHARDS)
    return state


@pytest.fixture
async def server(stoppable_redis: LocalRedis) -> AsyncIterator[Any]:
    """A plain client, for what an operator does to a server."""
    async with Redis.from_url(stoppable_redis.url, protocol=2) as client:
        yield client


async def succeeds(work: Callable[[], Awaitable[object]], seconds: float = 10) -> None:
    """Return once ``work`` no longer raises StateUnavailable."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                await work()
            except StateUnavailable:
                await asyncio.sleep(0.02)
            else:
                return


async def all_there(state: State, conversation: str, head: int) -> None:
    async with asyncio.timeout(5):
        while await state.transcript.head(conversation) < head:
            pass


def everything(state: State) -> list[Callable[[], Awaitable[object]]]:
    """A call of every operation of every port."""
    conversation, message = new_id(), outbound()
    addresses = [Address(channel="web", value="v1")]
    parked = [record(1, conversation)]

    async def turn() -> None:
        start = await begun(state, conversation, "e1")
        assert await committed(state, conversation, start, handled=["e1"], outbox=[reply(conversation)]) == "committed"

    return [
        turn,
        lambda: state.conversations.pending(conversation),
        lambda: state.conversations.published(conversation, ["x"]),
        lambda: state.conversations.unpublished(before=NOW, limit=5),
        lambda: state.conversations.own(conversation, "queue", expected_epoch=0, request_id="r", by="p", now=NOW),
        lambda: state.conversations.get(conversation),
        lambda: state.conversations.snapshot(conversation),
        lambda: state.conversations.listing("plantstore"),
        lambda: state.conversations.counts(),
        lambda: state.contacts.resolve("plantstore", "web", "main", "v1", addresses, now=NOW),
        lambda: state.contacts.get("plantstore", "nobody"),
        lambda: state.transcript.add(conversation, line(id="m1")),
        lambda: state.transcript.mark(conversation, ["m1"], "read"),
        lambda: state.transcript.edit(conversation, "m1", "text"),
        lambda: state.transcript.find(conversation, "m1"),
        lambda: state.transcript.read(conversation),
        lambda: state.transcript.recent(conversation),
        lambda: state.transcript.head(conversation),
        lambda: state.deliveries.begin_send(conversation, message, deadline=5, now=NOW),
        lambda: state.deliveries.record(conversation, delivered(message.id, "sent")),
        lambda: state.deliveries.outcome(conversation, message.id),
        lambda: state.deliveries.bind("plantstore", "web", "main", "x", conversation, message.id),
        lambda: state.deliveries.by_external_id("plantstore", "web", "main", "x"),
        lambda: state.deliveries.unresolved(before=NOW, limit=5),
        lambda: state.parking.park("g", conversation, parked, until=NOW),
        lambda: state.parking.parked("g", conversation, limit=5),
        lambda: state.parking.unpark("g", conversation, parked),
        lambda: state.parking.waiting("g", [parked[0].source]),
        lambda: state.dead_letters.get("plantstore", "x"),
        lambda: state.dead_letters.listing("plantstore"),
        lambda: state.turns.listing(conversation),
        lambda: state.limiter.take("k", per_second=1, burst=5, now=NOW),
        lambda: state.heads.raise_to("plantstore", 0, 7),
        lambda: state.heads.of("plantstore"),
        state.ready,
    ]


async def test_scripts_that_redis_forgot_are_loaded_again_before_any_call(state: State, server: Any) -> None:
    calls = [*everything(state), lambda: state.leases.acquire("l", "me", ttl=5, now=NOW)]
    for call in calls:
        await server.script_flush()
        await call()


async def test_scripts_forgotten_under_load_fail_no_call(state: State, server: Any) -> None:
    conversations = [new_id() for _ in range(300)]

    async def work(conversation: str) -> str:
        return await committed(state, conversation, await begun(state, conversation), handled=["e"])

    async def forget() -> None:
        for _ in range(20):
            await server.execute_command("SCRIPT", "FLUSH")

    results, _ = await asyncio.gather(asyncio.gather(*map(work, conversations)), forget())
    assert results == ["committed"] * 300


async def test_redis_accepts_every_script(server: Any) -> None:
    for script in scripts().values():
        assert (await server.script_load(script.source)) in (script.sha, script.sha.encode())


async def test_after_flushall_the_next_call_of_every_operation_says_so(state: State, server: Any) -> None:
    calls = everything(state)
    for call in calls:
        await call()
    for call in calls:
        await server.flushall()
        with pytest.raises(StateLost):
            await call()
    assert await state.rebuild.check() == ALL_SHARDS


async def test_an_empty_redis_is_lost_for_a_process_that_has_never_seen_it(
    open_process: Callable[[], Awaitable[State]],
) -> None:
    state = await open_process()
    assert await state.rebuild.check() == ALL_SHARDS
    with pytest.raises(StateLost) as caught:
        await state.transcript.head("c")
    assert caught.value.shards == {shard_of("c")}
    assert await state.leases.acquire("rebuild", "me", ttl=5, now=NOW) is not None, "the rebuild needs its lease"


async def test_a_redis_that_came_back_with_older_data_is_lost_for_everybody(
    state: State, stoppable_redis: LocalRedis, open_process: Callable[[], Awaitable[State]]
) -> None:
    conversation, other = new_id(), "quiet"
    shard = shard_of(conversation)
    await begun(state, conversation, "e0")
    await state.transcript.head(other)
    await asyncio.to_thread(stoppable_redis.stop)
    backup = stoppable_redis.home / "backup"
    shutil.copytree(stoppable_redis.data_dir, backup)
    await asyncio.to_thread(stoppable_redis.start)
    await succeeds(state.rebuild.check)
    start = await begun(state, conversation, "e1")
    assert await committed(state, conversation, start, handled=["e1"]) == "committed"
    await asyncio.to_thread(stoppable_redis.kill)
    shutil.rmtree(stoppable_redis.data_dir)
    shutil.copytree(backup, stoppable_redis.data_dir)
    await asyncio.to_thread(stoppable_redis.start)
    newcomer = await open_process()
    assert await newcomer.rebuild.check() == frozenset(), "who has seen nothing cannot know"
    with pytest.raises(StateLost):
        await begun(state, conversation, "e1")
    assert await newcomer.rebuild.check() == {shard}, "who does know tells the others"
    with pytest.raises(StateLost):
        await newcomer.conversations.get(conversation)
    assert await state.transcript.head(other) == 0


async def test_while_the_server_is_down_calls_fail_with_a_fix_and_nothing_acknowledged_is_lost(
    state: State, stoppable_redis: LocalRedis
) -> None:
    conversation = new_id()
    assert await state.transcript.add(conversation, line(id="m1")) == 1
    await asyncio.to_thread(stoppable_redis.kill)
    with pytest.raises(StateUnavailable) as caught:
        await state.transcript.add(conversation, line(id="m2"))
    assert "runs" in caught.value.fix
    with pytest.raises(StateUnavailable):
        await state.ready()
    await asyncio.to_thread(stoppable_redis.start)
    await succeeds(state.ready)
    assert [message.id for message in await state.transcript.read(conversation)] == ["m1"]
    assert await state.transcript.add(conversation, line(id="m2")) == 2


async def test_a_server_that_hangs_fails_all_that_wait_after_one_timeout(
    state: State, stoppable_redis: LocalRedis
) -> None:
    stoppable_redis.pause()
    try:
        async with asyncio.timeout(8):
            results = await asyncio.gather(
                *(state.transcript.head(f"c{n}") for n in range(2000)), return_exceptions=True
            )
    finally:
        stoppable_redis.resume()
    assert {type(result) for result in results} == {StateUnavailable}
    await succeeds(state.ready)


async def test_two_thousand_calls_at_once_wait_for_few_connections(state: State, server: Any) -> None:
    conversations = [new_id() for _ in range(2000)]
    seqs = await asyncio.gather(*(state.transcript.add(one, line()) for one in conversations))
    assert seqs == [1] * 2000
    assert len(await server.client_list()) <= 16 + 1


async def test_without_memory_a_call_fails_with_a_fix_and_nothing_of_it_is_written(state: State, server: Any) -> None:
    conversation = new_id()
    start = await begun(state, conversation, "e1")
    await server.config_set("maxmemory", "1mb")
    for call in (
        lambda: committed(state, conversation, start, handled=["e1"], outbox=[reply(conversation)]),
        lambda: begun(state, new_id()),
        lambda: state.transcript.add(conversation, line()),
        lambda: state.deliveries.begin_send(conversation, outbound(), deadline=5, now=NOW),
    ):
        with pytest.raises(StateUnavailable) as caught:
            await call()
        assert "maxmemory" in caught.value.fix
    await server.config_set("maxmemory", "0")
    after = await begun(state, conversation, "e1")
    assert (after.handled, after.outbox, after.conversation.version) == (frozenset(), [], 0)
    assert await state.transcript.head(conversation) == 0
    assert await committed(state, conversation, after, handled=["e1"]) == "committed"


async def test_a_server_that_became_a_replica_is_unavailable_until_it_is_primary_again(
    state: State, server: Any
) -> None:
    conversation = new_id()
    await begun(state, conversation)
    await server.execute_command("REPLICAOF", "127.0.0.1", "1")
    with pytest.raises(StateUnavailable) as caught:
        await begun(state, conversation)
    assert "primary" in caught.value.fix
    await server.execute_command("REPLICAOF", "NO", "ONE")
    await begun(state, conversation)


async def test_a_server_that_wants_a_password_is_unavailable(
    state: State, server: Any, stoppable_redis: LocalRedis
) -> None:
    await server.config_set("requirepass", "secret")
    newcomer = await open_redis_state(stoppable_redis.url)
    try:
        with pytest.raises(StateUnavailable) as caught:
            await newcomer.transcript.head("c")
    finally:
        await newcomer.close()
    assert "password" in caught.value.fix


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
    state: State, open_process: Callable[[], Awaitable[State]]
) -> None:
    other, conversation = await open_process(), new_id()
    zombie = await begun(state, conversation)
    snapshot = await state.conversations.snapshot(conversation)
    assert snapshot is not None
    await other.rebuild.prepare(ALL_SHARDS)
    with pytest.raises(StateLost):
        await state.conversations.get(conversation)
    await other.rebuild.restore(snapshot)
    await other.rebuild.finish(ALL_SHARDS)
    await begun(other, conversation)
    assert await committed(state, conversation, zombie) == "stale"
    assert await state.rebuild.check() == frozenset()


async def test_a_rebuilder_that_was_overtaken_writes_nothing_and_does_not_finish(
    state: State, open_process: Callable[[], Awaitable[State]]
) -> None:
    slow, fast, conversation = state, await open_process(), new_id()
    await begun(slow, conversation)
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
    for call in everything(state):
        await call()
    keys = [key.decode() for key in await server.keys("*")]
    assert all(key.startswith("parley:{s") and key[11:13] == "}:" for key in keys)
    conversation = ids.conversation_id("plantstore", "web", "main", "tagged")
    await state.transcript.add(conversation, line())
    tagged = await server.keys(f"parley:{{s{shard_of(conversation):02x}}}:*:{conversation}")
    assert tagged == await server.keys(f"*{conversation}*")
    assert tagged


async def test_signals_cross_processes_and_survive_a_restart_of_the_server(
    state: State, stoppable_redis: LocalRedis, open_process: Callable[[], Awaitable[State]]
) -> None:
    other = await open_process()
    reader = state.signals.subscribe("typing")

    async def heard(payload: bytes) -> None:
        """Lossy: publish until it is heard."""
        async with asyncio.timeout(10):
            waiting = asyncio.ensure_future(anext(reader))
            while not waiting.done():
                await succeeds(lambda: other.signals.publish("typing", payload))
                await asyncio.wait([waiting], timeout=0.05)
            while waiting.result() != payload:
                waiting = asyncio.ensure_future(anext(reader))
                await waiting

    await heard(b"before")
    await asyncio.to_thread(stoppable_redis.kill)
    await asyncio.to_thread(stoppable_redis.start)
    await heard(b"after")
