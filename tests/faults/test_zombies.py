"""Workers that are cut off or frozen until their partitions are somebody else's, and come back as if nothing was."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest
import yaml
from aiokafka.admin import AIOKafkaAdminClient

from tests.faults.faulty_installation import FAR, FaultyInstallation
from tests.faults.outage import assert_refused_well, wait_until
from tests.faults.traffic import check_conversations, count_turns, open_traffic, wait_for_messages, wait_for_turns
from tests.harness.chat_client import Contact
from tests.harness.fork_server import FREEZE
from tests.harness.processes import Process
from tests.harness.task_dump import ASK, TOLD

pytestmark = [pytest.mark.scaled, pytest.mark.timeout(500)]


@asynccontextmanager
async def two_workers(world: FaultyInstallation, **env: str) -> AsyncIterator[list[Contact]]:
    """People write while a second worker has a share of the partitions. Afterwards everything is as it should be, and
    the two have both survived."""
    await world.start_far(**env)
    far = world.parley.roles[FAR]
    pids = world.pids()
    try:
        async with open_traffic(world.parley) as contacts:
            yield contacts
            await wait_for_messages(contacts)
        found = await check_conversations(world.parley, contacts)
        print(found)
        assert found.faults == []
        assert_refused_well([attempt for contact in contacts for attempt in contact.attempts])
        assert world.pids() == pids
        assert await far.stop() == 0
    finally:
        await far.kill()


async def test_a_worker_that_was_partitioned_away_comes_back_as_a_zombie(world: FaultyInstallation) -> None:
    """With a turn in hand, all bytes from and to it vanish until others have its partitions: its commit fails, and
    what it held is answered once, by them."""
    async with two_workers(world, TEST_STOP_AT="worker.after_model") as contacts:
        cut_off = await freeze_with_turn_in_hand(world)
        for proxy in world.far:
            proxy.blackhole()
        os.kill(cut_off.pid, signal.SIGCONT)
        await wait_until_others_took_over(world)
        await wait_for_answers(contacts)
        lost = [proxy.fired["blackhole"] for proxy in world.far]
        assert all(lost), "nothing was swallowed: was the worker cut off?"
        for proxy in world.far:
            await proxy.heal()
        async with explain_failure(world):
            await wait_until(lambda: count_failed_commits(cut_off) > 0, 120, "its commit fails")
        await wait_until_it_works(world)


async def test_a_worker_that_was_frozen_between_model_and_commit_comes_back_as_a_zombie(
    world: FaultyInstallation,
) -> None:
    """Others answer what it had begun; then its commit fails: at the store, where it finds a newer token, or in the
    group, where its questions to the store had waited too long to be answered at all."""
    async with two_workers(world, TEST_STOP_AT="worker.after_model") as contacts:
        frozen = await freeze_with_turn_in_hand(world)
        await wait_until_others_took_over(world)
        await wait_for_answers(contacts)
        before = count_failed_commits(frozen)
        os.kill(frozen.pid, signal.SIGCONT)
        async with explain_failure(world):
            await wait_until(lambda: count_failed_commits(frozen) > before, 120, "its commit fails")
        await wait_until_it_works(world)


async def freeze_with_turn_in_hand(world: FaultyInstallation) -> Process:
    """The second worker, stopped by itself between the model's answer and the commit of a turn."""
    frozen = world.parley.roles[FAR]
    await wait_until_it_works(world)
    os.kill(frozen.pid, FREEZE)
    async with explain_failure(world):
        await wait_until(lambda: is_stopped(frozen.pid), 120, "the worker passes the point and freezes")
    return frozen


async def wait_until_others_took_over(world: FaultyInstallation) -> None:
    """Its group goes on without the second worker. An answer alone does not show that: it may be the last one that this
    worker wrote, and come late."""
    prefix = yaml.safe_load(world.parley.config.read_text())["topic_prefix"]
    admin = AIOKafkaAdminClient(bootstrap_servers=world.kafka.bootstrap)
    await admin.start()
    try:
        async with asyncio.timeout(120):
            while True:
                (answer,) = await admin.describe_consumer_groups([f"{prefix}parley.worker.web"])
                ((_error, _group, state, _type, _protocol, members, *_),) = answer.groups
                if state == "Stable" and len(members) == 1:
                    return
                await asyncio.sleep(0.1)
    finally:
        await admin.close()


async def wait_until_it_works(world: FaultyInstallation) -> None:
    """The second worker publishes turns: it has partitions, and is not yet, or no longer, a zombie."""
    async with explain_failure(world):
        await wait_for_turns(world, FAR, above=await count_turns(world, FAR))


@asynccontextmanager
async def explain_failure(world: FaultyInstallation) -> AsyncIterator[None]:
    """A failure in here tells what both workers do, and how busy the machine is."""
    try:
        yield
    except (AssertionError, TimeoutError) as error:
        error.add_note(f"load {os.getloadavg()}")
        for role in ("worker", FAR):
            process = world.parley.roles[role]
            if process.alive and not is_stopped(process.pid):
                error.add_note(f"{role} has published {await count_turns(world, role):.0f} turns")
                os.kill(process.pid, ASK)
                with suppress(TimeoutError):
                    await wait_until(lambda: TOLD in process.tail(), 10, "it tells what it waits for")  # noqa: B023
            error.add_note(f"the log of {role}:\n{process.tail(80)}")
        raise


async def wait_for_answers(contacts: Sequence[Contact]) -> None:
    """What each has written by now, and one more, is answered: by whoever has the partitions then."""
    await wait_for_messages(list(contacts))
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
        for contact in contacts:
            reader = Contact(contact.base, http, contact.name, token=contact.token, conversation=contact.conversation)
            await reader.answered(contact.sent[-1].message_id)


def count_failed_commits(process: Process) -> int:
    """How often a turn or an offset could not be committed: the store refused it or did not answer, the group had gone
    on, or the partitions were taken away before either could tell."""
    text = process.log.read_text()
    return sum(text.count(f'"event":"{event}"') for event in ("lane_retry", "commit_failed", "drain_overrun"))


def is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
