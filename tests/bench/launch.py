"""Parley's own processes with a model that costs nothing or time only, and the bare loop a worker is held against.

python -m tests.bench.launch PORT CONFIG ROLE SECONDS COUNT

ROLE: dev, unpaced, worker, bare. ``unpaced`` is dev that sends to Slack as fast as it can: it takes 5 messages a second
from an app, which would be all that is measured. SECONDS: how long the model thinks. COUNT: messages after which one
JSON line is printed with what handling them took (0: never).
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import structlog

from agent_worker.worker import Worker
from schemas.ports import AnswerDraft, Batch, Question
from schemas.ports.channel import RateLimit

MODULE = "tests.bench.launch"


class Instant:
    """Says the same at once, or after a while."""

    name = "local"

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def answer(self, question: Question, emit: Callable[[str], Awaitable[None]]) -> AnswerDraft:
        if self._seconds:
            await asyncio.sleep(self._seconds)
        return AnswerDraft(text="Yes, we do.", answered=True, model=self.name)


@dataclass(slots=True)
class Tally:
    """Counts what is handled. Each 20 ms, in milliseconds: ``lags``, how late the loop was, and ``busy``, how much
    of that was processor time of its own."""

    wanted: int
    done: int = 0
    begun: float = 0.0
    processor: float = 0.0
    lags: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)

    def begin(self) -> None:
        if not self.begun:
            self.begun, self.processor = time.perf_counter(), time.process_time()

    def add(self, count: int) -> None:
        self.done += count
        if self.wanted and self.done >= self.wanted:
            self.wanted = 0
            self.tell()

    def tell(self) -> None:
        said = {
            "seconds": time.perf_counter() - self.begun,
            "processor": time.process_time() - self.processor,
            "lags": sorted(self.lags)[-max(1, len(self.lags) // 100) :],
            "busy": sorted(self.busy)[-max(1, len(self.busy) // 100) :],
            "done": self.done,
        }
        print("RESULT " + json.dumps(said), flush=True)

    async def watch(self) -> None:
        mark = time.thread_time()
        while True:
            begun = time.perf_counter()
            await asyncio.sleep(0.02)
            late = (time.perf_counter() - begun - 0.02) * 1000
            # What the loop thread itself did between the time that was due and now. Its own work, not its neighbours'.
            spent = (time.thread_time() - mark) * 1000
            mark = time.thread_time()
            if self.begun:
                self.lags.append(late)
                self.busy.append(min(late, spent))


def counted(tally: Tally) -> type[Worker]:
    class CountingWorker(Worker):
        async def handle(self, batch: Batch) -> None:
            tally.begin()
            await super().handle(batch)
            tally.add(len(batch.records))

    return CountingWorker


async def parley(config_path: Path, port: int, role: str, seconds: float, tally: Tally) -> None:
    from agent_worker.models.registry import Models
    from gateway.config.loader import load
    from gateway.wiring import compose, consumers

    config = load(config_path).model_copy(update={"listen": f"127.0.0.1:{port}"})
    changed: Any = consumers
    changed.open_models = lambda *_args, **_more: Models({"local": Instant(seconds)})
    changed.Worker = counted(tally)
    if role == "unpaced":
        _send_unpaced()
    watch = asyncio.create_task(tally.watch())
    try:
        await (compose.serve_role(config, "worker") if role == "worker" else compose.serve_dev(config))
    finally:
        watch.cancel()


def _send_unpaced() -> None:
    from connectors.slack.channel import SlackChannel

    unlimited = RateLimit(100_000, 100_000)
    SlackChannel.policy = replace(SlackChannel.policy, pace=unlimited, contact_pace=unlimited)


@dataclass(frozen=True, slots=True)
class BareLoop:
    """Consume, two scripts, produce: what any worker of this shape has to do, and nothing else."""

    bootstrap: str
    redis_url: str
    prefix: str
    tally: Tally

    BEGIN = (
        "redis.call('HINCRBY',KEYS[1],'token',1) redis.call('ZADD',KEYS[2],1,ARGV[1]) "
        "return redis.call('HMGET',KEYS[1],'version','facts')"
    )
    COMMIT = (
        "redis.call('HINCRBY',KEYS[1],'version',1) redis.call('HSET',KEYS[1],'facts',ARGV[1]) "
        "redis.call('EXPIRE',KEYS[2],691200) return 1"
    )

    async def run(self) -> None:
        from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
        from redis.asyncio import BlockingConnectionPool, Redis

        redis = Redis(connection_pool=BlockingConnectionPool.from_url(self.redis_url, max_connections=64, timeout=60))
        scripts = redis.register_script(self.BEGIN), redis.register_script(self.COMMIT)
        settings = {"bootstrap_servers": self.bootstrap}
        producer = AIOKafkaProducer(acks="all", enable_idempotence=True, **settings)
        group = {"group_id": f"{self.prefix}bare", "enable_auto_commit": False, "auto_offset_reset": "earliest"}
        consumer = AIOKafkaConsumer(f"{self.prefix}parley.inbound.web", **group, **settings)
        await producer.start()
        await consumer.start()

        async def one(record: Any) -> None:
            key = f"{self.prefix}bare:{record.key.decode()}"
            await scripts[0](keys=[key, key + ":h"], args=[record.offset])
            await scripts[1](keys=[key, key + ":h"], args=[record.value])
            topic = f"{self.prefix}parley.outbound.web"
            await producer.send_and_wait(topic, record.value, record.key, headers=list(record.headers))
            self.tally.add(1)

        while True:
            fetched = await consumer.getmany(timeout_ms=100, max_records=500)
            records = [record for some in fetched.values() for record in some]
            if records:
                self.tally.begin()
                await asyncio.gather(*(one(record) for record in records))
                await consumer.commit()


async def main(port: int, config_path: Path, role: str, seconds: float, count: int) -> None:
    tally = Tally(count)
    if role != "bare":
        return await parley(config_path, port, role, seconds, tally)
    from gateway.config.loader import load

    config = load(config_path)
    await BareLoop(config.bus.removeprefix("kafka://"), config.state, config.topic_prefix, tally).run()


def result_of(log: Path) -> dict[str, Any] | None:
    """What a process has printed, once it has."""
    for line in log.read_text(errors="replace").splitlines():
        if line.startswith("RESULT "):
            found: dict[str, Any] = json.loads(line.removeprefix("RESULT "))
            return found
    return None


if __name__ == "__main__":
    # Cached, as in production: making a logger anew takes longer than everything that a turn logs.
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR), cache_logger_on_first_use=True
    )
    port, config, role, seconds, count = sys.argv[1:]
    asyncio.run(main(int(port), Path(config), role, float(seconds), int(count)))
