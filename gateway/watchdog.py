"""The flight recorder of a process that consumes, in a folder of its own under ``data_dir``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.slots import own_folder
from infra import flight_recorder
from infra.flight_recorder import FlightRecorder


@asynccontextmanager
async def recording(data_path: Path, stall_seconds: float) -> AsyncIterator[FlightRecorder]:
    """It begins once it was looked at what dead processes have left."""
    parent = data_path / "flight"
    parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    flight_recorder.collect(parent)
    with own_folder(parent) as folder:
        recorder = FlightRecorder(folder, stall_seconds)
        recorder.start()
        beating = asyncio.create_task(recorder.beat_on())
        try:
            yield recorder
        finally:
            beating.cancel()
            recorder.close()
