"""Reports that one process at a time writes in the background, and that every process reads.

The process holds a lease, and the report is the note of the lease, so a restart keeps it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Generic, TypeVar
from uuid import uuid4

import structlog
from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from gateway.wiring.process_services import ProcessServices

log = structlog.get_logger("parley.gateway")

_LEASE_S = 60.0
_RENEW_EVERY = 10.0


class BackgroundReport(BaseModel):
    """``running_at``: when a process that writes the next report last gave a sign of life. ``failed``: the last attempt
    did."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    running_at: datetime | None = None
    finished_at: datetime | None = None
    failed: bool = False

    def is_running(self, now: datetime) -> bool:
        """Whether one is being written. A process that was killed counts as over after a minute."""
        return self.running_at is not None and now - self.running_at < timedelta(seconds=_LEASE_S)


Report = TypeVar("Report", bound=BackgroundReport)


class BackgroundReports(Generic[Report]):
    """``kind`` names the reports. ``model``: what a report consists of; without values it is the empty report."""

    def __init__(self, services: ProcessServices, kind: str, model: type[Report]) -> None:
        self._clock = services.clock
        self._leases = services.state.leases
        self._kind = kind
        self._model = model
        self._tasks: set[asyncio.Task[None]] = set()

    async def read(self, tenant: str) -> Report:
        """The last report, empty before the first."""
        try:
            return self._model.model_validate_json(await self._leases.read_note(self._lease(tenant)) or "{}")
        except ValidationError:
            return self._model()

    async def start(self, tenant: str, write: Callable[[], Awaitable[Report]]) -> bool:
        """Start to write a report in the background, unless one is being written already, in this process or
        another."""
        holder, now = uuid4().hex, self._clock()
        token = await self._leases.acquire(self._lease(tenant), holder, ttl=_LEASE_S, now=now)
        if token is None:
            return False
        await self._give_sign_of_life(tenant, token, now)
        task = asyncio.create_task(self._run(tenant, holder, token, write), name=f"{self._kind} {tenant}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def close_with(self, app: web.Application) -> None:
        """End what is being written when the application ends."""

        async def close(_app: web.Application) -> None:
            await self.close()

        app.on_cleanup.append(close)

    def _lease(self, tenant: str) -> str:
        return f"{self._kind}:{tenant}"

    async def _give_sign_of_life(self, tenant: str, token: int, now: datetime) -> None:
        report = (await self.read(tenant)).model_copy(update={"running_at": now})
        await self._leases.save_note(self._lease(tenant), token, report.model_dump_json())

    async def _run(self, tenant: str, holder: str, token: int, write: Callable[[], Awaitable[Report]]) -> None:
        report = self._model(finished_at=self._clock(), failed=True)
        try:
            async with self._renewal(tenant, holder, token):
                report = await write()
        except Exception:
            log.exception("report_failed", tenant=tenant, kind=self._kind)
        await self._leases.save_note(self._lease(tenant), token, report.model_dump_json())
        await self._leases.release(self._lease(tenant), holder)

    @asynccontextmanager
    async def _renewal(self, tenant: str, holder: str, token: int) -> AsyncIterator[None]:
        """Keep the lease, and the sign of life in its note, until the end of the block."""

        async def renew() -> None:
            while True:
                await asyncio.sleep(_RENEW_EVERY)
                now = self._clock()
                await self._leases.acquire(self._lease(tenant), holder, ttl=_LEASE_S, now=now)
                await self._give_sign_of_life(tenant, token, now)

        task = asyncio.create_task(renew())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
