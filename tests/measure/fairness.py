"""Measures what one tenant's flood costs another: the time from a message to its answer, alone and beside the flood.

python -m tests.measure.fairness [tenant | channel] [rounds]
python -m tests.measure.fairness address | number [seconds] [sqlite | kafka]

``tenant``: another tenant floods the same channel. ``channel``: the same tenant's other channel is flooded, and its
sender does not run. Prints, asserts nothing. The quiet contact asks one question after the other. The flood
(``tests.measure.constant_flood``, a process of its own) keeps thousands of messages waiting on the log for as long as
that takes.

On a machine whose processors are all taken everybody is slower, whoever took them. So the same client also asks with
no flood, while processes that have nothing to do with Parley burn as much processor time as each busy process did
during the flood: fair turns cannot be better than that. The three take turns, round by round, because what else the
machine does changes from minute to minute. The hops are read off the log afterwards.

``address`` and ``number`` run the example shop with its usual limits. ``address``: twelve clients at one address of the
web chat write the longest texts, each in a new session, and visitors of other addresses ask before, meanwhile and
afterwards. ``number``: the same of WhatsApp numbers of customers who write to one of our accounts, while one customer
floods another account, on which others ask. All that was accepted must be answered.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from infra.deploy.local_kafka import LocalKafka
from infra.deploy.local_redis import LocalRedis
from infra.deploy.process import free_port
from tests.bench import meta_customers
from tests.bench.figures import quantile
from tests.bench.machine import describe_machine, fdatasync_ms, processor_seconds
from tests.bench.setup import Stage, stage
from tests.harness.chat_client import Contact
from tests.harness.installation import DOCUMENTS, QUESTIONS, Installation, config_of
from tests.harness.processes import ROOT, Process
from tests.measure import cpu_load, hop_times
from tests.measure.constant_flood import read_last_report
from tests.simulators.meta import WhatsApp
from tests.simulators.meta.whatsapp_state import Number
from tests.simulators.vendor_clock import Bucket

QUIET = "plantstore"
FLOODS = {"tenant": ("bookshop", "web", "main"), "channel": (QUIET, "whatsapp", "meta")}
"""Tenant, channel and account of each."""
ROUNDS = 3
ASKED = 250
"""Questions of one round, in each of the three states."""
APART = 1_000_000
"""Between the numbers of the conversations of two floods."""


@dataclass
class AnswerTimes:
    """Answers in one state. ``accepted`` and ``seen`` are seconds from sending, by message id. ``shares``: what each
    process took of one core, round by round."""

    sent: dict[str, float] = field(default_factory=dict)
    accepted: list[float] = field(default_factory=list)
    seen: dict[str, float] = field(default_factory=dict)
    shares: list[dict[str, float]] = field(default_factory=list)

    def share(self, name: str) -> float:
        return sum(one[name] for one in self.shares) / len(self.shares)


def shown(seconds: Sequence[float]) -> str:
    p50, p90, p99 = (1000 * quantile(seconds, share) for share in (0.5, 0.9, 0.99))
    return f"p50 {p50:.0f} ms, p90 {p90:.0f}, p99 {p99:.0f}"


async def ask(contact: Contact, times: int, asking: AnswerTimes) -> None:
    """One question after the other, each from sending to seeing the answer."""
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


@contextmanager
def processor(asking: AnswerTimes, pids: Mapping[str, int]) -> Iterator[None]:
    """What each process took of one core meanwhile, and with " waited" behind its name how long it waited for one."""
    begun, before = time.perf_counter(), {name: used(pid) for name, pid in pids.items()}
    yield
    seconds = time.perf_counter() - begun
    shares: dict[str, float] = {}
    for name, pid in pids.items():
        took, waited = (now - then for now, then in zip(used(pid), before[name], strict=True))
        shares |= {name: took / seconds, f"{name} waited": waited / seconds}
    asking.shares.append(shares)


def used(pid: int) -> tuple[float, float]:
    """Seconds that the threads of a process ran, and that they could have run but other work had the cores (Linux)."""
    waited = [int(task.read_text().split()[1]) for task in Path(f"/proc/{pid}/task").glob("*/schedstat")]
    return processor_seconds(pid), sum(waited) / 1e9


class Measurement:
    def __init__(self, kind: str, scene: Stage, parley: Installation, contact: Contact, pids: dict[str, int]) -> None:
        self._flood = FLOODS[kind]
        self._scene = scene
        self._parley = parley
        self._contact = contact
        self._pids = pids | {role: process.pid for role, process in parley.roles.items()}
        self._rates: list[float] = []
        self.states = {"alone": AnswerTimes(), "flood": AnswerTimes(), "unrelated": AnswerTimes()}

    async def round(self, number: int) -> None:
        alone, flood, unrelated = self.states.values()
        with processor(alone, self._pids):
            await ask(self._contact, ASKED, alone)
        async with self._flooded(number) as torrent:
            with processor(flood, {**self._pids, "torrent": torrent.pid}):
                await ask(self._contact, ASKED, flood)
        taken, before = flood.shares[-1], alone.shares[-1]
        burnt = [taken[name] - before.get(name, 0.0) for name in taken if "waited" not in name]
        with cpu_load.processes(burnt), processor(unrelated, self._pids):
            await ask(self._contact, ASKED, unrelated)

    @asynccontextmanager
    async def _flooded(self, number: int) -> AsyncIterator[Process]:
        """While so many messages wait that it is a flood; ends when all of them are handled."""
        arguments = (str(self._parley.config), *self._flood, str(number * APART))
        torrent = await self._scene.program("tests.measure.constant_flood", *arguments)
        await until_told(torrent, "waiting")
        begun, before = time.perf_counter(), read_last_report(torrent.log)["handled"]
        yield torrent
        self._rates.append((read_last_report(torrent.log)["handled"] - before) / (time.perf_counter() - begun))
        await torrent.kill()
        async with asyncio.timeout(180):
            await hop_times.done(self._parley, "worker", self._flood[1])
            for group in ("sender", "receipts"):
                await hop_times.done(self._parley, group, "web")
        print(f"round {number}: {self._rates[-1]:.0f} messages of the flood handled a second")

    async def tell(self) -> None:
        for name, asking in self.states.items():
            print(f"{name}: {len(asking.seen)} answers, {shown(list(asking.seen.values()))}")
            cores = [name for name in asking.shares[0] if "waited" not in name]
            taken = (f"{one} {asking.share(one):.2f} ({asking.share(f'{one} waited'):.2f})" for one in cores)
            print(f"  cores taken (and waited for): {', '.join(taken)}")
            found = await hop_times.of(self._parley, self._contact.conversation, asking.sent, asking.seen)
            for hop, seconds in {"until accepted": asking.accepted, **found}.items():
                print(f"  {hop}: {shown(seconds)}")
        print(f"flood: {sum(self._rates) / len(self._rates):.0f} messages handled a second")
        for share in (0.5, 0.9, 0.99):
            calm, flooded, busy = (quantile(list(one.seen.values()), share) for one in self.states.values())
            print(
                f"ratio of p{100 * share:.0f} to alone: flood {flooded / calm:.2f}, unrelated work {busy / calm:.2f}; "
                f"flood to unrelated work {flooded / busy:.2f}"
            )


async def until_told(torrent: Process, what: str) -> None:
    async with asyncio.timeout(60):
        while what not in read_last_report(torrent.log):
            assert torrent.alive, torrent.tail()
            await asyncio.sleep(0.05)


async def put_documents(parley: Installation, tenant: str) -> None:
    """So that the flood's turns have something to search, as the quiet ones have."""
    for name, text in DOCUMENTS.items():
        await parley.admin("PUT", f"knowledge/{name}", tenant=tenant, json={"title": name.title(), "body": text})


