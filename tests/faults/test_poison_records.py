"""Records that stall or kill their process: set aside at the second time, and no other record with them."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from schemas.conversation import DeadLetter
from schemas.ports import TopicPartition
from tests.contracts.bus.engines import PARTITIONS, WEB
from tests.contracts.bus.recording_consumer import wait_until
from tests.contracts.state.engines import embedded_state
from tests.faults.poison_process import GROUP, KEYS, NUMBERS
from tests.harness.processes import ROOT

PATIENCE_S = 120
ALL = {(key, str(number)) for key in KEYS for number in range(NUMBERS)}


class PoisonProcesses:
    """The parent of the processes, and what they say."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pid = 0
        self.done: set[tuple[str, str]] = set()
        self.dead: list[tuple[str, str]] = []

    async def start(self) -> None:
        self._parent = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.faults.poison_process",
            str(self.folder),
            cwd=ROOT,
            stdin=-1,
            stdout=-1,
            stderr=-3,
        )

    async def close(self) -> None:
        assert self._parent.stdin is not None
        self._parent.stdin.close()
        await asyncio.wait_for(self._parent.wait(), PATIENCE_S)

    async def child(self, poison: str) -> None:
        assert self._parent.stdin is not None
        self._parent.stdin.write(f"{poison}\n".encode())
        await self.until("pid")

    async def until(self, *wanted: str) -> None:
        """Until it says a line that begins so."""
        while (await self._line())[: len(wanted)] != wanted:
            pass

    async def _line(self) -> tuple[str, ...]:
        assert self._parent.stdout is not None
        line = await asyncio.wait_for(self._parent.stdout.readline(), PATIENCE_S)
        assert line, "the parent has ended"
        words = tuple(line.decode().split())
        if words[:1] == ("pid",):
            self.pid = int(words[1])
        elif words[:1] == ("done",):
            self.done.add((words[1], words[2]))
        elif words[:1] == ("dead",):
            self.dead.append((words[1], words[2]))
        return words

    async def kill(self, number: int = signal.SIGKILL) -> None:
        os.kill(self.pid, number)
        await self.until("ended")

    async def stalled(self) -> None:
        """Until the watchdog has written what it saw."""
        await wait_until(
            lambda: any(file.stat().st_size for file in self.folder.glob("flight/*/stall.txt")), "the stall is noted"
        )

    async def finish(self) -> None:
        while not self.done | set(self.dead) >= ALL:
            assert (await self._line())[:1] != ("ended",), "the process died of a record"
        await self.kill(signal.SIGTERM)

    async def letters(self) -> list[DeadLetter]:
        async with embedded_state(self.folder / "state.db") as state:
            return (await state.dead_letters.list_page("plantstore"))[0]

    async def strikes(self) -> int:
        async with embedded_state(self.folder / "state.db") as state:
            found = [await state.strikes.of(GROUP, TopicPartition(WEB, number)) for number in range(PARTITIONS)]
        return sum(map(len, found))


@pytest.fixture
async def poison_processes(tmp_path: Path) -> AsyncIterator[PoisonProcesses]:
    one = PoisonProcesses(tmp_path)
    await one.start()
    try:
        yield one
    finally:
        await one.close()


@pytest.mark.parametrize("poison", ["spin", "match"])
async def test_a_record_that_stalls_its_process_twice_is_set_aside_and_its_lane_goes_on(
    poison_processes: PoisonProcesses, poison: str
) -> None:
    for _ in range(2):
        await poison_processes.child(poison)
        await poison_processes.until("begins", "poison", "1")
        await poison_processes.stalled()
        await poison_processes.kill()
    await poison_processes.child(poison)
    await poison_processes.finish()
    (letter,) = await poison_processes.letters()
    assert (letter.conversation_id, letter.code, letter.attempts) == ("poison", "process_stalled", 2)
    assert poison_processes.dead == [("poison", "1")]
    assert poison_processes.done == ALL - {("poison", "1")}
    assert await poison_processes.strikes() == 0


async def test_a_record_that_crashes_its_process_twice_is_set_aside(poison_processes: PoisonProcesses) -> None:
    for _ in range(2):
        await poison_processes.child("crash")
        await poison_processes.until("ended")
    await poison_processes.child("crash")
    await poison_processes.finish()
    (letter,) = await poison_processes.letters()
    assert (letter.conversation_id, letter.code) == ("poison", "process_crashed")
    assert poison_processes.done == ALL - {("poison", "1")}
    assert await poison_processes.strikes() == 0


async def test_a_stall_that_ends_counts_as_well(poison_processes: PoisonProcesses) -> None:
    await poison_processes.child("dawdle")
    await poison_processes.finish()
    (letter,) = await poison_processes.letters()
    assert (letter.conversation_id, letter.code, letter.attempts) == ("poison", "process_stalled", 2)
    assert poison_processes.done == ALL - {("poison", "1")}


async def test_twenty_kills_while_records_are_handled_set_none_of_them_aside(poison_processes: PoisonProcesses) -> None:
    for _ in range(20):
        await poison_processes.child("busy")
        await poison_processes.until("begins")
        await poison_processes.kill()
    assert await poison_processes.strikes() == 0
    await poison_processes.child("busy")
    await poison_processes.finish()
    assert await poison_processes.letters() == []
    assert poison_processes.done == ALL
