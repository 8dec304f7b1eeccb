"""Google Drive on loopback: files, folders, shared drives and their change logs, behind the REST APIs and Google's
token endpoint."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.http.app import run_server
from tests.platforms.drive.api import build_app
from tests.platforms.drive.server_state import DriveServer

__all__ = ["DriveServer", "serve_drive"]


@asynccontextmanager
async def serve_drive(port: int = 0) -> AsyncIterator[DriveServer]:
    server = DriveServer()
    async with run_server(build_app(server), "127.0.0.1", port) as served:
        server.port = served
        yield server
