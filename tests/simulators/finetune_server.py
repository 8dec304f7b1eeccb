"""A provider's fine-tuning API: files, jobs that take a few looks, and checkpoints with losses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass
class FinetuneServer:
    """``losses``: held-out losses of each job's checkpoints, in order. ``looks``: how often a job is looked at until it
    ends. ``hold_creation``: the reply to a created job waits for the gate, as if the connection was lost."""

    key: str = "sk-tune"
    losses: list[list[float]] = field(default_factory=lambda: [[2.0, 1.0, 0.8]])
    looks: int = 2
    failure: str = ""
    hold_creation: bool = False
    files: dict[str, bytes] = field(default_factory=dict)
    uploaded: list[str] = field(default_factory=list)
    jobs: list[dict[str, Any]] = field(default_factory=list)
    created: asyncio.Event = field(default_factory=asyncio.Event)
    looked: asyncio.Event = field(default_factory=asyncio.Event)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    _seen: dict[str, int] = field(default_factory=dict)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[FinetuneServer]:
        app = web.Application(middlewares=[self._check_key])
        app.router.add_post("/v1/files", self._upload)
        app.router.add_delete("/v1/files/{id}", self._delete)
        app.router.add_post("/v1/fine_tuning/jobs", self._create)
        app.router.add_get("/v1/fine_tuning/jobs", self._list)
        app.router.add_get("/v1/fine_tuning/jobs/{id}", self._get)
        app.router.add_get("/v1/fine_tuning/jobs/{id}/checkpoints", self._checkpoints)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        try:
            yield self
        finally:
            await runner.cleanup()

    @web.middleware
    async def _check_key(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {self.key}":
            return web.json_response({"error": {"message": "wrong key"}}, status=401)
        response: web.StreamResponse = await handler(request)
        return response

    async def _upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        file = form["file"]
        assert isinstance(file, web.FileField)
        assert form["purpose"] == "fine-tune"
        id = f"file-{len(self.uploaded)}"
        self.files[id] = file.file.read()
        self.uploaded.append(file.filename)
        return web.json_response({"id": id, "object": "file", "status": "processed"})

    async def _delete(self, request: web.Request) -> web.Response:
        self.files.pop(request.match_info["id"])
        return web.json_response({"deleted": True})

    async def _create(self, request: web.Request) -> web.Response:
        body = await request.json()
        assert body["training_file"] in self.files
        job = body | {"id": f"job-{len(self.jobs)}", "status": "queued", "fine_tuned_model": None}
        self.jobs.append(job)
        self.created.set()
        if self.hold_creation:
            await self.gate.wait()
        return web.json_response(job)

    async def _list(self, _: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": self.jobs, "has_more": False})

    async def _get(self, request: web.Request) -> web.Response:
        job = self._find(request)
        self._seen[job["id"]] = self._seen.get(job["id"], 0) + 1
        job["status"] = "running"
        self.looked.set()
        if self._seen[job["id"]] >= self.looks:
            job["status"] = "failed" if self.failure else "succeeded"
            job["fine_tuned_model"] = None if self.failure else f"ft:{job['model']}:{job['suffix']}"
            job["error"] = {"message": self.failure} if self.failure else None
        return web.json_response(job)

    async def _checkpoints(self, request: web.Request) -> web.Response:
        losses = self.losses[min(self.jobs.index(self._find(request)), len(self.losses) - 1)]
        data = [
            {"step_number": 10 * n, "metrics": {"train_loss": loss * 0.9, "valid_loss": loss}}
            for n, loss in reversed(list(enumerate(losses, 1)))
        ]
        return web.json_response({"data": data})

    def _find(self, request: web.Request) -> dict[str, Any]:
        return next(job for job in self.jobs if job["id"] == request.match_info["id"])
