"""Row ``latency``: from a message to its visible answer at 100 messages a second; no fold, an instant model."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import aiohttp

from tests.bench.figures import Row, ValueRange, quantile
from tests.bench.launch import MODULE
from tests.bench.machine import fdatasync_ms
from tests.bench.round_trip import EVERY, round_trips
from tests.bench.setup import Stage, tenants
from tests.harness.processes import Process

CONTACTS = 100
PER_SECOND = 100
KAFKA_P50, P99 = 20.0, 120.0


@dataclass(slots=True)
class ContactSocket:
    """One contact's socket. It waits among the ``idle`` ones while nothing is owed to it: who writes again before the
    answer is there gets one answer to both."""

    socket: aiohttp.ClientWebSocketResponse
    idle: asyncio.Queue[ContactSocket]
    asked_at: float = 0.0
    waits: list[float] = field(default_factory=list)
    cited: int = 0

    async def listen(self) -> None:
        async for message in self.socket:
            frame = json.loads(message.data)
            if frame["type"] == "message" and frame["message"]["author"]["kind"] == "agent":
                self.waits.append((time.perf_counter() - self.asked_at) * 1000)
                self.cited += bool(frame["message"]["citations"])
                self.idle.put_nowait(self)

    async def ask(self, number: int, due: float, text: str) -> None:
        """``due`` is when it should have been asked: what is late already counts."""
        self.asked_at = due
        await self.socket.send_json({"type": "message", "client_msg_id": f"l{number}", "text": text})


async def talk(http: aiohttp.ClientSession, base: str, idle: asyncio.Queue[ContactSocket]) -> ContactSocket:
    async with http.post(f"{base}/v1/chat/plantstore/sessions", json={}) as answer:
        token = (await answer.json())["visitor_token"]
    socket = await http.ws_connect(f"{base}/v1/chat/plantstore/socket")
    await socket.send_json({"type": "hello", "token": token})
    assert (await socket.receive_json())["type"] == "welcome"
    return ContactSocket(socket, idle)


@dataclass(frozen=True, slots=True)
class AnswerTimes:
    """``waits``: milliseconds from each message to its answer; ``cited``: answers among all that named a source."""

    waits: list[float]
    cited: int


async def heard_of(
    edge: Process,
    seconds: float,
    warm: float,
    *,
    per_second: int = PER_SECOND,
    texts: Sequence[str] = ("Do you ship in winter?",),
) -> AnswerTimes:
    """After ``warm`` seconds of the same. ``texts`` are asked in turns."""
    base = f"http://127.0.0.1:{edge.port}"
    async with aiohttp.ClientSession() as http:
        idle: asyncio.Queue[ContactSocket] = asyncio.Queue()
        talks = [await talk(http, base, idle) for _ in range(CONTACTS)]
        for each in talks:
            idle.put_nowait(each)
        listeners = [asyncio.create_task(each.listen()) for each in talks]
        begun = time.perf_counter()
        for number in range(int((seconds + warm) * per_second)):
            due = begun + number / per_second
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            one = await asyncio.wait_for(idle.get(), 60)
            await one.ask(number, due, texts[number % len(texts)])
        for _ in talks:
            await asyncio.wait_for(idle.get(), 60)
        for listener in listeners:
            listener.cancel()
    skipped = int(warm * per_second) // CONTACTS
    return AnswerTimes([wait for each in talks for wait in each.waits[skipped:]], sum(each.cited for each in talks))


async def measure(stage: Stage) -> list[Row]:
    rows = []
    seconds, warm = stage.times(15, 1), stage.times(4, 0)
    for engine in stage.engines:
        scaled = engine == "kafka"
        installation = await stage.installation(scaled, tenants=tenants())
        config = str(installation.config)
        before = fdatasync_ms(stage.folder)
        processes = []
        if scaled:
            await installation.start("edge", "connectors", flags=["--log-level", "error"])
            edge = installation.roles["edge"]
            processes.append(await stage.program(MODULE, config, "worker", "0", "0"))
        else:
            edge = await stage.program(MODULE, config, "dev", "0", "0")
            processes.append(edge)
        for process in processes:
            await process.ready(90)
        async with AsyncExitStack() as beside:
            kafka: list[float] = []
            if scaled:
                given = await stage.engine(scaled)
                kafka = await beside.enter_async_context(round_trips(given["kafka"], f"{given['prefix']}round-trip"))
            waits = (await heard_of(edge, seconds, warm)).waits
        after = fdatasync_ms(stage.folder)
        detail = {"messages": len(waits), **_disk(before, after), **_broker(kafka[int(warm / EVERY) :])}
        rows += _rows(engine, waits, detail)
        await installation.stop()
        for process in processes:
            await process.stop()
    return rows


def _disk(before: tuple[float, float], after: tuple[float, float]) -> dict[str, float]:
    p50, p99 = (before[0] + after[0]) / 2, max(before[1], after[1])
    return {"fdatasync_p50_ms": round(p50, 2), "fdatasync_p99_ms": round(p99, 2)}


def _broker(trips: list[float]) -> dict[str, float]:
    """A message takes two such round trips and one append more, one after the other."""
    if not trips:
        return {}
    p50, p99 = quantile(trips, 0.5), quantile(trips, 0.99)
    return {"bare_kafka_round_trip_p50_ms": round(p50, 2), "bare_kafka_round_trip_p99_ms": round(p99, 2)}


def _rows(engine: str, waits: list[float], detail: dict[str, float]) -> list[Row]:
    budget = KAFKA_P50 if engine == "kafka" else 4 * detail["fdatasync_p50_ms"] + 10
    return [
        Row(
            f"latency p50 {engine}",
            f"from a message to its visible answer on {engine}, {PER_SECOND} a second: median",
            "ms",
            ValueRange.of([quantile(waits, 0.5)]),
            budget,
            detail=detail,
        ),
        Row(f"latency p99 {engine}", "the same, 99th percentile", "ms", ValueRange.of([quantile(waits, 0.99)]), P99),
    ]