def tenants_of(folder: Path) -> dict[str, Any]:
    """The usual two, the quiet one with a number of its own whose vendor nobody asks."""
    tenants: dict[str, Any] = config_of(folder)["tenants"]
    number = dict.fromkeys(("access_token", "app_secret", "verify_token"), "secret")
    tenants[QUIET]["channels"]["whatsapp"] = {"meta": {"provider": "meta", "phone_number_id": "15550100", **number}}
    return tenants


async def measure(kind: str, scene: Stage, servers: dict[str, int], rounds: int) -> None:
    parley = await scene.installation(scaled=True, tenants=tenants_of(scene.folder))
    await parley.start("edge", "worker")
    await parley.start("connectors", flags=("--channels", "web"))
    for tenant in {QUIET, FLOODS[kind][0]}:
        await put_documents(parley, tenant)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=120)) as http:
        contact = Contact(parley.base, http, "quiet", tenant=QUIET)
        await contact.open()
        await ask(contact, ASKED, AnswerTimes())
        measurement = Measurement(kind, scene, parley, contact, servers)
        for number in range(rounds):
            await measurement.round(number)
    await measurement.tell()
    p50, p99 = await asyncio.to_thread(fdatasync_ms, scene.folder)
    print(f"fdatasync on the same disk: p50 {p50:.1f} ms, p99 {p99:.1f} ms")


