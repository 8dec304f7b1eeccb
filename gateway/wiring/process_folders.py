"""Folders for the files of one process, even if several processes share one ``data_dir``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from infra import flight_recorder
from infra.database.lock import ProcessLock
from infra.flight_recorder import FlightRecorder
from schemas.errors import DatabaseLocked, SetupError

MOST = 256
"""Maximum number of processes on one ``data_dir``."""


@contextmanager
def own_folder(parent: Path) -> Iterator[Path]:
    """The first of the folders ``parent/0``, ``parent/1`` … that no running process uses, so that a restarted process
    finds its index again. Raises SetupError if all are in use."""
    parent.mkdir(parents=True, exist_ok=True)
    for number in range(MOST):
        try:
            lock = ProcessLock(parent / f"{number}.lock")
        except DatabaseLocked:
            continue
        try:
            yield parent / str(number)
        finally:
            lock.release()
        return
    raise SetupError(f"{MOST} processes share {parent}", fix="set another `data_dir` for some of them")


@asynccontextmanager
async def recording(data_path: Path, stall_seconds: float) -> AsyncIterator[FlightRecorder]:
    """Run the flight recorder of this process. The records of processes that died are collected first."""
    parent = data_path / "flight"
    parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    flight_recorder.collect_incidents(parent)
    with own_folder(parent) as folder:
        recorder = FlightRecorder(folder, stall_seconds)
        recorder.start()
        beating = asyncio.create_task(recorder.run_heartbeat())
        try:
            yield recorder
        finally:
            beating.cancel()
            recorder.close()
