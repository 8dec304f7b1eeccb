"""A plain client of Graph for tests: a token, a path, what came back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: Any
    headers: dict[str, str]

    @property
    def code(self) -> tuple[int, int | None]:
        """Code and subcode of a failure."""
        error = self.body["error"]
        return error["code"], error.get("error_subcode")


class Client:
    def __init__(self, session: aiohttp.ClientSession, base: str, token: str) -> None:
        self.session = session
        self.base = base
        self.token = token

    async def call(self, method: str, path: str, body: Any = None, **more: Any) -> Answer:
        """``path`` below the base, or a whole address."""
        url = path if path.startswith("http") else f"{self.base}/{path}"
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        async with self.session.request(method, url, json=body, headers=headers, **more) as response:
            json_ = "json" in response.headers.get("Content-Type", "")
            found = await (response.json() if json_ else response.read())
            return Answer(response.status, found, dict(response.headers))

    async def get(self, path: str, **query: str) -> Answer:
        return await self.call("GET", path, params=query)

    async def post(self, path: str, body: Any) -> Answer:
        return await self.call("POST", path, body)


@asynccontextmanager
async def client_of(settings: dict[str, Any]) -> AsyncIterator[Client]:
    """As a connector with these settings would speak."""
    async with aiohttp.ClientSession() as session:
        yield Client(session, settings["api_base"], settings["access_token"])
