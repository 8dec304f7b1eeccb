"""One run: plant the canaries, erase half of the people under load and kills, and search every byte."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
from aiohttp import web
from redis.asyncio import Redis

from gateway.config.loader import load
from gateway.wiring.engines import open_engine
from infra.deploy.local_kafka import LocalKafka
from infra.deploy.local_redis import LocalRedis
from schemas.envelope import Envelope
from tests import desks
from tests.canaries.byte_search import Findings, make_canary, search
from tests.canaries.people import QUESTION, Person, WebVisitors, make_people
from tests.harness.processes import ForkServer
from tests.scenarios.customers.discord import DiscordCustomers
from tests.scenarios.customers.instagram import InstagramCustomers
from tests.scenarios.customers.slack import SlackCustomers
from tests.scenarios.customers.whatsapp_meta import WhatsAppCustomers
from tests.scenarios.scenario_installation import ScenarioInstallation, ScenarioSettings, stage_of
from tests.simulators.help_desk import HelpDesk

KINDS: tuple[type[Any], ...] = (WebVisitors, SlackCustomers, DiscordCustomers, WhatsAppCustomers, InstagramCustomers)
ENV = {"TEST_DESK": desks.WEBHOOK, "TEST_HURRY": "3", "TEST_OBEY": "1"}
_MOST_PLACES = 20
AT_ONCE = 20
"""People who speak, and erasures that are requested, at the same time."""
PROTECTION = {"PARLEY_BACKUP_PASSPHRASE": "a passphrase of more than a few words", "TEST_SCRYPT_COST": str(1 << 10)}
"""Of the backup. Its passphrase is cheap to try here."""
Say = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """``erased``: of the people; ``kill_every``: seconds between two kills while they are erased, 0 for none;
    ``look_every``: seconds between two looks at what is waited for; ``calm``: seconds in which a message that was
    delivered again would be answered."""

    engine: str
    people: int
    erased: int
    kill_every: float
    seed: int
    rate: float = 4.0
    deadline: float = 1800.0
    look_every: float = 1.0
    calm: float = 5.0


@dataclass
class Report:
    """``found``: canaries of erased people in any byte, by the search, with the files; ``missing``: what the API no
    longer returns of the others; ``readable``: what is found of the others, who were not erased."""

    options: Options
    kills: int = 0
    stores: dict[str, int] = field(default_factory=dict)
    searched: dict[str, dict[str, int]] = field(default_factory=dict)
    found: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    missing: dict[str, list[str]] = field(default_factory=dict)
    readable: dict[str, list[str]] = field(default_factory=dict)
    at_desk: int = 0
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def is_good(self) -> bool:
        return (
            not any(self.found.values()) and not any(self.missing.values()) and not self.readable and not self.at_desk
        )


@dataclass
class CanaryInstallation:
    """``folders``: where everything is that it and its servers write."""

    stage: ScenarioInstallation
    folders: list[Path]
    redis: str = ""

    @property
    def help_desk(self) -> HelpDesk:
        assert self.stage.help_desk is not None
        return self.stage.help_desk

    async def admin(self, method: str, path: str) -> Any:
        """Again, while nobody is there to answer."""
        async with asyncio.timeout(120):
            while True:
                with suppress(aiohttp.ClientError, TimeoutError):
                    found = await self.stage.installation.admin(method, path, ok=False)
                    if (found or {}).get("error", {}).get("code") != "unavailable":
                        return found
                await asyncio.sleep(0.2)

    async def write_out(self, control: str) -> None:
        """Let Redis write all that it holds. ``control``: what a search has to find afterwards."""
        if not self.redis:
            (self.folders[0] / "control").write_text(control, encoding="utf-8")
        else:
            async with Redis.from_url(self.redis) as client:
                await client.set("control", control)
                while (await client.info("persistence"))["aof_rewrite_in_progress"]:  # noqa: ASYNC110
                    await asyncio.sleep(0.2)
                await client.save()

    async def append(self, events: Sequence[tuple[str, Envelope]]) -> None:
        """Put events on the log behind the processes' backs. Embedded, the one process is stopped meanwhile."""
        config = load(self.stage.installation.config)
        if not self.redis:
            await self.stage.installation.stop()
        async with open_engine(config, config.data_path) as engine:
            for topic in sorted({topic for topic, _ in events}):
                await engine.bus.append([event for where, event in events if where == topic], topic=topic)
        if not self.redis:
            await self.stage.start()


async def take_note(request: web.Request) -> web.Response:
    """The endpoint of the action: it returns what it was told."""
    return web.json_response({"noted": (await request.json())["about"]})


