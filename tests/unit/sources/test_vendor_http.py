"""Requests to vendors: retries, waits that are asked for, limits, and refusals that repeat no secret."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from yarl import URL

from agent_worker.sources import vendor_http
from agent_worker.sources.retries import MAX_ATTEMPTS, Retries
from agent_worker.sources.source_options import SourceOptions
from agent_worker.sources.vendor_http import VendorHttp, check_address
from gateway.http.app import run_server
from schemas.errors import (
    Forbidden,
    InvalidRequest,
    NotFound,
    ParleyError,
    RateLimited,
    TooLarge,
    Unauthorized,
    Unavailable,
)

TOKEN = "Bearer secret-token"


@dataclass
class Vendor:
    """Answers by ``answers``, one after another; then with an empty list. ``slept``: waits of the client."""

    answers: list[Callable[[web.Request], web.StreamResponse]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    address: str = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request.headers.get("Authorization", ""))
        return self.answers.pop(0)(request) if self.answers else web.json_response([])

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def client(self) -> VendorHttp:
        hosts = [self.address.removeprefix("http://")]
        address, headers = check_address(self.address, hosts), {"Authorization": TOKEN}
        return VendorHttp("the vendor", address, private_hosts=hosts, headers=headers, fix="a fix", sleep=self.sleep)


@pytest.fixture
async def vendor() -> AsyncIterator[Vendor]:
    vendor = Vendor()
    app = web.Application()
    app.router.add_get("/{path:.*}", vendor.handle)
    async with run_server(app, "127.0.0.1", 0) as port:
        vendor.address = f"http://127.0.0.1:{port}"
        yield vendor


def status(code: int, **headers: str) -> Callable[[web.Request], web.StreamResponse]:
    return lambda _request: web.Response(status=code, headers=headers)


def drop(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def garbage(_request: web.Request) -> web.StreamResponse:
    return web.Response(text="[1, 2", content_type="application/json")


async def test_failures_that_may_pass_are_tried_again(vendor: Vendor) -> None:
    vendor.answers = [status(500), drop, garbage, status(429, **{"Retry-After": "7"}), status(503)]
    async with vendor.client() as http:
        assert await http.get_json("list", {"page": "1"}) == []
    assert vendor.requests == [TOKEN] * 6
    assert 7 <= vendor.slept[-2] < 8, "as long as the vendor asks for"


@pytest.mark.parametrize("answer", [status(500), status(429), drop, garbage])
async def test_attempts_are_bounded(vendor: Vendor, answer: Callable[[web.Request], web.StreamResponse]) -> None:
    vendor.answers = [answer] * 20
    async with vendor.client() as http:
        with pytest.raises(Unavailable, match=f"{MAX_ATTEMPTS} attempts"):
            await http.get_json()
    assert len(vendor.slept) == MAX_ATTEMPTS - 1


async def test_a_long_wait_is_left_to_the_next_sync(vendor: Vendor) -> None:
    vendor.answers = [status(429, **{"Retry-After": "3600"})]
    async with vendor.client() as http:
        with pytest.raises(RateLimited, match="3600 s") as caught:
            await http.get_json()
    assert caught.value.retry_after_ms == 3_600_000
    assert vendor.slept == []


@pytest.mark.parametrize(
    ("code", "error", "fix"),
    [(401, Unauthorized, "a fix"), (403, Forbidden, "a fix"), (404, NotFound, ""), (400, InvalidRequest, "")],
)
async def test_a_refusal_is_not_tried_again(vendor: Vendor, code: int, error: type[ParleyError], fix: str) -> None:
    vendor.answers = [lambda request: web.Response(status=code, text=request.headers["Authorization"])]
    async with vendor.client() as http:
        with pytest.raises(error) as caught:
            await http.get_json()
    assert caught.value.fix == fix
    assert "secret" not in str(caught.value)
    assert len(vendor.requests) == 1


async def test_a_redirect_is_not_followed(vendor: Vendor) -> None:
    vendor.answers = [status(302, Location=f"{vendor.address}/elsewhere")]
    async with vendor.client() as http:
        with pytest.raises(InvalidRequest, match="a redirect"):
            await http.get()
    assert len(vendor.requests) == 1


async def test_an_endless_answer_is_cut(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vendor_http, "MAX_BYTES", 1_000_000)
    vendor.answers = [lambda _request: web.Response(body=b"x" * 1_000_001)]
    async with vendor.client() as http:
        with pytest.raises(TooLarge):
            await http.get()


def test_waits_grow_and_are_spread_and_bounded() -> None:
    retries = Retries("Vendor", max_delay_s=64)
    assert all(0.5 * 2**attempt <= retries.delay(attempt, 0) <= 2**attempt for attempt in range(7))
    assert retries.delay(40, 0) <= 64
    assert 5 <= retries.delay(0, 5) < 6


@pytest.mark.parametrize(
    "address",
    [
        "http://desk.example.com/",
        "https://127.0.0.1/",
        "https://u:p@desk.example.com/",
        "ftp://desk.example.com",
        "[",
        "",
    ],
)
def test_an_address_that_is_private_or_not_encrypted_is_refused(address: str) -> None:
    with pytest.raises(Forbidden):
        check_address(address, ["127.0.0.1:9"])


def test_an_own_host_may_be_private_and_not_encrypted() -> None:
    assert check_address("http://127.0.0.1:9/x", ["127.0.0.1:9"]).path == "/x"
    assert check_address("https://desk.example.com/x", []).host == "desk.example.com"


class VendorOptions(SourceOptions):
    token: str
    pages: int = 3


@pytest.mark.parametrize(
    ("options", "message", "fix"),
    [
        ({"token": "s3cret", "tokens": "s3cret"}, "no option 'tokens'", "did you mean 'token'?"),
        ({"token": "s3cret", "colour": "s3cret"}, "no option 'colour'", "the options are: token, pages"),
        ({}, "token: must be set", "the options are: token, pages"),
        ({"token": "t", "pages": "s3cret"}, "pages: must be a whole number", "the options are: token, pages"),
    ],
)
def test_a_wrong_option_is_named_without_its_value(options: dict[str, str], message: str, fix: str) -> None:
    with pytest.raises(InvalidRequest, match=message) as caught:
        VendorOptions.parse(options)
    assert caught.value.fix == fix
    assert "s3cret" not in f"{caught.value}{caught.value.fix}{caught.value.__cause__}{caught.value.__context__}"


async def test_what_a_name_resolves_to_is_checked_when_the_connection_is_made(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also beside a proxy of the environment, which may be private itself."""
    port = vendor.address.rpartition(":")[2]
    url = URL(f"http://localhost:{port}")
    for proxies in ({}, {"https_proxy": "http://10.0.0.1:3128"}):
        for name, value in proxies.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(Forbidden, match="localhost: a private address") as refused:
            async with VendorHttp("the vendor", url, private_hosts=(), sleep=vendor.sleep) as http:
                await http.get_json()
        assert "private_hosts" in refused.value.fix
    assert (vendor.requests, vendor.slept) == ([], [])
    monkeypatch.setenv("http_proxy", f"http://localhost:{port}")
    async with VendorHttp("the vendor", URL("http://vendor.example"), private_hosts=(), sleep=vendor.sleep) as http:
        assert await http.get_json("list") == []
    assert len(vendor.requests) == 1
