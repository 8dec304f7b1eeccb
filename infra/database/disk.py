"""A thread for what waits for the disk."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any

import structlog

log = structlog.get_logger(__name__)

Done = Callable[[Any, Exception | None], None]
Job = tuple[Callable[[], Any], Done, asyncio.AbstractEventLoop]


class Disk:
    """Runs jobs one after the other, and tells the event loop their results. Lighter than an executor's futures."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="parley-disk", daemon=True)
        self._thread.start()

    def run(self, job: Callable[[], Any], done: Done) -> None:
        """``done(result, error)`` is called on the running loop."""
        self._jobs.put((job, done, asyncio.get_running_loop()))

    def stop(self) -> None:
        """Finish, then end the thread. Blocks."""
        self._jobs.put(None)
        self._thread.join()

    def _serve(self) -> None:
        while (item := self._jobs.get()) is not None:
            job, done, loop = item
            result, error = None, None
            try:
                result = job()
            except Exception as failure:
                error = failure
            try:
                loop.call_soon_threadsafe(done, result, error)
            except RuntimeError:
                log.warning("database.nobody_waits")  # that loop is closed
