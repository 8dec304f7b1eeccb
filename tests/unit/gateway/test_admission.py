"""Too many messages at once are refused at the door; reading is not."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.http.overload import FLAG_SECONDS, OverloadFlag, OverloadGuard


class Door:
    under_way = 0


@pytest.fixture
async def client() -> AsyncIterator[TestClient[web.Request, web.Application]]:
    async def handle(_request: web.Request) -> web.Response:
        return web.Response(text="done")

    app = web.Application(middlewares=[OverloadGuard(lambda: Door.under_way, limit=3)])
    app.router.add_post("/", handle)
    app.router.add_get("/", handle)
    Door.under_way = 0
    async with TestClient(TestServer(app)) as opened:
        yield opened


async def test_a_message_too_many_is_told_when_to_come_again(
    client: TestClient[web.Request, web.Application],
) -> None:
    """503 with Retry-After and the contract's body, until others have ended."""
    Door.under_way = 3
    refused = await client.post("/")
    assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
    assert (await refused.json())["error"]["code"] == "unavailable"
    Door.under_way = 2
    assert (await client.post("/")).status == 200


def test_the_press_is_felt_for_a_moment_after_each_refusal() -> None:
    """Between two groups of messages that are done there is room for a moment: that is no rest."""
    now, under_way = 0.0, 3
    press = OverloadFlag(lambda: now)
    crowding = OverloadGuard(lambda: under_way, limit=3, flag=press)
    assert not press()
    assert crowding.refuse_if_full() is not None
    under_way = 0
    now += FLAG_SECONDS / 2
    assert crowding.refuse_if_full() is None
    assert press()
    now += FLAG_SECONDS
    assert not press()


async def test_readers_are_served_while_writers_are_refused(client: TestClient[web.Request, web.Application]) -> None:
    Door.under_way = 1_000
    assert (await client.get("/")).status == 200
