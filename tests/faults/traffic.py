"""People who keep writing while something breaks, and the check that nothing of theirs was lost or doubled."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from infra.bus.partitioner import partition_of
from tests.faults.faulty_installation import FaultyInstallation
from tests.harness.chat_client import Contact
from tests.harness.checker import Findings
from tests.harness.installation import QUESTIONS, Installation
from tests.harness.sizes import size

PEOPLE = size(4, full=10)
"""Who write four messages a second each."""


@asynccontextmanager
async def open_traffic(installation: Installation, people: int = PEOPLE) -> AsyncIterator[list[Contact]]:
    """So many people, or more: as many as it takes for every partition to have a conversation, so that each process
    that is given one has work. They keep writing until the block ends; each insists until accepted."""
    done = asyncio.Event()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
        contacts: list[Contact] = []
        while len(contacts) < people or len({partition_of(one.conversation, 3) for one in contacts}) < 3:
            contacts.append(Contact(installation.base, http, f"c{len(contacts)}"))
            await contacts[-1].open()

        async def write(contact: Contact) -> None:
            while not done.is_set():
                await contact.say(f"{QUESTIONS[len(contact.sent) % 3]} ({contact.name} {len(contact.sent)})")
                await asyncio.sleep(random.uniform(0.1, 0.4))

        writers = [asyncio.create_task(write(contact)) for contact in contacts]
        try:
            yield contacts
        finally:
            done.set()
            await asyncio.gather(*writers)


async def wait_for_messages(contacts: list[Contact], count: int = 3) -> None:
    """Until every contact has had so many more messages accepted."""
    goal = min(len(contact.sent) for contact in contacts) + count
    async with asyncio.timeout(120):
        while min(len(contact.sent) for contact in contacts) < goal:  # noqa: ASYNC110  # nothing here tells us
            await asyncio.sleep(0.05)


async def check_conversations(installation: Installation, contacts: list[Contact]) -> Findings:
    """Wait until everything is answered; what is wrong in these conversations."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
        for contact in contacts:
            contact.http = http
        return await installation.findings(contacts, deadline=90)


async def count_turns(world: FaultyInstallation, role: str) -> float:
    """How many turns this process has published."""
    url = f"http://127.0.0.1:{world.parley.port(role)}/metrics"
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        found = re.search(r'^parley_turn_seconds_count\{[^}]*stage="publish"[^}]*\} (\S+)', await answer.text(), re.M)
    return float(found[1]) if found else 0.0


async def wait_for_turns(world: FaultyInstallation, role: str, *, above: float) -> None:
    """Until the process has published more turns than ``above``."""
    async with asyncio.timeout(120):
        while await count_turns(world, role) <= above:  # noqa: ASYNC110  # another process counts
            await asyncio.sleep(0.1)
