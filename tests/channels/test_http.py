"""The connection of a vendor that takes one JSON request a message, against a server; and what its answers mean."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientTimeout, web

from connectors import http
from connectors.http import HttpConnection, build_delivery_error
from connectors.meta_graph.client import GraphClient
from infra.deploy.process import free_port
from schemas.errors import CredentialsRevoked, RetryLater, SendRefused, SendUnknown
from schemas.key_ring import KeyRing
from schemas.ports import VendorCall, VendorResponse

CALL = VendorCall("messages", {"to": "anna", "text": "Grüße"})


@dataclass
class Vendor:
    """Does with a request what its path says."""

    port: int = 0
    speaks: asyncio.Event = field(default_factory=asyncio.Event)
    taken: list[tuple[str, Any]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.StreamResponse:
        self.taken.append((request.headers.get("Authorization", ""), await request.json()))
        match request.match_info["what"]:
            case "cut":
                assert request.transport is not None
                request.transport.abort()
            case "flood":
                return web.Response(body=b"x" * (http.MAX_REPLY_BYTES + 1))
            case "elsewhere":
                return web.Response(status=307, headers={"Location": "/messages"})
            case "silence":
                await self.speaks.wait()
            case "page":
                return web.Response(status=502, text="<html>Bad Gateway</html>", content_type="text/html")
        return web.json_response({"id": "v1"}, headers={"X-Left": "3"})


@pytest.fixture
async def vendor() -> AsyncIterator[Vendor]:
    vendor = Vendor()
    app = web.Application()
    app.router.add_post("/{what}", vendor.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    vendor.port = runner.addresses[0][1]
    yield vendor
    await runner.cleanup()


async def perform_call(port: int, call: VendorCall = CALL, **more: Any) -> VendorResponse:
    connection = HttpConnection(f"http://127.0.0.1:{port}/", **more)
    try:
        return await connection.perform(call, "marker-1")
    finally:
        await connection.close()


async def test_a_call_is_one_request_with_our_headers_and_our_marker(vendor: Vendor) -> None:
    reply = await perform_call(vendor.port, headers={"Authorization": "Bearer t"}, marker_field="reference")
    assert vendor.taken == [("Bearer t", {"to": "anna", "text": "Grüße", "reference": "marker-1"})]
    assert (reply.status, reply.body, reply.headers["x-left"]) == (200, {"id": "v1"}, "3")


async def test_a_vendor_that_takes_no_marker_gets_none(vendor: Vendor) -> None:
    await perform_call(vendor.port)
    assert vendor.taken == [("", CALL.arguments)]


async def test_a_request_that_never_left_may_be_sent_again() -> None:
    with pytest.raises(RetryLater):
        await perform_call(free_port())


@pytest.mark.parametrize("base", ["http://parley.invalid", "https://127.0.0.1:{port}"])
async def test_a_name_that_is_not_there_and_a_handshake_that_fails_leave_no_doubt(vendor: Vendor, base: str) -> None:
    address = base.format(port=vendor.port)
    plain, graph = HttpConnection(address), GraphClient(address, KeyRing("t"))
    for attempt in (plain.perform(CALL, "m"), graph.post("messages", {})):
        with pytest.raises(RetryLater):
            await attempt
    await plain.close()
    await graph.close()
    assert vendor.taken == []


async def test_a_vendor_that_is_only_slow_may_still_be_at_it(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "TIMEOUT", ClientTimeout(total=0.05))
    try:
        with pytest.raises(SendUnknown) as slow:
            await perform_call(vendor.port, VendorCall("silence", {}))
    finally:
        vendor.speaks.set()
    with pytest.raises(SendUnknown) as broken:
        await perform_call(vendor.port, VendorCall("cut", {}))
    assert (slow.value.slow, broken.value.slow) == (True, False)
    told = {status: build_delivery_error(VendorResponse(status, "")) for status in (500, 503, 504, 408)}
    assert {status: getattr(error, "slow", None) for status, error in told.items()} == {
        500: False,
        503: False,
        504: True,
        408: True,
    }


@pytest.mark.parametrize("what", ["cut", "flood"])
async def test_an_answer_that_does_not_come_leaves_the_send_in_doubt_and_it_is_not_repeated(
    vendor: Vendor, what: str
) -> None:
    with pytest.raises(SendUnknown):
        await perform_call(vendor.port, VendorCall(what, {}))
    assert len(vendor.taken) == 1


async def test_no_answer_in_time_leaves_the_send_in_doubt(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "TIMEOUT", ClientTimeout(total=0.05))
    try:
        with pytest.raises(SendUnknown):
            await perform_call(vendor.port, VendorCall("silence", {}))
    finally:
        vendor.speaks.set()


async def test_nobody_is_followed_elsewhere_with_our_token(vendor: Vendor) -> None:
    assert (await perform_call(vendor.port, VendorCall("elsewhere", {}))).status == 307
    assert len(vendor.taken) == 1


async def test_a_page_in_place_of_json_is_passed_on_as_text(vendor: Vendor) -> None:
    reply = await perform_call(vendor.port, VendorCall("page", {}))
    assert (reply.status, reply.body) == (502, "<html>Bad Gateway</html>")


@pytest.mark.parametrize(
    ("status", "raised"),
    [
        (200, SendUnknown),
        (307, SendRefused),
        (400, SendRefused),
        (401, CredentialsRevoked),
        (403, SendRefused),
        (404, SendRefused),
        (408, SendUnknown),
        (429, RetryLater),
        (500, SendUnknown),
        (503, SendUnknown),
    ],
)
def test_a_status_means_this(status: int, raised: type[Exception]) -> None:
    assert type(build_delivery_error(VendorResponse(status, ""))) is raised


@pytest.mark.parametrize(
    ("header", "told", "waits"),
    [
        ("5", None, 5000),
        ("0.2504", None, 251),
        ("5", 7, 7000),
        ("", None, None),
        ("soon", None, None),
        ("-1", None, None),
        ("nan", None, None),
        ("1e30", None, None),
        ("", "never", None),
        ("", [1], None),
    ],
)
def test_the_wait_is_what_the_vendor_asks_for_where_that_makes_sense(
    header: str, told: object, waits: int | None
) -> None:
    assert (
        build_delivery_error(VendorResponse(429, "", {"retry-after": header}), retry_after=told).retry_after_ms == waits
    )


async def test_a_proxy_of_the_environment_is_used(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{vendor.port}")
    connection = HttpConnection("http://vendor.invalid")
    try:
        assert (await connection.perform(CALL, "m1")).body == {"id": "v1"}
    finally:
        await connection.close()


async def test_without_a_proxy_the_users_netrc_sends_nothing(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    connection = HttpConnection(f"http://127.0.0.1:{vendor.port}")
    try:
        await connection.perform(CALL, "m1")
    finally:
        await connection.close()
    assert [authorization for authorization, _ in vendor.taken] == [""]
