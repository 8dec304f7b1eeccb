"""A whole Parley, as an operator would run it: embedded (one process) or scaled (edge, worker, connectors)."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Sequence, Set
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import aiohttp
import yaml

from infra.bus.partitioner import SHARDS
from infra.deploy.process import free_port
from schemas import topics
from schemas.envelope import Envelope
from tests.harness.chat_client import Contact
from tests.harness.checker import Findings, check
from tests.harness.kafka_log import open_kafka_log
from tests.harness.processes import ForkServer, Process

ADMIN_TOKEN = "test-admin-token-of-32-characters"
SECRET_KEY = "test-secret-key-of-32-characters!"
"""As long as the configuration demands."""
UNLIMITED = {
    "inbound_per_s": 1_000_000,
    "address_share": 1,
    "waiting_per_address": 1_000_000,
    "sockets_per_visitor": 100_000,
    "sockets_per_address": 100_000,
}
"""For loads that all come from one machine."""
QUICK_ERASURE = {"TEST_HURRY_ERASURE": "15"}
"""Processes that look every third of a second for erasures, and remember a key of a contact for two seconds."""
DOCUMENTS = {
    "shipping": """# Shipping

## Winter

In winter we add a heat pack to every parcel with tropical plants for 4.50 euro.

## Times

Parcels leave our nursery on Mondays and Tuesdays and arrive within two working days.
""",
    "returns": """# Returns

## Deadline

You can return dry goods such as pots within 30 days of delivery.
""",
    "watering": """# Watering

## Water quality

