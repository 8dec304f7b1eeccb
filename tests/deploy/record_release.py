"""Records what a release leaves behind when it is killed in the middle of its work: data for `test_migration.py`.

Run from a checkout of that release, with this file copied into it::

    python -m tests.deploy.record_release TARGET

``TARGET/data.tar.xz`` is an embedded data folder, ``TARGET/redis.json`` the keys of a Redis. Both hold answered
conversations, an open question, an approval that nobody gave yet, a conversation for people, a dead letter, an action
in doubt, parked records, and messages that were accepted and never answered.
"""

from __future__ import annotations

import asyncio
import base64
import json
import lzma
import os
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from tests.harness.chat_client import Contact
from tests.harness.installation import QUESTIONS, Installation
from tests.harness.processes import ForkServer
from tests.simulators.payments import open_payments

OBEY = {"TEST_OBEY": "1"}
GROUP, TOPIC = "parley.worker.web", "parley.inbound.web"


def configure_actions(installation: Installation, payments: str, *, patience: float = 30) -> None:
    """A refund that is asked about, and above 50 approved; bookshop waits so many seconds before it answers."""
    config: dict[str, Any] = yaml.safe_load(installation.config.read_text())
    config["tenants"]["plantstore"]["actions"] = {
        "settle_seconds": 0.5,
        "http": {
            "refund": {
                "description": "Pay money back.",
                "url": f"{payments}/refunds",
                "parameters": {"order": {}, "amount": {"type": "amount"}},
                "needs": "anonymous",
                "timeout": 0.5,
                "approve": {"parameter": "amount", "above": 50},
                "look_up": {"url": f"{payments}/refunds/{{key}}", "absent": "not_done"},
            }
        },
    }
    config["tenants"]["bookshop"]["fold"] = {"web": patience, "longest": 60}
    installation.config.write_text(yaml.safe_dump(config))


async def lived(folder: Path, fork_server: ForkServer) -> dict[str, Any]:
    installation = Installation.make(fork_server, folder)
    async with open_payments() as payments, aiohttp.ClientSession() as http:
        configure_actions(installation, payments.url)
        await installation.start(env=OBEY)
        people = {name: Contact(installation.base, http, name) for name in ("ann", "bob", "cara", "dan", "eve")}
        late = {name: Contact(installation.base, http, name, tenant="bookshop") for name in ("fay", "gus", "hal")}
        for contact in (*people.values(), *late.values()):
            await contact.open()
        for text in QUESTIONS:
            await answered(people["ann"], text)
        await answered(people["bob"], 'refund {"order": "A-1", "amount": "5.00"}')
        asked = await answered(people["cara"], 'refund {"order": "A-2", "amount": "80.00"}')
        agreed = await people["cara"].say("Yes, go ahead", choice=yes_to(asked))
        await people["cara"].answered(agreed.message_id)
        await answered(people["dan"], QUESTIONS[0])
        about = await installation.admin("GET", f"conversations/{people['dan'].conversation}")
        await installation.admin(
            "POST",
            f"conversations/{people['dan'].conversation}/owner",
            json={"to": "queue", "epoch": about["epoch"]},
        )
        question = await answered(people["eve"], 'refund {"order": "A-3", "amount": "7.00"}')
        await installation.roles["dev"].stop()
        await installation.start(env=OBEY | {"PARLEY_CRASH_AT": "worker.after_action"})
        waiting = {
            name: (await contact.say("Do you have a second edition?")).message_id for name, contact in late.items()
        }
        yes = asyncio.create_task(people["eve"].say("Yes, go ahead", choice=yes_to(question)))
        assert await asyncio.wait_for(installation.roles["dev"].exited, 90) == -9
        yes.cancel()
    everybody = people | late
    return {
        "conversations": {name: contact.conversation for name, contact in everybody.items()},
        "tokens": {name: contact.token for name, contact in everybody.items()},
        "waiting": waiting,
    }


async def answered(contact: Contact, text: str) -> dict[str, Any]:
    said = await contact.say(text)
    return await contact.answered(said.message_id)


def yes_to(question: dict[str, Any]) -> dict[str, str]:
    return {"in_reply_to": question["id"], "id": question["choices"][0]["id"]}


