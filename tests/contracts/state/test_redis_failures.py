"""Calls fail in a typed way while Redis is down, hangs, is full or is somebody else's, and work again afterwards."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from infra.deploy.local_redis import LocalRedis
from infra.state.recovery import StateRecovery
from infra.state.redis.engine import open_redis_state
from schemas.errors import StateLost, StateUnavailable
from schemas.ports import State
from tests.contracts.state.port_calls import OpenProcess, processes, set_up, wait_until_it_succeeds
from tests.contracts.state.recorded_history import CHANNELS, open_log, record_conversation
from tests.contracts.state.samples import (
    NOW,
    begin_turn,
    commit_turn,
    line,
    new_id,
    outbound,
    reply,
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
        await state.check_ready()
    await asyncio.to_thread(stoppable_redis.start)
    await wait_until_it_succeeds(state.check_ready)
    assert [message.id for message in await state.transcript.read(conversation)] == ["m1"]
    assert await state.transcript.add(conversation, line(id="m2")) == 2


async def test_a_server_that_hangs_fails_all_that_wait_after_one_timeout(
    state: State, stoppable_redis: LocalRedis
) -> None:
    stoppable_redis.pause()
    try:
        async with asyncio.timeout(30):
            results = await asyncio.gather(
                *(state.transcript.head(f"c{n}") for n in range(2000)), return_exceptions=True
            )
    finally:
        stoppable_redis.resume()
    assert {type(result) for result in results} == {StateUnavailable}
    await wait_until_it_succeeds(state.check_ready)


async def test_without_memory_a_call_fails_with_a_fix_and_nothing_of_it_is_written(state: State, server: Any) -> None:
    conversation = new_id()
    start = await begin_turn(state, conversation, "e1")
    await server.config_set("maxmemory", "1mb")
    for call in (
        lambda: commit_turn(state, conversation, start, handled=["e1"], outbox=[reply(conversation)]),
        lambda: begin_turn(state, new_id()),
        lambda: state.transcript.add(conversation, line()),
        lambda: state.deliveries.begin_send(conversation, outbound(), deadline=5, now=NOW),
    ):
        with pytest.raises(StateUnavailable) as caught:
            await call()
        assert "maxmemory" in caught.value.fix
    with pytest.raises(StateUnavailable, match="memory"):
        await state.check_ready()
    await server.config_set("maxmemory", "0")
    await state.check_ready()
    after = await begin_turn(state, conversation, "e1")
    assert (after.handled, after.outbox, after.conversation.version) == (frozenset(), [], 0)
    assert await state.transcript.head(conversation) == 0
    assert await commit_turn(state, conversation, after, handled=["e1"]) == "committed"


async def test_a_server_that_became_a_replica_is_unavailable_until_it_is_primary_again(
    state: State, server: Any
) -> None:
    conversation = new_id()
    await begin_turn(state, conversation)
    await server.execute_command("REPLICAOF", "127.0.0.1", "1")
    with pytest.raises(StateUnavailable) as caught:
        await begin_turn(state, conversation)
    assert "primary" in caught.value.fix
    with pytest.raises(StateUnavailable, match="replica"):
        await state.check_ready()
    await server.execute_command("REPLICAOF", "NO", "ONE")
    await state.check_ready()
    await begin_turn(state, conversation)


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


async def test_signals_cross_processes_and_survive_a_restart_of_the_server(
    state: State, stoppable_redis: LocalRedis, open_process: OpenProcess
) -> None:
    other = await open_process()
    reader = state.signals.subscribe("typing")

    async def heard(payload: bytes) -> None:
        """Lossy: publish until it is heard."""
        async with asyncio.timeout(30):
            waiting = asyncio.ensure_future(anext(reader))
            while not waiting.done():
                await wait_until_it_succeeds(lambda: other.signals.publish("typing", payload))
                await asyncio.wait([waiting], timeout=0.05)
            while waiting.result() != payload:
                waiting = asyncio.ensure_future(anext(reader))
                await waiting

    await heard(b"before")
    await asyncio.to_thread(stoppable_redis.kill)
    await asyncio.to_thread(stoppable_redis.start)
    await heard(b"after")


async def test_a_server_that_evicts_keys_is_lost_and_comes_back_whole(
    state: State, server: Any, tmp_path: Path
) -> None:
    """Under allkeys-lru single keys go while the head of their shard stays: that must not pass for an empty
    conversation. While it goes on nothing is served; when the operator has mended it, one rebuild brings all back."""
    async with open_log(tmp_path / "log.db", lambda: NOW) as bus:
        lives = [await record_conversation(state, bus, f"visitor-{n}") for n in range(20)]
        before = [await life.picture() for life in lives]
        used = (await server.info("memory"))["used_memory"]
        await server.config_set("maxmemory-policy", "allkeys-lru")
        await server.config_set("maxmemory", used - 20_000)
        while not (await server.info("stats"))["evicted_keys"]:
            with contextlib.suppress(StateUnavailable, StateLost):
                await state.limiter.take(new_id(), per_second=1, burst=1, now=NOW)
        with pytest.raises(StateLost):
            await state.check_ready()
        healer = StateRecovery(state, bus, channels=CHANNELS, clock=lambda: NOW, check_every=0.05, grace=0)
        healer.start()
        try:
            await asyncio.wait_for(healer.lost.wait(), 30)
            await server.config_set("maxmemory", "0")
            await server.config_set("maxmemory-policy", "noeviction")
            await asyncio.wait_for(healer.available.wait(), 60)
        finally:
            await healer.close()
        await state.check_ready()
        assert [await life.picture() for life in lives] == before
