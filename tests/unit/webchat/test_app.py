"""The application itself: errors of every kind, stopping, and the page."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest

from gateway.http.app import build_app, run_server, serve_forever
from schemas.errors import PortInUse
from tests.unit.webchat.conftest import FailingBus, Shop, Socket, Visitor, note_subscription, wait_until, with_bus

Serve = Callable[..., Awaitable[Shop]]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/v1/chat/shop/nowhere", 404, "not_found"),
        ("DELETE", "/v1/chat/shop/messages", 405, "invalid_request"),
        ("PUT", "/v1/chat/shop/sessions", 405, "invalid_request"),
        ("GET", "/v1/chat/shop/sessions", 405, "invalid_request"),
        ("PATCH", "/v1/chat/shop/messages", 405, "invalid_request"),
    ],
)
async def test_every_refusal_has_the_contracts_body(shop: Shop, method: str, path: str, status: int, code: str) -> None:
    answer = await shop.call(method, path)
    assert (answer.status, answer.code) == (status, code)
    assert set(answer.body["error"]) == {"code", "message", "retryable"}
    assert answer.headers["Server"] == "parley"


@pytest.mark.parametrize(
    "raw",
    [
        b"garbage\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nBroken header\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 20_000 + b"\r\n\r\n",
        b"POST /v1/chat/shop/messages HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/chat/shop/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=lambda raw: raw[:40].decode(),
)
async def test_a_request_that_is_not_http_gets_a_json_400_without_an_echo(shop: Shop, raw: bytes) -> None:
    host, _, port = shop.address.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(raw)
    async with asyncio.timeout(30):
        answer = await reader.read()
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split(b" ")[1] == b"400", answer
    assert b"application/json" in head
    assert body.startswith(b'{"error":{"code":"invalid_request"')
    assert b"Traceback" not in answer
    assert b"yyyy" not in answer
    assert b"Server: parley" in head
    assert b"X-Content-Type-Options: nosniff" in head
    assert b"Referrer-Policy: no-referrer" in head
    assert (b"longer than" in body) == (len(raw) > 20_000)


async def test_an_unknown_expectation_is_refused_without_an_echo(shop: Shop) -> None:
    answer = await shop.call("POST", "/v1/chat/shop/sessions", json={}, headers={"Expect": "banana"})
    assert (answer.status, answer.code) == (417, "invalid_request")
    assert answer.body["error"]["message"] == "Expect: may only be 100-continue"
    assert answer.headers["Server"] == "parley"


async def test_a_body_that_stops_in_the_middle_harms_nobody(shop: Shop) -> None:
    visitor = await shop.visitor()
    host, _, port = shop.address.removeprefix("http://").partition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = f"POST /v1/chat/shop/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {visitor.token}\r\n"
    writer.write(f"{head}Content-Type: application/json\r\nContent-Length: 500\r\n\r\n".encode() + b'{"client')
    await writer.drain()
    writer.close()
    assert (await visitor.say("hello")).status == 202
    assert len(await shop.logged()) == 1


async def test_a_taken_port_is_said_so(shop: Shop) -> None:
    port = int(shop.address.rpartition(":")[2])
    with pytest.raises(PortInUse, match=str(port)):
        await serve_forever(build_app(shop.services), "127.0.0.1", port)


class SecondInstallation:
    """A second installation over the same parts, to be stopped by the test."""

    def __init__(self, shop: Shop, visitor: Visitor) -> None:
        self._shop = shop
        self._visitor = visitor
        self._stack = AsyncExitStack()

    async def start(self) -> None:
        port = await self._stack.enter_async_context(run_server(build_app(self._shop.services), "127.0.0.1", 0))
        self._shop.address = f"http://127.0.0.1:{port}"

    async def stop(self) -> float:
        """Seconds it took."""
        started = time.monotonic()
        await self._stack.aclose()
        return time.monotonic() - started


async def test_a_stop_closes_every_socket_with_1012_at_once(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.webchat.sockets.CLOSE_TIMEOUT", 60.0)
    visitor = await shop.visitor()
    running = SecondInstallation(shop, visitor)
    await running.start()
    sockets = [await visitor.socket() for _ in range(20)]
    for socket in sockets:
        await socket.frame("welcome")
    reading = [asyncio.create_task(socket.closed()) for socket in sockets]
    assert await running.stop() < 15
    assert await asyncio.gather(*reading) == [1012] * 20


async def test_a_stop_does_not_wait_for_a_peer_that_says_nothing(shop: Shop) -> None:
    visitor = await shop.visitor()
    running = SecondInstallation(shop, visitor)
    await running.start()
    socket = await visitor.socket()
    await socket.frame("welcome")
    assert await running.stop() < 8  # nobody reads on our side, so the close is never answered


async def test_a_stop_ends_waiting_readers_at_once(shop: Shop) -> None:
    visitor = await shop.visitor()
    running = SecondInstallation(shop, visitor)
    await running.start()
    subscribed = note_subscription(shop)
    waiting = asyncio.create_task(visitor.call("GET", "messages?after=0&wait=25"))
    await subscribed.wait()
    assert await running.stop() < 2
    assert (await waiting).body == {"messages": [], "seq": 0}


async def test_a_stop_lets_requests_in_flight_finish(serve: Serve) -> None:
    reached, go_on = asyncio.Event(), asyncio.Event()

    class SlowBus(FailingBus):
        async def append(self, envelopes: Any, **more: Any) -> Any:
            reached.set()
            await go_on.wait()
            return await super().append(envelopes, **more)

    shop = await serve(lambda services: with_bus(SlowBus(services.bus))(services))
    visitor = await shop.visitor()
    running = SecondInstallation(shop, visitor)
    await running.start()
    saying = asyncio.create_task(visitor.say("last words"))
    await reached.wait()
    stopping = asyncio.create_task(running.stop())
    await asyncio.sleep(0)
    go_on.set()
    assert (await saying).status == 202
    await stopping
    assert len(await shop.logged()) == 1


async def test_a_stopping_process_takes_no_new_connections(shop: Shop) -> None:
    running = SecondInstallation(shop, await shop.visitor())
    await running.start()
    await running.stop()
    with pytest.raises(aiohttp.ClientConnectionError):
        await shop.call("GET", "/healthz")


# ── The page ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_page_and_its_files_need_nothing_from_elsewhere(shop: Shop) -> None:
    page = await shop.call("GET", "/")
    assert page.status == 200
    text = page.body.decode()
    assert 'data-tenant="shop"' in text
    loaded = re.sub(r"<pre.*?</pre>", "", text, flags=re.DOTALL)
    assert not re.search(r"<style|style=|<script(?![^>]*\bsrc=)|\son\w+=|https?://", loaded), (
        "no inline code, no third party"
    )
    policy = page.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "script-src 'self'" in policy
    for name in re.findall(r'(?:src|href)="([\w.]+)"', loaded):
        found = await shop.call("GET", f"/{name}")
        assert found.status == 200
        assert not re.search(rb"@import|url\(\s*['\"]?https?:|import\([^)]*https?:|eval\(", found.body)


async def test_the_page_escapes_what_the_operator_wrote(shop: Shop) -> None:
    assert (await shop.call("GET", "/?tenant=%3Cscript%3E")).status == 404
    assert (await shop.call("GET", "/?tenant=other")).status == 200
    assert (await shop.call("GET", "/?tenant=silent")).status == 404


async def test_the_widget_is_fetched_once_and_then_only_asked_for(shop: Shop) -> None:
    """Compressed, with an entity tag; unchanged it costs a 304; under its content's own address it is kept for ever."""
    first = await shop.call("GET", "/widget.js", headers={"Accept-Encoding": "gzip"})
    tag = first.headers["ETag"]
    assert first.headers["Content-Encoding"] == "gzip"
    assert first.headers["Access-Control-Allow-Origin"] == "*"
    assert "immutable" not in first.headers["Cache-Control"]
    again = await shop.call("GET", "/widget.js", headers={"If-None-Match": tag})
    assert (again.status, again.body) == (304, b"")
    for_ever = await shop.call("GET", f"/widget.js?v={tag.strip(chr(34))}")
    assert "immutable" in for_ever.headers["Cache-Control"]
    other = await shop.call("GET", "/widget.js?v=0123456789abcdef")
    assert "immutable" not in other.headers["Cache-Control"]


