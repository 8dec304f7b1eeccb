"""kill -9 around an action, on both engines: nothing is done twice, and whoever asked hears what came of it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import redis.asyncio
import yaml

from infra.deploy.local_redis import LocalRedis
from tests.harness.chat_client import Contact
from tests.harness.installation import Installation
from tests.harness.processes import ForkServer
from tests.harness.sizes import FULL, size
from tests.simulators.payments import Mood, PaymentService, open_payments

ROUNDS = size(1, full=10)
"""How often the cells are gone through."""
SIDE_BY_SIDE = range(int(os.environ.get("TEST_ACTION_INSTALLATIONS", "1")))
"""Installations that are gone through beside each other, with pytest's ``--numprocesses``."""
LONGEST = size(240, full=1_440)
OBEY = {"TEST_OBEY": "1"}
DONE, LOST, NOT_DONE = "Done.", "A colleague will check", "nothing was changed"
CELLS: list[tuple[str, Mood, str]] = [
    ("worker.after_begin", "well", DONE),
    ("worker.after_intent", "well", NOT_DONE),
    ("worker.after_action", "well", DONE),
    ("worker.after_action", "slow_after", DONE),
    ("worker.after_commit", "well", DONE),
    ("worker.after_publish", "error_after", DONE),
]
"""Where the worker dies after the yes, how the till behaves, and what the contact hears in the end."""
CHOSEN = CELLS if FULL else [CELLS[1], CELLS[3], CELLS[5]]


def configure(installation: Installation, payments: PaymentService) -> None:
    """A refund that anybody may have, after a yes."""
    config: dict[str, Any] = yaml.safe_load(installation.config.read_text())
    config["tenants"]["plantstore"]["actions"] = {
        "settle_seconds": 0.5,
        "http": {
            "refund": {
                "description": "Pay money back.",
                "url": f"{payments.url}/refunds",
                "parameters": {"order": {}, "amount": {"type": "amount"}},
                "needs": "anonymous",
                "timeout": 0.5,
                "look_up": {"url": f"{payments.url}/refunds/{{key}}", "absent": "not_done"},
            }
        },
    }
    installation.config.write_text(yaml.safe_dump(config))


@asynccontextmanager
async def acting(installation: Installation) -> AsyncIterator[tuple[PaymentService, aiohttp.ClientSession]]:
    async with open_payments() as payments, aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
        # A provider that keeps no keys: whatever is asked twice would be done twice.
        payments.honours = False
        configure(installation, payments)
        await installation.prepare()
        await installation.start(env=OBEY)
        yield payments, http
        await installation.stop()


async def asked(contact: Contact) -> dict[str, Any]:
    """The question that the contact is asked, with its choices."""
    await contact.open()
    said = await contact.say(f'refund {{"order": "{contact.name}", "amount": "5.00"}}')
    line = await contact.answered(said.message_id)
    assert [choice["label"] for choice in line["choices"]] == ["Yes, go ahead", "No, leave it"]
    return line


async def agree(contact: Contact, question: dict[str, Any]) -> str:
    choice = {"in_reply_to": question["id"], "id": question["choices"][0]["id"]}
    return (await contact.say("Yes, go ahead", choice=choice)).message_id


async def heard(contact: Contact, words: str) -> list[str]:
    """All that was said to the contact since the question, up to these words."""
    after, said = 0, list[str]()
    while True:
        for line in await contact.transcript(after, wait=5):
            after = line["seq"]
            if line["author"]["kind"] != "contact":
                said.append(line["text"])
                if words in line["text"]:
                    return said[1:]


@asynccontextmanager
async def dying(installation: Installation, point: str, between: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """The worker dies at this point in what the block begins, and starts again healthy."""
    role = "worker" if installation.scaled else "dev"
    await installation.roles[role].stop()
    await installation.start(role, env=OBEY | {"PARLEY_CRASH_AT": point})
    yield
    status = await asyncio.wait_for(asyncio.shield(installation.roles[role].exited), 90)
    assert status == -9, f"{point} was not reached: {installation.roles[role].tail()}"
    await between()
    await installation.start(role, env=OBEY)


async def nothing() -> None:
    """Happens between death and start, mostly."""


async def torment(
    installation: Installation,
    cells: Sequence[tuple[str, Mood, str]],
    between: Callable[[], Awaitable[None]] = nothing,
) -> None:
    async with acting(installation) as (payments, http):
        for nth in range(ROUNDS):
            for number, (point, mood, end) in enumerate(cells):
                begun = time.monotonic()
                contact = Contact(installation.base, http, f"o{nth}-{number}")
                question = await asked(contact)
                payments.moods = [mood]
                async with dying(installation, point, between):
                    # Where everything is one process, it may be gone before it has said that it took the yes: whoever
                    # was not answered says it again once it is back.
                    agreed = asyncio.create_task(agree(contact, question))
                await agreed
                told = await heard(contact, end)
                assert len(told) <= 2, f"{point}, {mood}: {told}"
                effects = sum(each["order"] == contact.name for each in payments.done)
                assert effects == (end == DONE), f"{point}, {mood}: done {effects} times"
                await agree(contact, question)
                await heard(contact, "no longer open")
                print(f"{point}, {mood}: {time.monotonic() - begun:.1f} s, {told}")
        assert max(payments.effects().values()) == 1


@pytest.mark.parametrize("nth", SIDE_BY_SIDE)
@pytest.mark.timeout(LONGEST)
async def test_embedded_does_each_action_once_over_kills(fork_server: ForkServer, tmp_path: Path, nth: int) -> None:
    await torment(Installation.make(fork_server, tmp_path), CHOSEN)


@pytest.mark.scaled
@pytest.mark.parametrize("nth", SIDE_BY_SIDE)
@pytest.mark.timeout(LONGEST)
async def test_kafka_and_redis_do_each_action_once_over_kills(
    fork_server: ForkServer, tmp_path: Path, kafka_bootstrap: str, redis_url: str, topic_prefix: str, nth: int
) -> None:
    installation = Installation.make(fork_server, tmp_path, kafka=kafka_bootstrap, redis=redis_url, prefix=topic_prefix)
    await torment(installation, CHOSEN)


@pytest.mark.scaled
@pytest.mark.timeout(LONGEST)
async def test_an_action_in_doubt_survives_the_loss_of_redis(
    fork_server: ForkServer, tmp_path: Path, kafka_bootstrap: str, stoppable_redis: LocalRedis, topic_prefix: str
) -> None:
    """The worker dies right after the call, and Redis loses all it knew: the log alone says that it was begun."""
    installation = Installation.make(
        fork_server, tmp_path, kafka=kafka_bootstrap, redis=stoppable_redis.url, prefix=topic_prefix
    )

    async def flush() -> None:
        async with redis.asyncio.from_url(stoppable_redis.url) as client:
            await client.flushall()

    await torment(installation, [("worker.after_action", "well", DONE)], flush)