async def set_aside(folder: Path, told: dict[str, Any]) -> None:
    """Park the first unfinished record of one who waits, move the offset past it, add a dead letter; then die."""
    from gateway.config.loader import load
    from gateway.wiring.engines import open_engine
    from schemas.ports import TopicPartition

    now = datetime.now(UTC)
    config = load(folder / "parley.yaml")
    names = {conversation: name for name, conversation in told["conversations"].items() if name in told["waiting"]}
    async with open_engine(config, config.data_path) as engine:
        committed = await engine.bus.committed_offsets(GROUP, TOPIC)
        records = [record async for record in await engine.bus.read(TOPIC)]
        first = next(
            record for record in records if record.key in names and record.offset == committed.get(record.partition, 0)
        )
        await engine.state.parking.park(GROUP, first.key, [first], until=now)
        member = await engine.bus.subscribe([TOPIC], GROUP, SilentListener())
        async with asyncio.timeout(60):
            while not await member.poll(max_records=1, timeout=0.1):
                """Until the partitions are assigned."""
        await member.commit({TopicPartition(TOPIC, first.partition): first.offset + 1})
        await engine.state.dead_letters.add(dead_letter(now))
        await engine.bus.check_ready()
        print(json.dumps({"parked": names[first.key]}), flush=True)
        os._exit(9)


class SilentListener:
    """A member of a group that has nothing to do when partitions come and go."""

    async def on_assigned(self, partitions: Any) -> None: ...

    async def on_revoked(self, partitions: Any) -> None: ...


def dead_letter(now: datetime) -> Any:
    from schemas.conversation import DeadLetter

    return DeadLetter(
        id="letter-1",
        code="undecodable_record",
        reason="not JSON",
        attempts=1,
        topic=TOPIC,
        partition=0,
        offset=10**6,
        tenant="plantstore",
        channel="web",
        value=base64.b64encode(b"not JSON").decode(),
        first_at=now,
        last_at=now,
    )


def packed(data: Path, told: dict[str, Any], target: Path) -> None:
    """Without the index, which is made again, and without what only names the process."""
    (data / "told.json").write_text(json.dumps(told))
    target.mkdir(parents=True, exist_ok=True)
    with lzma.open(target / "data.tar.xz", "wb", preset=9) as out, tarfile.open(fileobj=out, mode="w") as archive:
        for item in sorted(data.iterdir()):
            if item.is_file() and item.name not in ("address", "parley.db.lock", "parley.db-shm"):
                archive.add(item, item.name)
    file = sqlite3.connect(f"file:{data}/parley.db?mode=ro", uri=True)
    for (name,) in file.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
        print(f"{name:28}", file.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0])
    print((target / "data.tar.xz").stat().st_size, "bytes")


async def redis_keys(target: Path) -> None:
    """A call of every operation of every port, then all keys as Redis holds them."""
    from redis.asyncio import Redis

    from infra.deploy.local_redis import LocalRedis
    from infra.state.redis.engine import open_redis_state
    from tests.contracts.state.port_calls import calls_of_all_ports, set_up

    readers = {
        "hash": lambda client, key: client.hgetall(key),
        "zset": lambda client, key: client.zrange(key, 0, -1, withscores=True),
        "set": lambda client, key: client.smembers(key),
        "string": lambda client, key: client.get(key),
        "list": lambda client, key: client.lrange(key, 0, -1),
    }

    def plain(value: Any) -> Any:
        if isinstance(value, bytes):
            return base64.b64encode(value).decode()
        if isinstance(value, dict):
            return [[plain(key), plain(each)] for key, each in value.items()]
        if isinstance(value, list | tuple | set):
            return [plain(each) for each in value]
        return value

    with LocalRedis() as server:
        state = await open_redis_state(server.url)
        await set_up(state)
        for call in calls_of_all_ports(state):
            await call()
        client: Any
        async with Redis.from_url(server.url, protocol=2) as client:
            found = []
            for key in sorted(await client.keys("*")):
                kind = (await client.type(key)).decode()
                found.append(
                    [key.decode(), kind, plain(await readers[kind](client, key)), max(0, await client.ttl(key))]
                )
        await state.close()
    (target / "redis.json").write_text(json.dumps(found, separators=(",", ":")))
    print(len(found), "keys,", (target / "redis.json").stat().st_size, "bytes")


async def main(target: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, fork_server = Path(name), ForkServer()
        await fork_server.start()
        try:
            told = await lived(folder, fork_server)
        finally:
            await fork_server.close()
        (folder / "told.json").write_text(json.dumps(told))
        aside = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "tests.deploy.record_release", "--set-aside", name],
            capture_output=True,
            text=True,
            check=False,
        )
        assert aside.returncode == 9, aside.stderr
        told |= json.loads(aside.stdout.splitlines()[-1])
        packed(folder / "data", told, target)
    await redis_keys(target)


if __name__ == "__main__":
    if sys.argv[1] == "--set-aside":
        where = Path(sys.argv[2])
        asyncio.run(set_aside(where, json.loads((where / "told.json").read_text())))
    else:
        asyncio.run(main(Path(sys.argv[1]).absolute()))