# ── strangers on one channel ─────────────────────────────────────────────────────────────────────────────────────────

WRITERS, ASKERS, FLOOD_PER_S = 12, 20, 50.0
LONG, SHORT = "日" * 7_990, "Do you ship in winter?"
DRAINED_WITHIN = 900


class WebVisitors:
    def __init__(self, base: str) -> None:
        self._base = base
        self._accepted: list[Contact] = []
        self._refused = 0

    def http(self, address: str) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(local_addr=(address, 0), limit=0)
        return aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=120))

    async def ask(self, number: int) -> None:
        async with self.http(f"127.0.1.{number % 250 + 1}") as http:
            contact = Contact(self._base, http, f"asker-{number}")
            await contact.open()
            await contact.answered((await contact.say(SHORT)).message_id, deadline=DRAINED_WITHIN)

    async def flood(self, until: float) -> None:
        async with self.http("127.0.0.1") as http:
            while time.perf_counter() < until:
                contact = Contact(self._base, http, "flood")
                with suppress(TimeoutError):
                    async with asyncio.timeout(until - time.perf_counter()):
                        await contact.open()
                        await contact.say(LONG)
                self._refused += contact.refusals.get(429, 0)
                self._accepted += [contact] if contact.sent else []

    async def count_unanswered(self) -> tuple[int, int]:
        """Of so many accepted messages of the flood."""
        unanswered = 0
        async with self.http("127.0.0.2") as http:
            for contact in self._accepted:
                contact.http = http
                lines = await contact.transcript()
                unanswered += all(line["author"]["kind"] == "contact" for line in lines)
        print(f"flood: {len(self._accepted)} messages accepted, {self._refused} refused with 429")
        return unanswered, len(self._accepted)


class WhatsAppCustomers:
    AT_ONCE = 100
    """Webhooks that wait for an answer, as with a vendor."""

    def __init__(self, vendor: WhatsApp, quiet: Number) -> None:
        self._vendor = vendor
        self._quiet = quiet
        self._written = 0
        self._times = meta_customers.WebhookTimes()
        self._sender = self._times.webhook_sender(vendor.graph.pace)
        vendor.graph.webhooks.webhook_sender = self._sender

    async def ask(self, number: int) -> None:
        place = self._vendor.place(f"asker {number}")
        self._vendor.says(f"asker {number}", SHORT, number=self._quiet)
        ledger = self._vendor.ledger
        await ledger.until(lambda: any(shown.place == place for shown in ledger.shown), deadline=DRAINED_WITHIN)

    async def flood(self, until: float) -> None:
        while time.perf_counter() < until:
            self._written += 1
            # Every twelfth message comes from the same customer, to the account that the others ask.
            if self._written % WRITERS:
                self._vendor.says(f"flood {self._written}", LONG[:4_000])
            else:
                self._vendor.says("flood", LONG[:4_000], number=self._quiet)
            while len(self._sender.sent) - self._times.outcomes[200] >= self.AT_ONCE:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            await asyncio.sleep(WRITERS / FLOOD_PER_S)

    async def count_unanswered(self) -> tuple[int, int]:
        answered = {shown.place for shown in self._vendor.ledger.shown}
        wrote = {message.customer.place for message in self._vendor.messages.values() if not message.outbound}
        print(f"flood: {self._written} messages")
        return len(wrote - answered), len(wrote)


