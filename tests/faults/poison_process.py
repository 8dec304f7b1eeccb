"""Processes that run lanes over one file with poison records: ``python -m tests.faults.poison_process FOLDER``.

Each line on standard input starts the next process: what its handler does with a record of the conversation ``poison``
whose number is 1. On standard output: ``pid N``, ``begins KEY NUMBER``, ``done KEY NUMBER``, ``stalled``, ``ended N``.
They are forked, so that none of them imports anything anew.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from agent_worker.dead_letters import build_dead_letter
from infra.bus.lanes import ConsumerLimits, Lanes
from infra.bus.poison_watch import PoisonWatch
from infra.flight_recorder import FlightRecorder, run_flight_recorder
from schemas.ports import Batch, Bus, Record, State
from tests.contracts.bus.engines import TOPICS, WEB, open_sqlite
from tests.contracts.bus.recording_consumer import message
from tests.contracts.state.engines import embedded_state

STALL_S = 0.5
KEYS = ("poison", "other", "third")
NUMBERS = 3
GROUP = "group"


def say(*words: object) -> None:
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def spin() -> None:
    while True:
        pass


def match() -> None:
    """Holds the interpreter's lock for longer than anybody waits."""
    re.fullmatch(r"(a|a)*b", "a" * 60)


def busy() -> None:
    """A while of ordinary work."""
    ends = time.thread_time() + 0.05
    while time.thread_time() < ends:
        pass


def crash() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def dawdle() -> None:
    """Stalls, and fails then."""
    ends = time.thread_time() + 2 * STALL_S
    while time.thread_time() < ends:
        pass
    raise ValueError


POISON = {"spin": spin, "match": match, "crash": crash, "busy": busy, "dawdle": dawdle}


class Child:
    def __init__(self, poison: str, recorder: FlightRecorder, bus: Bus, state: State, folder: Path) -> None:
        self._poison = poison
        self._state = state
        watch = PoisonWatch(GROUP, recorder, state.strikes, folder, self._now)
        limits = ConsumerLimits(poll=0.02, commit_every=0.02)
        self._lanes = Lanes(bus, state.parking, limits=limits, poison_watch=watch)

    @staticmethod
    def _now() -> datetime:
        return datetime.now(UTC)

    async def run(self) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._lanes.stop)
        await self._lanes.run([WEB], GROUP, self._handle, self._give_up)

    async def _handle(self, batch: Batch) -> None:
        await asyncio.sleep(0)
        for record in batch.records:
            say("begins", record.key, int(record.value or b"0"))
            if self._poison == "busy":
                busy()
            elif (record.key, record.value) == ("poison", b"1"):
                POISON[self._poison]()
        for record in batch.records:
            say("done", record.key, int(record.value or b"0"))

    async def _give_up(self, key: str, records: Sequence[Record], error: Exception, attempts: int) -> None:
        for record in records:
            await self._state.dead_letters.add(build_dead_letter(key, record, error, attempts, self._now()))
            say("dead", record.key, int(record.value or b"0"))


async def child(poison: str, folder: Path) -> None:
    async with open_sqlite(folder / "bus.db", "p")() as bus, embedded_state(folder / "state.db") as state:
        if await bus.create_topics(TOPICS):
            await bus.append([message(key, number) for key in KEYS for number in range(NUMBERS)])
        async with run_flight_recorder(folder, STALL_S) as recorder:
            await Child(poison, recorder, bus, state, folder / "flight").run()


def main(folder: Path) -> None:
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            asyncio.run(child(line.strip(), folder))
            os._exit(0)
        say("pid", pid)
        say("ended", os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
