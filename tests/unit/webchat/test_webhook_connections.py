"""Webhooks over kept connections: order, bodies in pieces, clients that leave, refusals, and a stop."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from gateway.http.app import build_app, run_server
from gateway.http.webhooks import Webhooks
from gateway.wiring.process_services import ProcessServices
from schemas import topics
from schemas.errors import BusUnavailable
from tests.unit.webchat.conftest import FailingBus, Shop, wait_until
from tests.unit.webchat.test_webhooks import PATH, SECRET, Serve, toy, toy_shop, update, with_toy

__all__ = ["toy", "toy_shop", "with_toy"]  # fixtures


@pytest.fixture
def reached(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of the webhooks whose head has arrived."""
    paths: list[str] = []
    receive = Webhooks.receive

    async def seen(self: Webhooks, request: web.Request) -> web.Response:
        paths.append(request.path)
        return await receive(self, request)

    monkeypatch.setattr(Webhooks, "receive", seen)
    return paths


@asynccontextmanager
async def open_connection(shop: Shop) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    host, port = shop.address.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield reader, writer
    finally:
        writer.close()


def hook(*numbers: int, path: str = PATH, sign: bool = True, more: str = "") -> bytes:
    body = json.dumps({"updates": [update(n) for n in numbers]}).encode()
    signature = hmac.new(SECRET, body, hashlib.sha256).hexdigest() if sign else "00"
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Signature: {signature}\r\n{more}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    async with asyncio.timeout(30):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = head.split("\r\n")
        headers = {name.lower(): text for name, _, text in (line.partition(": ") for line in lines[1:] if line)}
        return int(lines[0].split()[1]), headers, await reader.readexactly(int(headers.get("content-length", 0)))


async def test_requests_of_one_connection_are_answered_in_order(toy_shop: Shop) -> None:
    """Sent at once, a webhook, a refused one, a page and another webhook are answered one after the other."""
    async with open_connection(toy_shop) as (reader, writer):
        page = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
        writer.write(hook(1) + hook(2, sign=False) + page + hook(3))
        answers = [await answer(reader) for _ in range(4)]
    assert [status for status, _, _ in answers] == [200, 401, 200, 200]
    assert len(await toy_shop.logged(topics.inbound("slack"))) == 2


async def test_a_body_may_come_after_its_head(reached: list[str], toy_shop: Shop) -> None:
    async with open_connection(toy_shop) as (reader, writer):
        head, _, body = hook(*range(2000)).partition(b"\r\n\r\n")
        writer.write(head + b"\r\n\r\n" + body[:10])
        await wait_until(lambda: bool(reached))
        writer.write(body[10:])
        assert (await answer(reader))[0] == 200
        writer.write(hook(2000))
        assert (await answer(reader))[0] == 200


async def test_a_client_that_leaves_in_the_middle_leaves_nothing_behind(reached: list[str], toy_shop: Shop) -> None:
    """Its half of a body is not waited for any longer."""
    before = asyncio.all_tasks()
    async with open_connection(toy_shop) as (_, writer):
        writer.write(hook(1)[:-5])
        await wait_until(lambda: bool(reached))
        assert asyncio.all_tasks() - before, "the connection has a task of its own"
    await wait_until(lambda: asyncio.all_tasks() <= before)
    assert await toy_shop.logged(topics.inbound("slack")) == []


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (hook(1, path="/v1/webhooks/slack/shop/nobody"), 404),
        (hook(1, path="/v1/webhooks/web/shop/main"), 404),
        (hook(1, more="Content-Encoding: gzip\r\n"), 415),
        (hook(1, more="Connection: close\r\n"), 200),
        (hook(1).replace(b"application/json", b"text/plain"), 415),
        (hook(1).replace(b"HTTP/1.1", b"HTTP/1.0"), 200),
        (hook(1).replace(b"POST ", b"PUT ", 1), 405),
    ],
)
async def test_unusual_requests_to_webhooks_get_the_status_of_the_contract(
    toy_shop: Shop, sent: bytes, status: int
) -> None:
    async with open_connection(toy_shop) as (reader, writer):
        writer.write(sent)
        assert (await answer(reader))[0] == status


async def test_a_refusal_is_counted_on_either_way(
    serve: Serve, with_toy: Callable[[ProcessServices], ProcessServices]
) -> None:
    def failing(services: ProcessServices) -> ProcessServices:
        bus: Any = FailingBus(services.bus)
        bus.error = BusUnavailable("the log cannot be reached")
        return replace(with_toy(services), bus=bus)

    shop = await serve(failing)
    for path in (PATH, PATH + "?query"):
        async with open_connection(shop) as (reader, writer):
            writer.write(hook(1, path=path))
            status, headers, _ = await answer(reader)
            assert (status, int(headers["retry-after"]) >= 1) == (503, True)
    assert b'parley_refused_total{status="503"} 2.0' in shop.services.metrics.render()  # type: ignore[attr-defined]


async def test_a_stop_lets_a_webhook_finish_and_waits_for_nothing_more(
    serve: Serve, with_toy: Callable[[ProcessServices], ProcessServices]
) -> None:
    """What is in progress is answered; its connection, and one that is idle, end with it."""
    appending, go_on = asyncio.Event(), asyncio.Event()

    class SlowBus(FailingBus):
        async def append(self, envelopes: Any, **more: Any) -> Any:
            appending.set()
            await go_on.wait()
            return await super().append(envelopes, **more)

    shop = await serve(lambda services: replace(with_toy(services), bus=SlowBus(services.bus)))
    await shop.services.bus.create_topics(topics.topic_specs(["slack"], partitions=3, small=3))
    stack = AsyncExitStack()
    port = await stack.enter_async_context(run_server(build_app(shop.services), "127.0.0.1", 0))
    shop.address = f"http://127.0.0.1:{port}"
    async with open_connection(shop) as (reader, writer), open_connection(shop) as (idle, _):
        writer.write(hook(1))
        await appending.wait()
        began = time.monotonic()
        stopping = asyncio.create_task(stack.aclose())
        assert await idle.read() == b""
        go_on.set()
        assert (await answer(reader))[0] == 200
        assert await reader.read() == b""
        await stopping
        assert time.monotonic() - began < 10