async def take_time(strangers: WebVisitors | WhatsAppCustomers, state: str, first: int) -> None:
    taken: list[float] = []

    async def ask(number: int) -> None:
        await asyncio.sleep(0.3 * (number - first))
        begun = time.perf_counter()
        await strangers.ask(number)
        taken.append(time.perf_counter() - begun)

    await asyncio.gather(*(ask(first + number) for number in range(ASKERS)))
    print(f"{state}: {len(taken)} answers, {shown(taken)}, slowest {max(taken):.2f} s", flush=True)


async def measure_strangers(strangers: WebVisitors | WhatsAppCustomers, seconds: float) -> None:
    await take_time(strangers, "warming up", 0)
    await take_time(strangers, "before the flood", ASKERS)
    until = time.perf_counter() + seconds
    flood = asyncio.gather(*(strangers.flood(until) for _ in range(WRITERS)))
    await asyncio.sleep(seconds / 2)
    await take_time(strangers, "during the flood", 2 * ASKERS)
    await flood
    await take_time(strangers, "after the flood", 3 * ASKERS)
    begun = time.perf_counter()
    while (counts := await strangers.count_unanswered())[0] and time.perf_counter() - begun < DRAINED_WITHIN:  # noqa: ASYNC110
        await asyncio.sleep(10)
    print(f"{counts[0]} of {counts[1]} unanswered after {time.perf_counter() - begun:.0f} s more")


async def main_strangers(kind: str, seconds: float, engine: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps({"flood": kind, "engine": engine, **describe_machine()}))
        async with stage(Path(folder)) as scene:
            vendor = meta_customers.vendor_at(free_port())
            numbers = {"loud": vendor.number, "quiet": vendor.add_number("+1 555-0101")}
            for number in numbers.values():
                number.throughput = Bucket(1000, 1 / 1000, vendor.graph.pace.now)
            accounts = {name: vendor.settings(number) for name, number in numbers.items()}
            shop = {
                "name": "Plant store",
                "channels": {"web": {"main": {}}, "whatsapp": accounts},
                "knowledge": {"paths": [str(ROOT / "examples/plantstore/knowledge")]},
            }
            parley = await scene.installation(engine == "kafka", encoder="auto", tenants={"plantstore": shop})
            await parley.start()
            if parley.scaled:
                await parley.run("knowledge", "sync")
            vendor.call(f"{parley.base}/v1/webhooks/whatsapp/plantstore/loud")
            web = WebVisitors(parley.base)
            strangers = web if kind == "address" else WhatsAppCustomers(vendor, numbers["quiet"])
            async with vendor.serving(vendor.graph.port):
                await measure_strangers(strangers, seconds)


async def main(kind: str, rounds: int) -> None:
    with ExitStack() as servers, tempfile.TemporaryDirectory() as folder:
        kafka, redis = LocalKafka(bench=True), LocalRedis()
        for server in (kafka, redis):
            servers.callback(server.close)
            server.start()
        pids = {"kafka": kafka.pid or 0, "redis": redis.pid or 0}
        print(json.dumps({"flood": kind, **describe_machine()}))
        async with stage(Path(folder), kafka=kafka.bootstrap, redis=redis.url) as scene:
            await measure(kind, scene, pids, rounds)


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] not in FLOODS:
        duration, engine = (*sys.argv[2:], *("100", "sqlite")[len(sys.argv) - 2 :])
        asyncio.run(main_strangers(sys.argv[1], float(duration), engine))
        sys.exit()
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "tenant", int(sys.argv[2]) if len(sys.argv) > 2 else ROUNDS))