Use rain water or distilled water; tap water kills carnivorous plants.
""",
}
ALL_SHARDS = frozenset(range(SHARDS))
QUESTIONS = ("Do you add a heat pack in winter?", "How long can I return a pot?", "Can I use tap water?")


def config_of(folder: Path, **changes: Any) -> dict[str, Any]:
    """A small configuration with two tenants; quick folds, so that tests spend their time elsewhere."""
    fold = {"web": 0.05, "others": 0.05}
    tenant = {"channels": {"web": {"main": {"messages_per_minute": 100_000}}}, "knowledge": {"paths": ["knowledge"]}}
    return {
        "data_dir": str(folder / "data"),
        "encoder": "light",
        "secret_key": SECRET_KEY,
        "admin_token": ADMIN_TOKEN,
        "partitions": 3,
        "tenants": {
            "plantstore": {"name": "Plant store", "fold": fold, "limits": UNLIMITED, **tenant},
            "bookshop": {
                "name": "Book shop",
                "fold": fold,
                "limits": UNLIMITED,
                "channels": {"web": {"main": {}}},
            },
        },
        **changes,
    }


@dataclass
class Installation:
    """``roles`` maps a role to its running process; ``kills`` counts what was killed; ``env`` is of all processes."""

    fork_server: ForkServer
    folder: Path
    scaled: bool
    config: Path
    roles: dict[str, Process] = field(default_factory=dict)
    kills: int = 0
    ports: dict[str, int] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)

    @classmethod
    def make(
        cls,
        fork_server: ForkServer,
        folder: Path,
        *,
        kafka: str = "",
        redis: str = "",
        prefix: str = "",
        **changes: Any,
    ) -> Installation:
        knowledge = folder / "knowledge"
        knowledge.mkdir(parents=True, exist_ok=True)
        for name, text in DOCUMENTS.items():
            (knowledge / f"{name}.md").write_text(text)
        if kafka:
            changes |= {"bus": f"kafka://{kafka}", "state": redis, "topic_prefix": prefix}
        path = folder / "parley.yaml"
        path.write_text(yaml.safe_dump(config_of(folder, **changes)))
        return cls(fork_server, folder, bool(kafka), path)

    def build_twin(self, folder: Path) -> Installation:
        """An empty installation with the same configuration, in another folder."""
        folder.mkdir()
        config = yaml.safe_load(self.config.read_text()) | {"data_dir": str(folder / "data")}
        if self.scaled:
            config["topic_prefix"] = f"r-{uuid.uuid4().hex[:8]}."
        path = folder / "parley.yaml"
        path.write_text(yaml.safe_dump(config))
        (folder / "knowledge").symlink_to(self.folder / "knowledge")
        return Installation(self.fork_server, folder, self.scaled, path, env=self.env)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port('edge' if self.scaled else 'dev')}"

    def port(self, role: str) -> int:
        return self.ports.setdefault(role, free_port())

    @property
    def all_roles(self) -> tuple[str, ...]:
        return ("edge", "worker", "connectors") if self.scaled else ("dev",)

    async def start(
        self, *roles: str, env: dict[str, str] | None = None, wait: bool = True, flags: Sequence[str] = ()
    ) -> None:
        """Start roles (all by default), each with these ``flags``, and wait until they are ready. A second process of
        a role has a name of its own: ``worker#2``."""
        for role in roles or self.all_roles:
            command = ["dev"] if role == "dev" else ["run", role.partition("#")[0]]
            args = [*command, "--config", str(self.config), *flags]
            port, log = self.port(role), self.folder / f"{role}.log"
            stable = {"PARLEY_MEMBER": f"{role}-1"} if self.scaled else {}
            self.roles[role] = await self.fork_server.spawn(
                role, args, port=port, log=log, env={**stable, **self.env, **(env or {})}
            )
        if wait:
            for role in roles or self.all_roles:
                await self.roles[role].ready()

    async def run(self, *args: str, env: dict[str, str] | None = None) -> str:
        """One command to its end; its output. Fails on a status other than 0."""
        status, output = await self.command(*args, env=env)
        assert status == 0, f"parley {' '.join(args)} ended with {status}:\n{output}"
        return output

    async def command(self, *args: str, config: bool = True, env: dict[str, str] | None = None) -> tuple[int, str]:
        """One command to its end: its exit status and all it printed. ``config`` names our configuration file."""
        log = self.folder / f"command-{len(list(self.folder.glob('command-*')))}.log"
        whole = [*args, "--config", str(self.config)] if config else [*args]
        process = await self.fork_server.spawn(args[0], whole, port=free_port(), log=log, env=self.env | (env or {}))
        status = await asyncio.wait_for(asyncio.shield(process.exited), 90)
        return status, log.read_text()

    async def prepare(self, env: dict[str, str] | None = None) -> None:
        """Create the topics, as an operator does once on Kafka. With an empty log, an empty store is complete: the
        processes take seconds to find that out, which are for others that may be at work."""
        if self.scaled:
            await self.run("topics", "create", env=env)
            await self._complete_store()

    async def _complete_store(self) -> None:
        from gateway.config.loader import load
        from gateway.wiring.engines import state_location
        from infra.state.registry import load_engine

        config = load(self.config)
        state = await load_engine(config.state).open_state(state_location(config))
        try:
            await state.rebuild.prepare(ALL_SHARDS)
            await state.rebuild.finish(ALL_SHARDS)
        finally:
            await state.close()

    async def kill(self, role: str) -> None:
        status = await self.roles[role].kill()
        assert status == -9
        self.kills += 1

    async def stop(self) -> None:
        for process in self.roles.values():
            if process.alive:
                await process.stop()

    async def admin(
        self, method: str, path: str, *, tenant: str = "plantstore", ok: bool = True, **request: Any
    ) -> Any:
        url = f"{self.base}/v1/admin/{tenant}/{path}"
        async with (
            aiohttp.ClientSession() as http,
            http.request(method, url, headers={"Authorization": f"Bearer {ADMIN_TOKEN}"}, **request) as answer,
        ):
            text = await answer.text()
            assert not ok or answer.status < 300, (answer.status, text)
            return json.loads(text) if text else None

    async def append(self, topic: str, envelopes: Sequence[Envelope]) -> None:
        """Put records on the log behind the processes' backs, also such as no process would write. Embedded, the one
        process is stopped meanwhile: the file is its own."""
        from gateway.config.loader import load
        from gateway.wiring.engines import open_engine

        config = load(self.config)
        if not self.scaled:
            await self.stop()
        async with open_engine(config, config.data_path) as engine:
            await engine.bus.append(envelopes, topic=topic)
        if not self.scaled:
            await self.start()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Self]:
        """All roles run and have the documents until the block ends."""
        await self.prepare()
        await self.start()
        await self.put_documents()
        try:
            yield self
        finally:
            await self.stop()

    async def put_documents(self) -> None:
        for name, text in DOCUMENTS.items():
            await self.admin("PUT", f"knowledge/{name}", json={"title": name.title(), "body": text})

    async def turns(self, contact: Contact) -> list[dict[str, Any]]:
        """All turns of a conversation, from the log where there is one: the state store may have lost them."""
        if not self.scaled:
            # Unknown until a worker has begun its first turn.
            about = await self.admin("GET", f"conversations/{contact.conversation}", tenant=contact.tenant, ok=False)
            return list(about.get("turns", []))
        return (await self.logged_turns({contact.conversation})).get(contact.conversation, [])

    async def logged_turns(self, conversations: Set[str]) -> dict[str, list[dict[str, Any]]]:
        """The turns of these conversations that are on the log by now, by conversation. Scaled only."""
        async with open_kafka_log(self.config) as bus:
            records = await bus.read(topics.EVENTS, keys=lambda key: key in conversations)
            completed = [record async for record in records if record.headers["ce_type"] == topics.TURN_COMPLETED]
        # A turn may stand on the log twice: whoever finds an outbox publishes it again, under the same id.
        turns: dict[str, dict[str, dict[str, Any]]] = {}
        for record in completed:
            turn = json.loads(record.value or b"{}")
            turns.setdefault(record.key, {})[turn["id"]] = turn
        return {conversation: list(found.values()) for conversation, found in turns.items()}

    async def findings(self, contacts: list[Contact], *, deadline: float = 60) -> Findings:
        """Wait until every accepted message is in a turn and every reply is shown, then check everything. After the
        deadline the faults that remain are what is returned."""
        until, pause = asyncio.get_running_loop().time() + deadline, 0.1
        while True:
            found = Findings()
            logged = await self.logged_turns({one.conversation for one in contacts}) if self.scaled else {}
            for contact in contacts:
                turns = logged.get(contact.conversation, []) if self.scaled else await self.turns(contact)
                check(contact, await contact.transcript(), turns, found)
            if not found.faults or asyncio.get_running_loop().time() > until:
                return found
            await asyncio.sleep(pause)
            pause = min(1.5 * pause, 0.5)  # each look reads the whole log
