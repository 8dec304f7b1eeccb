"""The embedded file's disk is full, slow, failing, or loses power: refused while it lasts, nothing accepted is lost."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import random
import resource
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.faults.outage import Step, assert_refused_well, outage, wait_until
from tests.faults.test_kills import SEED
from tests.faults.traffic import check_conversations, open_traffic, wait_for_messages
from tests.harness.chat_client import Contact
from tests.harness.faulty_disk import Disk
from tests.harness.installation import Installation
from tests.harness.processes import ForkServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SMALL_DISK = 48 << 20
LIBC = ctypes.CDLL(None, use_errno=True)


@asynccontextmanager
async def under_traffic(parley: Installation) -> AsyncIterator[list[Contact]]:
    """People write before, during and after; then nothing is lost, doubled or out of order, and nobody restarted."""
    pid = parley.roles["dev"].pid
    async with open_traffic(parley) as contacts:
        await wait_for_messages(contacts)
        yield contacts
        await wait_for_messages(contacts)
    found = await check_conversations(parley, contacts)
    print(found)
    assert found.faults == []
    assert parley.roles["dev"].alive
    assert parley.roles["dev"].pid == pid


# ── no room ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path | None]:
    """A file system of 48 MiB; None where mounting is not allowed."""
    folder = tmp_path / "small"
    folder.mkdir()
    if LIBC.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, f"size={SMALL_DISK}".encode()):
        yield None
        return
    yield folder
    LIBC.umount2(os.fsencode(folder), 2)


async def test_a_full_disk_refuses_and_heals_when_there_is_room(
    fork_server: ForkServer, tmp_path: Path, small_disk: Path | None
) -> None:
    changes = {"data_dir": str(small_disk / "data")} if small_disk else {}
    parley = Installation.make(fork_server, tmp_path, **changes)
    await parley.start()
    fill, free = _by_ballast(small_disk) if small_disk else _by_limit(parley)
    async with under_traffic(parley) as contacts:
        seen = await outage(parley, contacts, fill, free, lasts=1.0)
    print(f"disk full ({'tmpfs' if small_disk else 'RLIMIT_FSIZE'}): {seen}")
    await parley.stop()


def _by_ballast(disk: Path) -> tuple[Step, Step]:
    ballast = disk / "ballast"

    async def fill() -> None:
        with ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
        assert os.statvfs(disk).f_bavail == 0

    async def free() -> None:
        ballast.unlink()

    return fill, free


def _by_limit(parley: Installation) -> tuple[Step, Step]:
    """Where no file system can be mounted: no file of the process may grow beyond what it has."""
    pid, forever = parley.roles["dev"].pid, resource.RLIM_INFINITY

    async def fill() -> None:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, forever))

    async def free() -> None:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (forever, forever))

    return fill, free


# ── syncs ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def on_bad_disk(fork_server: ForkServer, tmp_path: Path) -> AsyncIterator[tuple[Installation, Disk]]:
    disk = Disk(tmp_path / "disk")
    parley = Installation.make(fork_server, tmp_path)
    await parley.start(env=disk.env)
    yield parley, disk
    disk.heal()
    await parley.stop()


async def test_failing_syncs_refuse_and_heal(on_bad_disk: tuple[Installation, Disk]) -> None:
    parley, disk = on_bad_disk
    async with under_traffic(parley) as contacts:
        seen = await outage(parley, contacts, ordered(disk.fail), ordered(disk.heal), lasts=1.0)
    print(f"fsync fails ({disk.fired} times): {seen}")
    assert disk.fired > 0


async def test_slow_syncs_slow_nobody_who_does_not_write(on_bad_disk: tuple[Installation, Disk]) -> None:
    """Half a second each: all is accepted, later; the loop turns meanwhile, and readers are served."""
    parley, disk = on_bad_disk
    async with under_traffic(parley) as contacts:
        disk.slow(0.5)
        await wait_until(lambda: disk.fired >= 6, 60, "six slow syncs")
        begun = asyncio.get_running_loop().time()
        lines = await contacts[0].transcript()
        took = asyncio.get_running_loop().time() - begun
        disk.heal()
        assert lines
    attempts = [attempt for contact in contacts for attempt in contact.attempts]
    assert_refused_well(attempts)
    slowest = max(attempt.seconds for attempt in attempts)
    print(f"fsync takes 0.5 s ({disk.fired} times): a read takes {took:.3f} s; slowest answer {slowest:.2f} s")


async def test_a_sync_that_hangs_is_not_waited_for(on_bad_disk: tuple[Installation, Disk]) -> None:
    """Ten seconds: after the documented wait the answer is 503; what was under way is unknown, and not doubled."""
    parley, disk = on_bad_disk
    async with under_traffic(parley) as contacts:
        seen = await outage(parley, contacts, ordered(lambda: disk.slow(30)), ordered(disk.heal), lasts=6.0)
    print(f"fsync hangs: {seen}")
    assert disk.fired > 0
    assert seen.slowest < 20


async def test_a_power_cut_costs_nothing_that_was_accepted(on_bad_disk: tuple[Installation, Disk]) -> None:
    """Kill -9 in the middle of a sync, and what was not synced is torn: some whole, one half, the rest garbage."""
    parley, disk = on_bad_disk
    rng = random.Random(SEED)
    print(f"seed {SEED}")
    async with open_traffic(parley) as contacts:
        for _ in range(3):
            await wait_for_messages(contacts)
            disk.slow(30)
            await wait_until(lambda: disk.unsynced, 60, "a sync under way")
            await parley.kill("dev")
            torn = disk.lose_power(rng)
            assert torn
            with (parley.folder / "data" / "parley.db-wal").open("ab") as file:
                file.write(rng.randbytes(rng.randrange(1, 9000)))
            print(f"torn: {', '.join(f'{count} bytes of {Path(name).name}' for name, count in torn.items())}")
            disk.heal()
            await parley.start(env=disk.env)
        await wait_for_messages(contacts)
    found = await check_conversations(parley, contacts)
    print(found)
    assert found.faults == []


def ordered(order: Callable[[], None]) -> Step:
    async def step() -> None:
        order()

    return step