async def test_the_theme_tells_how_the_chat_looks_and_what_it_says(shop: Shop) -> None:
    """The tenant's name where the account has none; German where the page is German; English needs no words."""
    theme = (await shop.call("GET", "/v1/chat/shop/theme?locale=de-AT")).body
    assert (theme["name"], theme["position"], theme["locale"]) == ("Shop", "right", "de-AT")
    assert theme["words"]["send"] == "Senden"
    plain = (await shop.call("GET", "/v1/chat/shop/theme")).body
    assert (plain["locale"], plain["words"]) == ("en", {})
    british = (await shop.call("GET", "/v1/chat/shop/theme?locale=en-GB")).body
    assert (british["locale"], british["words"]) == ("en-GB", {})
    finnish = (await shop.call("GET", "/v1/chat/shop/theme?locale=fi")).body
    assert (finnish["locale"], finnish["words"]) == ("en", {})
    for path in ("/v1/chat/shop/theme?account=nobody", "/v1/chat/nobody/theme", "/v1/chat/shop/logo"):
        assert (await shop.call("GET", path)).code == "not_found"


async def test_the_choice_of_a_person_is_always_offered(shop: Shop) -> None:
    """The choice `person` of no message is a standing offer; any other choice must have been offered."""
    visitor = await shop.visitor()
    wish = await visitor.say("Ich möchte mit einem Menschen sprechen.", choice={"in_reply_to": "", "id": "person"})
    assert wish.status == 202
    silent = await visitor.say("", "m2", choice={"in_reply_to": "", "id": "person"})
    assert silent.code == "invalid_request"
    other = await visitor.say("x", "m3", choice={"in_reply_to": "", "id": "refund"})
    assert other.code == "invalid_request"


async def test_a_socket_that_is_gone_leaves_nothing_behind(shop: Shop) -> None:
    visitor = await shop.visitor()
    before = len(asyncio.all_tasks())
    sockets: list[Socket] = [await visitor.socket() for _ in range(10)]
    for socket in sockets:
        await socket.frame("welcome")
    assert len(asyncio.all_tasks()) > before
    for socket in sockets:
        await socket.raw.close()
    await wait_until(lambda: len(asyncio.all_tasks()) <= before)