@asynccontextmanager
async def open_installation(
    fork_server: ForkServer, engine: str, folder: Path, seed: int, **env: str
) -> AsyncIterator[CanaryInstallation]:
    """``env``: more of the processes' environment."""
    async with AsyncExitStack() as stack:
        folders, servers, redis = [folder], {}, ""
        if engine == "scaled":
            kafka, store = LocalKafka(), LocalRedis()
            for server in (kafka, store):
                stack.callback(server.close)
                await asyncio.to_thread(server.start)
            async with Redis.from_url(store.url) as client:
                await client.config_set("rdbcompression", "no")
            folders, redis = [folder, kafka.home, store.home], store.url
            servers = {"kafka": kafka.bootstrap, "redis": redis, "prefix": f"canaries-{seed}."}
        app = web.Application()
        app.router.add_post("/notes", take_note)
        runner = web.AppRunner(app)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/notes"
        scene = ScenarioSettings(KINDS, lambda _: configure(url), ENV | env, has_help_desk=True)
        there = await stack.enter_async_context(stage_of(fork_server, folder, scene, **servers))
        yield CanaryInstallation(there, folders, redis)


def configure(url: str) -> dict[str, Any]:
    note = {"description": "Note something.", "url": url, "parameters": {"about": {}}, "needs": "anonymous"}
    actions = {"http": {"note": note | {"confirm": False, "harmless": True, "examples": ["note this"]}}}
    return {"desk": {"kind": desks.WEBHOOK, "channel": "support", "undo_seconds": 0.1}, "actions": actions}


