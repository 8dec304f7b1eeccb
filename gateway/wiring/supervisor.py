"""Supervision of long-running tasks: a task that fails is restarted, and the others go on."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress

import structlog

from schemas.errors import SetupError, TemporaryRefusal

log = structlog.get_logger("parley.compose")


class Supervisor:
    """Runs parts until the process stops, and restarts them when they fail."""

    def __init__(self) -> None:
        self.stopping = asyncio.Event()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._failed: SetupError | None = None
        self._cleanups: list[Callable[[], Awaitable[None]]] = []

    def stop_on_signals(self) -> None:
        """Stop all parts in order on SIGTERM or SIGINT. A second signal changes nothing."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stopping.set)

    def run_on_hangup(self, name: str, step: Callable[[], Awaitable[object]]) -> None:
        """Call a step after each SIGHUP. Signals during a call lead to one more call."""
        requested = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, requested.set)

        async def wait_for_signals() -> None:
            while True:
                await requested.wait()
                requested.clear()
                await step()

        self.run(name, lambda: self.run_until_stop(wait_for_signals()))

    def run(self, name: str, part: Callable[[], Awaitable[None]]) -> None:
        """Start a part. It is restarted whenever it ends before the stop."""
        self._tasks[name] = asyncio.create_task(self._keep_running(name, part), name=name)

    def run_every(self, name: str, seconds: float, step: Callable[[], Awaitable[object]]) -> None:
        """Call a step periodically. If it fails, that is logged, and it is called again at its next time."""

        async def loop() -> None:
            while not self.stopping.is_set():
                try:
                    await step()
                except TemporaryRefusal as error:
                    log.info("step_postponed", part=name, code=error.code)
                await self.pause(seconds)

        self.run(name, loop)

    def add_cleanup(self, step: Callable[[], Awaitable[None]]) -> None:
        """Call a step after all parts have ended, to close what they used."""
        self._cleanups.append(step)

    async def pause(self, seconds: float) -> None:
        """Sleep until the time is over or the process stops."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.stopping.wait()

    async def run_until_stop(self, work: Coroutine[object, object, None]) -> None:
        """Run work until the process stops. Raises the exceptions of the work."""
        task = asyncio.create_task(work)
        stop = asyncio.create_task(self.stopping.wait())
        try:
            await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
        finally:
            task.cancel()
            stop.cancel()
            await asyncio.gather(task, stop, return_exceptions=True)

    async def wait(self) -> None:
        """Wait for the stop. Raises the SetupError of a part that cannot run as configured."""
        await self.stopping.wait()
        if self._failed is not None:
            raise self._failed

    async def finish(self, grace: float) -> None:
        """Stop all parts. Those that have not ended after ``grace`` seconds are cancelled."""
        self.stopping.set()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks.values(), timeout=grace)
            for task in late:
                log.warning("part_cancelled", part=task.get_name())
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        for step in self._cleanups:
            await step()

    async def _keep_running(self, name: str, part: Callable[[], Awaitable[None]]) -> None:
        failures = 0
        while not self.stopping.is_set():
            try:
                await part()
            except SetupError as error:
                self._failed = error
                self.stopping.set()
                return
            except Exception as error:
                failures += 1
                log.error("part_failed", part=name, error=type(error).__name__, reason=str(error), exc_info=True)
            await self.pause(min(10.0, 0.1 * 2 ** min(failures, 7)) * random.uniform(0.5, 1.0))
