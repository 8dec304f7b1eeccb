"""A day of WhatsApp customers at scale 1:100: the rate of each moment is the real one, but the day lasts a hundredth.

python -m tests.measure.day_load [--messages-a-day 1000000] [--share 1.0]

The example shop's documents, the sentence encoder and the ``local`` model answer on Kafka and Redis, with one edge, one
worker and one process of connectors; every answer comes back as sent, delivered and read. ``--share``: run only so much
of the day, around its peak. Prints the processor time of a message in each process, and what it leaves in Redis and
Kafka, for "Sizing" in docs/operations.md, and ends with 1 when a message was not answered exactly once.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import accumulate, cycle
from pathlib import Path

import yaml
from redis.asyncio import Redis

from infra.deploy.local_kafka import LocalKafka
from infra.deploy.local_redis import LocalRedis
from infra.deploy.process import free_port
from tests.bench import meta_customers
from tests.bench.machine import processor_seconds
from tests.bench.setup import Stage, stage, tenants
from tests.bench.whatsapp import ACCOUNT
from tests.harness.installation import Installation
from tests.harness.processes import ROOT
from tests.simulators.meta import WhatsApp

DAY_S, SCALE = 86_400, 100
HOURS = (3, 2, 1, 1, 1, 2, 4, 8, 12, 15, 17, 17, 16, 15, 15, 16, 16, 16, 17, 18, 17, 13, 9, 5)
"""Messages of each hour, as shares: the evening has the peak, at 1.7 times the mean."""
MESSAGES_OF_A_PERSON = 4
PATIENCE_S = 120.0
IDLE_S, IDLE_SHARE = 3.0, 0.3
"""Processes that take less than this share of a core for so long have started."""


def due_times(count: int, seconds: float, hours: Sequence[int] = HOURS) -> Iterator[float]:
    """When each message is due, evenly within an hour of the curve."""
    ends = list(accumulate(hours))
    for number in range(count):
        place = number / count * ends[-1]
        hour = next(n for n, end in enumerate(ends) if place < end)
        yield (hour + (place - (ends[hour] - hours[hour])) / hours[hour]) * seconds / len(hours)


def around_peak(share: float) -> Sequence[int]:
    """The hours of this share of the day, around the busiest."""
    length, peak = max(1, round(len(HOURS) * share)), HOURS.index(max(HOURS))
    first = min(max(0, peak - length // 2), len(HOURS) - length)
    return HOURS[first : first + length]


def read_questions() -> list[str]:
    cases = yaml.safe_load((ROOT / "examples" / "plantstore" / "questions.yaml").read_text(encoding="utf-8"))["cases"]
    return [case["question"] for case in cases if case["kind"] == "plain"]


async def write_all(vendor: WhatsApp, due: Sequence[float], people: int) -> list[float]:
    """Write each message when it is due; returns the seconds by which each was late."""
    begun, late = time.perf_counter(), []
    for number, (at, text) in enumerate(zip(due, cycle(read_questions()))):
        await asyncio.sleep(max(0.0, begun + at - time.perf_counter()))
        late.append(time.perf_counter() - begun - at)
        await vendor.say(f"contact {number % people}", text)
    return late


async def memory_of(redis: LocalRedis) -> int:
    client = Redis.from_url(redis.url)
    used: int = (await client.info("memory"))["used_memory"]
    await client.aclose()
    return used


def folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


class DayLoad:
    def __init__(self, kafka: LocalKafka, redis: LocalRedis, installation: Installation) -> None:
        self._kafka, self._redis = kafka, redis
        self._installation = installation

    def _seconds(self) -> dict[str, float]:
        pids = {name: role.pid for name, role in self._installation.roles.items()}
        servers = {"kafka": self._kafka.pid, "redis": self._redis.pid}
        return {name: processor_seconds(pid) for name, pid in {**pids, **servers}.items() if pid is not None}

    async def wait_until_idle(self) -> None:
        """The first start reads and embeds the documents, which takes half a minute."""
        used = sum(self._seconds().values())
        while True:
            await asyncio.sleep(IDLE_S)
            before, used = used, sum(self._seconds().values())
            if used - before < IDLE_SHARE * IDLE_S:
                return

    async def run(self, vendor: WhatsApp, due: Sequence[float]) -> bool:
        """Write the messages, wait for the answers, and print. Returns whether each was answered once."""
        people = max(1, len(due) // MESSAGES_OF_A_PERSON)
        memory, disk = await memory_of(self._redis), folder_bytes(self._kafka.data_dir)
        before = self._seconds()
        begun = time.perf_counter()
        late = await write_all(vendor, due, people)
        wrote = time.perf_counter()
        await vendor.ledger.until(lambda: len(vendor.ledger.shown) >= len(due), deadline=PATIENCE_S)
        await vendor.settled(deadline=PATIENCE_S)
        used = {name: after - before[name] for name, after in self._seconds().items()}
        wrong, count = meta_customers.wrong_screens(vendor, len(due), people), len(due)
        print(f"{count} messages of {people} people in {wrote - begun:.0f} s; late by at most {max(late):.2f} s")
        print(f"message to visible answer, ms: {meta_customers.waits(vendor, begun)}; not answered once: {wrong}")
        for name, seconds in used.items():
            print(f"{name:12} {1000 * seconds / count:6.2f} ms of processor time a message")
        redis_kb = (await memory_of(self._redis) - memory) / 1024
        kafka_kb = (folder_bytes(self._kafka.data_dir) - disk) / 1024
        print(f"redis {redis_kb / people:.1f} KB a conversation; kafka {kafka_kb / count:.1f} KB a message, one copy")
        return wrong == 0


async def measure(messages_a_day: int, share: float) -> bool:
    hours = around_peak(share)
    seconds = DAY_S / SCALE * len(hours) / len(HOURS)
    due = list(due_times(round(messages_a_day / SCALE * sum(hours) / sum(HOURS)), seconds, hours))
    with LocalKafka(bench=True) as kafka, LocalRedis() as redis, tempfile.TemporaryDirectory() as folder:
        async with stage(Path(folder), kafka=kafka.bootstrap, redis=redis.url) as around:
            at = free_port()
            vendor = meta_customers.vendor_at(at)
            installation = await install(around, vendor)
            vendor.call(f"{installation.base}/v1/webhooks/whatsapp/plantstore/{ACCOUNT}")
            async with vendor.serving(at):
                await installation.start(flags=["--log-level", "error"])
                day = DayLoad(kafka, redis, installation)
                await day.wait_until_idle()
                return await day.run(vendor, due)


async def install(around: Stage, vendor: WhatsApp) -> Installation:
    account = vendor.settings() | {"per_second": meta_customers.UPGRADED}
    knowledge = {"paths": [str(ROOT / "examples" / "plantstore" / "knowledge")]}
    shop = tenants(0.05, channels={"whatsapp": {ACCOUNT: account}}, knowledge=knowledge)
    return await around.installation(True, tenants=shop, encoder="auto")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages-a-day", type=int, default=1_000_000)
    parser.add_argument("--share", type=float, default=1.0)
    given = parser.parse_args()
    sys.exit(0 if asyncio.run(measure(given.messages_a_day, given.share)) else 1)


if __name__ == "__main__":
    main()
