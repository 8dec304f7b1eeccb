"""What a flood from one tenant costs another: the time from a message to its answer, alone and beside the flood.

python -m tests.measure.fairness [questions beside the flood]

Prints, asserts nothing. The quiet tenant asks one question after the other. The flood (``tests.measure.torrent``, a
process of its own) keeps thousands of messages of the other tenant waiting on the log for as long as that takes.

On a machine whose processors are all taken everybody is slower, whoever took them. So the same client asks a third
time, with no flood, while processes that have nothing to do with Parley burn as much processor time as each busy
process did during the flood: fair turns cannot be better than that. The hops are read off the log afterwards.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from infra.deploy.local_kafka import LocalKafka
from infra.deploy.local_redis import LocalRedis
from tests.bench.figures import quantile
from tests.bench.machine import about, fdatasync_ms, processor_seconds
from tests.bench.stage import Stage, stage
from tests.harness.client import Contact
from tests.harness.installation import QUESTIONS, Installation
from tests.harness.processes import Process
from tests.measure import burning, hops
from tests.measure.torrent import told

QUIET = "plantstore"
WARM = 20
ALONE = 200
BESIDE = 200


@dataclass
class Asking:
    """Answers of one round. ``accepted`` and ``seen`` are seconds from sending, by message id."""

    sent: dict[str, float] = field(default_factory=dict)
    accepted: list[float] = field(default_factory=list)
    seen: dict[str, float] = field(default_factory=dict)

    def tell(self, what: str) -> None:
        print(f"{what}: {len(self.seen)} answers, {shown(list(self.seen.values()))}")


def shown(seconds: Sequence[float]) -> str:
    p50, p90, p99 = (1000 * quantile(seconds, share) for share in (0.5, 0.9, 0.99))
    return f"p50 {p50:.0f} ms, p90 {p90:.0f}, p99 {p99:.0f}"


async def ask(contact: Contact, times: int) -> Asking:
    """One question after the other, each from sending to seeing the answer."""
    asking = Asking()
    for _ in range(times):
        at, begun = time.time(), time.perf_counter()
        said = await contact.say(QUESTIONS[len(contact.sent) % len(QUESTIONS)])
        asking.accepted.append(time.perf_counter() - begun)
        asking.sent[said.message_id] = at
        after = said.seq
        while said.message_id not in asking.seen:
            for line in await contact.transcript(after, wait=5):
                after = line["seq"]
                if line["in_reply_to"] == said.message_id:
                    asking.seen[said.message_id] = time.perf_counter() - begun
    return asking


@contextmanager
def processor(what: str, pids: Mapping[str, int]) -> Iterator[dict[str, float]]:
    """What each process took of one core meanwhile; prints it, with how much of the time it waited for a core."""
    shares: dict[str, float] = {}
    begun, before = time.perf_counter(), {name: used(pid) for name, pid in pids.items()}
    yield shares
    seconds, told = time.perf_counter() - begun, []
    for name, pid in pids.items():
        took, waited = (now - then for now, then in zip(used(pid), before[name], strict=True))
        shares[name] = took / seconds
        told.append(f"{name} {took / seconds:.2f} ({waited / seconds:.2f})")
    print(f"{what}: cores taken (and waited for): {', '.join(told)}")


def used(pid: int) -> tuple[float, float]:
    """Seconds that the threads of a process ran, and that they could have run but other work had the cores (Linux)."""
    waited = [int(task.read_text().split()[1]) for task in Path(f"/proc/{pid}/task").glob("*/schedstat")]
    return processor_seconds(pid), sum(waited) / 1e9


async def beside(
    scene: Stage, parley: Installation, contact: Contact, pids: Mapping[str, int], times: int
) -> tuple[Asking, dict[str, float]]:
    """Ask while the flood is handled; prints what handling it took. Also what each process took of one core."""
    torrent = await scene.program("tests.measure.torrent", str(parley.config))
    await until_told(torrent, "waiting")
    before = told(torrent.log)["handled"]
    begun = time.perf_counter()
    with processor("beside the flood", {**pids, "torrent": torrent.pid}) as shares:
        asking = await ask(contact, times)
    seconds = time.perf_counter() - begun
    print(f"flood: {(told(torrent.log)['handled'] - before) / seconds:.0f} messages handled a second, {seconds:.0f} s")
    await tell_disk(scene.folder)
    await torrent.kill()
    return asking, shares


async def tell_disk(folder: Path) -> None:
    """Redis waits for it before it answers, whoever asked."""
    p50, p99 = await asyncio.to_thread(fdatasync_ms, folder)
    print(f"fdatasync on the same disk: p50 {p50:.1f} ms, p99 {p99:.1f} ms")


async def until_told(torrent: Process, what: str) -> None:
    async with asyncio.timeout(60):
        while what not in told(torrent.log):
            assert torrent.alive, torrent.tail()
            await asyncio.sleep(0.05)


async def settled(parley: Installation) -> None:
    """Until what is left of the flood is handled and sent."""
    async with asyncio.timeout(120):
        for group in ("worker", "sender", "receipts"):
            await hops.done(parley, group)


async def measure(scene: Stage, pids: dict[str, int], times: int) -> None:
    parley = await scene.installation(scaled=True)
    await parley.start()
    await parley.put_documents()
    pids |= {role: process.pid for role, process in parley.roles.items()}
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=120)) as http:
        contact = Contact(parley.base, http, "quiet", tenant=QUIET)
        await contact.open()
        await ask(contact, WARM)
        with processor("alone", pids) as idle:
            first = await ask(contact, ALONE)
        await tell_disk(scene.folder)
        crowded, shares = await beside(scene, parley, contact, pids, times)
        await settled(parley)
        burnt = [share - idle.get(name, 0.0) for name, share in shares.items()]
        with burning.processes(burnt), processor("beside unrelated work", pids):
            floor = await ask(contact, times)
    first.tell("alone")
    crowded.tell("beside the flood")
    floor.tell("beside as much unrelated work")
    for name, asking in (("alone", first), ("flood", crowded), ("unrelated", floor)):
        print(f"{name}: until accepted {shown(asking.accepted)}")
        for hop, seconds in (await hops.of(parley, contact.conversation, asking.sent, asking.seen)).items():
            print(f"  {hop}: {shown(seconds)}")
    for share in (0.5, 0.9, 0.99):
        calm, flooded, busy = (quantile(list(asking.seen.values()), share) for asking in (first, crowded, floor))
        print(
            f"ratio of p{100 * share:.0f} to alone: flood {flooded / calm:.2f}, unrelated work {busy / calm:.2f}; "
            f"flood to unrelated work {flooded / busy:.2f}"
        )


async def main(times: int) -> None:
    with ExitStack() as servers, tempfile.TemporaryDirectory() as folder:
        kafka, redis = LocalKafka(bench=True), LocalRedis()
        for server in (kafka, redis):
            servers.callback(server.close)
            server.start()
        pids = {"kafka": kafka.pid or 0, "redis": redis.pid or 0}
        print(json.dumps(about()))
        async with stage(Path(folder), kafka=kafka.bootstrap, redis=redis.url) as scene:
            await measure(scene, pids, times)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else BESIDE))
