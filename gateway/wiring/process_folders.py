"""A folder of its own for each process that keeps an index, also when several share one ``data_dir``."""

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
"""Processes on one ``data_dir``."""


@contextmanager
def own_folder(parent: Path) -> Iterator[Path]:
    """The first of ``parent/0``, ``parent/1`` … that no living process holds: a restarted process finds the index of
    the one before. Raises SetupError when all are taken."""
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
    raise SetupError(f"{MOST} processes share {parent}", fix="give some of them a data_dir of their own")


# The flight recorder of a process that consumes, in a folder of its own under ``data_dir``.
@asynccontextmanager
async def recording(data_path: Path, stall_seconds: float) -> AsyncIterator[FlightRecorder]:
    """It begins once it was looked at what dead processes have left."""
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
