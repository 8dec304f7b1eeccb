"""The embedded file is damaged, or cannot be written: told by /readyz, and mended, while the process runs."""

from __future__ import annotations

import json
import resource
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from infra.state.sqlite.recovery.repair import CHECKED_BYTES
from tests.harness.chat_client import Contact
from tests.harness.contract_client import wait_for
from tests.harness.installation import QUESTIONS, Installation
from tests.harness.page_damage import damage, leaves
from tests.harness.processes import ForkServer

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
async def parley(fork_server: ForkServer, tmp_path: Path) -> AsyncIterator[Installation]:
    made = Installation.make(fork_server, tmp_path)
    await made.start()
    yield made
    await made.stop()


def file_of(parley: Installation) -> Path:
    return parley.folder / "data/parley.db"


def pad(file: Path) -> None:
    """Larger than what is checked before a start."""
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute("CREATE TABLE padding (bytes BLOB)")
        database.execute("INSERT INTO padding VALUES (zeroblob(?))", (CHECKED_BYTES + (6 << 20),))
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


async def readiness(parley: Installation) -> tuple[int, dict[str, str]]:
    async with aiohttp.ClientSession() as http, http.get(f"{parley.base}/readyz") as answer:
        return answer.status, (await answer.json())["parts"]


@asynccontextmanager
async def people(parley: Installation, count: int) -> AsyncIterator[list[Contact]]:
    async with aiohttp.ClientSession() as http:
        contacts = [Contact(parley.base, http, f"c{n}") for n in range(count)]
        for contact in contacts:
            await contact.open()
            for question in QUESTIONS[:2]:
                await contact.answered((await contact.say(question)).message_id)
        yield contacts


async def said(contact: Contact) -> list[dict[str, Any]]:
    """All but the state: of what contacts say the log tells more of it (answered) than a turn writes down."""
    return [{name: value for name, value in line.items() if name != "state"} for line in await contact.transcript()]


async def test_a_damaged_page_of_a_large_file_is_mended_while_it_is_served(parley: Installation) -> None:
    """Conversations, transcripts and the admin list are as before; it says so in the log, and is ready again."""
    async with people(parley, 12) as contacts:
        before = [await said(contact) for contact in contacts]
        await parley.stop()
        file = file_of(parley)
        pad(file)
        for name in ("state_conversations", "state_transcript", "state_conversations_recent"):
            damage(file, leaves(file, name)[0])
        await parley.start(flags=["--log-level", "info"])

        async def is_mended() -> bool:
            lines = parley.roles["dev"].log.read_text().splitlines()
            logged = [json.loads(line) for line in lines if line.startswith("{")]
            mended = {line["table"] for line in logged if line["event"] == "database.mended"}
            return mended == {"state_conversations", "state_transcript"} and (await readiness(parley))[0] == 200

        await wait_for(is_mended)
        assert [await said(contact) for contact in contacts] == before
        listed = {item["id"] for item in (await parley.admin("GET", "conversations?limit=100"))["items"]}
        assert listed == {contact.conversation for contact in contacts}
        for contact in contacts:
            assert await contact.answered((await contact.say(QUESTIONS[2])).message_id)


async def test_a_damaged_log_ends_the_process_with_what_to_do(parley: Installation) -> None:
    async with people(parley, 12):
        await parley.stop()
    file = file_of(parley)
    pad(file)
    damage(file, leaves(file, "bus_records")[1])
    await parley.start(wait=False)
    assert await parley.roles["dev"].exited == 2
    assert "parley state salvage" in parley.roles["dev"].tail()
    saved = parley.folder / "saved"
    assert "bus_records" in await parley.run("state", "salvage", str(saved))
    file.parent.rename(parley.folder / "damaged")
    saved.rename(file.parent)
    await parley.start()


async def test_readyz_says_when_nothing_can_be_written_and_when_it_can_again(parley: Installation) -> None:
    """No file of the process may grow: every write fails, and reads go on."""
    pid, forever = parley.roles["dev"].pid, resource.RLIM_INFINITY
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, forever))

    async def ill() -> dict[str, Any]:
        status, parts = await readiness(parley)
        return parts if status == 503 else {}

    async def well() -> bool:
        return (await readiness(parley))[0] == 200

    assert "could not be written" in (await wait_for(ill))["bus"]
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (forever, forever))
    await wait_for(well)