class CanaryRun:
    def __init__(self, there: CanaryInstallation, options: Options, say: Say) -> None:
        self._there = there
        self._options = options
        self._say = say
        self._rng = random.Random(options.seed)
        self._people = list(make_people(there.stage.customers, options.people, self._rng))
        self._gone = self._people[: options.erased]
        self._kept = self._people[options.erased :]
        self._backup = there.folders[0] / "backup"
        self._report = Report(options)

    async def run(self) -> Report:
        for name, step in (
            ("plant", self._plant),
            ("back up", self._back_up),
            ("erase", self._erase),
            ("erased", self._search),
            ("redeliver", self._redeliver),
            ("redelivered", self._search),
            ("rebuild", self._rebuild),
            ("rebuilt", self._search),
            ("restore", self._restore),
            ("restored", self._search),
        ):
            begun = time.monotonic()
            await step(name)
            self._report.seconds[name] = round(time.monotonic() - begun, 1)
            self._say(f"{name}: {self._report.seconds[name]} s")
        return self._report

    # ── planting ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _plant(self, _name: str) -> None:
        await self._each(self._people, lambda person: person.speak())
        for customers in self._there.stage.customers:
            await customers.vendor.settled(deadline=self._options.deadline)
        await self._until("everything is answered", self._is_answered)
        await self._until("all are known", self._identify)
        planted = [person.build_event() for person in self._people]
        await self._there.append(planted)
        await self._until("drafts are shown", self._are_drafts_shown)
        await self._until("dead letters are written", self._are_letters_written)

    async def _is_answered(self) -> bool:
        """Whether each person's last message was answered: it names the last canary of a conversation."""
        for person in self._people:
            if not person.conversation:
                about = await self._there.stage.conversation(person.customers, person.name)
                if len([line for line in about.get("transcript", []) if line["author"]["kind"] == "contact"]) < 4:
                    return False
                if about["transcript"][-1]["author"]["kind"] == "contact":
                    return False
                person.conversation = about["id"]
        return True

    async def _identify(self) -> bool:
        """Fill in under which ids the installation knows these people."""
        by_conversation = {person.conversation: person for person in self._people}
        after = ""
        while True:
            page = await self._there.admin("GET", f"contacts?limit=100&after={quote(after)}")
            for item in page["items"]:
                for conversation in (await self._there.admin("GET", f"contacts/{item['id']}"))["conversations"]:
                    if conversation["id"] in by_conversation:
                        by_conversation[conversation["id"]].id = item["id"]
            if not (after := page["next"]):
                break
        return all(person.id for person in self._people)

    async def _are_drafts_shown(self) -> bool:
        shown = "\n".join(post.words for post in self._there.help_desk.posts.values())
        return all(person.canaries[9] in shown for person in self._people if person.has_draft)

    async def _are_letters_written(self) -> bool:
        count, after = 0, ""
        while True:
            page = await self._there.admin("GET", f"deadletters?limit=100&after={quote(after)}")
            count += len(page["items"])
            if not (after := page["next"]):
                return count >= sum(not person.has_draft for person in self._people)

    async def _back_up(self, _name: str) -> None:
        """While everybody is still known."""
        self._backup.mkdir()
        await self._run_command("backup", "create", str(self._backup / "data"), "--keys", str(self._backup / "keys"))

    async def _run_command(self, *command: str) -> None:
        await self._there.stage.installation.run(*command, env=ENV | PROTECTION)

    # ── erasing ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _erase(self, _name: str) -> None:
        over = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._write_on(over))
            group.create_task(self._kill(over))
            try:
                erasures: dict[str, Person] = {}

                async def begin(person: Person) -> None:
                    erasures[(await self._there.admin("DELETE", f"contacts/{person.id}"))["erasure_id"]] = person

                await self._each(self._gone, begin)
                await self._wait_for(erasures)
            finally:
                over.set()
        for customers in self._there.stage.customers:
            await customers.vendor.settled(deadline=120)

    async def _wait_for(self, erasures: dict[str, Person]) -> None:
        left = set(erasures)
        async with asyncio.timeout(self._options.deadline):
            while left:
                for erasure in sorted(left):
                    about = await self._there.admin("GET", f"erasures/{erasure}")
                    if about["state"] == "done":
                        assert about["proof"]
                        for kind, count in about["stores"].items():
                            self._report.stores[kind] = self._report.stores.get(kind, 0) + count
                        left.discard(erasure)
                await asyncio.sleep(self._options.look_every)

    async def _write_on(self, over: asyncio.Event) -> None:
        """The others go on writing."""
        while not over.is_set():
            person = self._rng.choice(self._kept)
            await person.customers.vendor.say(person.name, QUESTION)
            await asyncio.sleep(1 / self._options.rate)

    async def _kill(self, over: asyncio.Event) -> None:
        """One process after the other is killed and started again."""
        installation = self._there.stage.installation
        while self._options.kill_every and not over.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(self._options.kill_every):
                    await over.wait()
                    return
            role = self._rng.choice(installation.all_roles)
            await installation.kill(role)
            await self._there.stage.start(role)
            self._report.kills += 1

    # ── what must hold afterwards ────────────────────────────────────────────────────────────────────────────────────

    async def _search(self, name: str) -> None:
        """Nothing of the erased is in any byte or at the desk, and the API returns all of the others."""
        report = self._report
        report.missing[name] = await self._find_missing()
        control = make_canary(self._rng)
        await self._there.write_out(control)
        found: Findings = await asyncio.to_thread(search, self._there.folders, self._list_places())
        report.found[name] = found.of(canary for person in self._gone for canary in person.canaries)
        kept = found.of(canary for person in self._kept for canary in (*person.canaries, person.place))
        report.searched[name] = {
            "files": found.files,
            "bytes": found.bytes,
            "of_the_others": len(kept),
            "control": len(found.of([control])),
        }
        report.readable |= kept
        shown = "\n".join(f"{post.words} {post.text}" for post in self._there.help_desk.posts.values())
        report.at_desk += sum(canary in shown for person in self._gone for canary in person.canaries)

    def _list_places(self) -> list[str]:
        """Where those are who stay; a few of them, because each costs a search of every byte."""
        return [person.place for person in self._kept[:_MOST_PLACES]]

    async def _find_missing(self) -> list[str]:
        missing: list[str] = []

        async def look(person: Person) -> None:
            about = await self._there.admin("GET", f"conversations/{person.conversation}")
            missing.extend({*person.texts} - person.find_planted(about.get("transcript", [])))

        await self._each(self._kept, look)
        left = [each.id for each in self._gone if "error" not in await self._there.admin("GET", f"contacts/{each.id}")]
        missing += [f"{contact} is still there" for contact in left]
        return missing

    async def _redeliver(self, _name: str) -> None:
        """The vendors deliver again what the erased people said."""
        for person in self._gone:
            with suppress(NotImplementedError):
                for message in person.messages:
                    person.customers.vendor.redeliver(message)
        for customers in self._there.stage.customers:
            await customers.vendor.settled(deadline=self._options.deadline)
        await asyncio.sleep(self._options.calm)

    async def _rebuild(self, _name: str) -> None:
        stage = self._there.stage
        await stage.installation.stop()
        await stage.installation.run("state", "rebuild", "--yes", env=ENV)
        await stage.start()
        await self._until("the state is rebuilt", self._is_rebuilt)

    async def _restore(self, _name: str) -> None:
        """The backup from before the erasures becomes an installation, with the keys of now."""
        stage, keys = self._there.stage, str(self._backup / "keys")
        await self._run_command("backup", "keys", keys)
        await stage.installation.stop()
        twin = stage.installation.build_twin(self._there.folders[0] / "restored")
        twin.ports = stage.installation.ports
        stage.installation = twin
        await self._run_command("backup", "restore", str(self._backup / "data"), "--keys", keys)
        await stage.start()
        await self._until("the backup is restored", self._is_rebuilt)

    async def _is_rebuilt(self) -> bool:
        return not await self._find_missing()

    async def _each(self, people: Sequence[Person], work: Callable[[Person], Any]) -> None:
        slots = asyncio.Semaphore(AT_ONCE)

        async def one(person: Person) -> None:
            async with slots:
                await work(person)

        async with asyncio.TaskGroup() as group:
            for person in people:
                group.create_task(one(person))

    async def _until(self, what: str, true: Callable[[], Any]) -> None:
        begun = time.monotonic()
        while not await true():
            if time.monotonic() - begun > self._options.deadline:
                raise TimeoutError(f"it took too long until {what}")
            await asyncio.sleep(self._options.look_every)
