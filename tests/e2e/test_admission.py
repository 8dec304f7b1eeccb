"""A crowd from one address uses up its own share of the web chat, and nothing of what others may send."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.e2e.conftest import ENGINES, run_installation
from tests.harness.contract_client import Answer, ContractClient, Visitor
from tests.harness.installation import Installation
from tests.harness.processes import ForkServer
from tests.simulators.meta.signing import encode_payload, signatures

APP_SECRET = "the-app-secret-of-the-shop"
CROWD = 12
HOOK = "/v1/webhooks/whatsapp/plantstore/main"


def whatsapp_text(number: int) -> dict[str, Any]:
    message = {"from": "15550001111", "id": f"wamid.{number}", "timestamp": "1790000000", "type": "text"}
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15559990000", "phone_number_id": "106540352242922"},
        "contacts": [{"profile": {"name": "Ann"}, "wa_id": "15550001111"}],
        "messages": [message | {"text": {"body": f"Question {number}"}}],
    }
    changes = [{"field": "messages", "value": value}]
    return {"object": "whatsapp_business_account", "entry": [{"id": "77", "changes": changes}]}


@pytest.fixture
async def busy(fork_server: ForkServer, tmp_path: Path) -> AsyncIterator[Installation]:
    """A tenant with a web chat and a WhatsApp number, and room for 20 messages a second on each."""
    whatsapp = {
        "provider": "meta",
        "phone_number_id": "106540352242922",
        "access_token": "token",
        "app_secret": APP_SECRET,
        "verify_token": "verify",
        "api_base": "http://127.0.0.1:9/v26.0",
    }
    tenant = {
        "name": "Plants",
        "limits": {"inbound_per_s": 20},
        "channels": {"web": {"main": {}}, "whatsapp": {"main": whatsapp}},
    }
    installation = Installation.make(fork_server, tmp_path, tenants={"plantstore": tenant})
    await installation.start()
    yield installation
    await installation.stop()


@asynccontextmanager
async def client_from_address(installation: Installation, address: str) -> AsyncIterator[ContractClient]:
    connector = aiohttp.TCPConnector(local_addr=(address, 0), limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=60)) as session:
        yield ContractClient(installation, session)


async def flood(visitor: Visitor, seen: Counter[int], until: asyncio.Event) -> None:
    number = 0
    while not until.is_set():
        number += 1
        seen[(await visitor.post(client_msg_id=f"f{number}", text="x")).status] += 1


async def test_a_crowd_from_one_address_takes_nothing_from_other_channels_and_addresses(busy: Installation) -> None:
    """All webhooks that a vendor signed get 200, and a visitor at another address sends ten messages of ten."""
    seen, done = Counter[int](), asyncio.Event()
    async with AsyncExitStack() as stack:
        crowd = await stack.enter_async_context(client_from_address(busy, "127.0.0.2"))
        vendor = await stack.enter_async_context(client_from_address(busy, "127.0.0.3"))
        other = await stack.enter_async_context(client_from_address(busy, "127.0.0.4"))
        visitors = [await crowd.visitor() for _ in range(CROWD)]
        floods = [asyncio.create_task(flood(visitor, seen, done)) for visitor in visitors]
        try:
            async with asyncio.timeout(60):
                while not seen[429]:  # noqa: ASYNC110  # the crowd is at its limit
                    await asyncio.sleep(0.01)
            hooks = []
            for number in range(20):
                body = encode_payload(whatsapp_text(number))
                headers = {"Content-Type": "application/json", **signatures(APP_SECRET, body)}
                hooks.append((await vendor.call("POST", HOOK, data=body, headers=headers)).status)
            somebody = await other.visitor()
            posted = [(await somebody.post(client_msg_id=f"m{n}", text="hello")).status for n in range(10)]
        finally:
            done.set()
            await asyncio.gather(*floods)
    print(f"crowd: {dict(seen)}; webhooks: {Counter(hooks)}; another address: {Counter(posted)}")
    assert hooks == [200] * 20
    assert posted == [202] * 10
    assert seen[429] > seen[202]


async def test_a_visitor_may_have_a_few_sockets_and_no_more(busy: Installation) -> None:
    """Of sixty on one token twenty stay open; the others are told why and closed with 1008. One that closes makes room
    for another."""
    async with client_from_address(busy, "127.0.0.2") as shop, AsyncExitStack() as stack:
        visitor = await shop.visitor()
        opened = []
        for _ in range(60):
            socket = await stack.enter_async_context(shop.http.ws_connect(f"{busy.base}/v1/chat/plantstore/socket"))
            await socket.send_json({"type": "hello", "token": visitor.token})
            opened.append((socket, json.loads((await socket.receive(timeout=30)).data)))
        kinds = Counter(first["type"] for _, first in opened)
        print(f"60 sockets on one token: {dict(kinds)}")
        assert kinds == {"welcome": 20, "error": 40}
        for socket, first in opened[20:]:
            assert first["error"]["code"] == "rate_limited"
            assert (await socket.receive(timeout=30)).type is aiohttp.WSMsgType.CLOSE
            assert socket.close_code == 1008
        await opened[0][0].close()
        async with asyncio.timeout(30):
            while (await _open_socket(shop, busy, visitor)) != "welcome":  # noqa: ASYNC110  # nothing announces it
                await asyncio.sleep(0.05)


async def _open_socket(shop: ContractClient, installation: Installation, visitor: Visitor) -> str:
    async with shop.http.ws_connect(f"{installation.base}/v1/chat/plantstore/socket") as socket:
        await socket.send_json({"type": "hello", "token": visitor.token})
        return str(json.loads((await socket.receive(timeout=30)).data)["type"])


async def test_sessions_begun_from_one_address_leave_room_for_those_of_others(busy: Installation) -> None:
    """Also when the address says that it is another one: the configuration trusts no proxy."""
    seen, done, path = Counter[int](), asyncio.Event(), "/v1/chat/plantstore/sessions"

    async def begin(crowd: ContractClient) -> None:
        while not done.is_set():
            forwarded = {"X-Forwarded-For": f"198.51.100.{seen.total() % 250}"}
            seen[(await crowd.call("POST", path, json={}, headers=forwarded)).status] += 1

    async with client_from_address(busy, "127.0.0.2") as crowd, client_from_address(busy, "127.0.0.4") as other:
        floods = [asyncio.create_task(begin(crowd)) for _ in range(CROWD)]
        try:
            async with asyncio.timeout(60):
                while seen[429] < 50:  # noqa: ASYNC110  # the crowd is at its limit
                    await asyncio.sleep(0.01)
            begun = [(await other.call("POST", path, json={})).status for _ in range(10)]
        finally:
            done.set()
            await asyncio.gather(*floods)
    assert begun == [201] * 10


@pytest.fixture(params=ENGINES)
async def small(request: pytest.FixtureRequest, fork_server: ForkServer, tmp_path: Path) -> AsyncIterator[Installation]:
    """A tenant that stores half a megabyte of text a day, and as much in files."""
    limits = {"text_bytes_per_day": 500_000, "stored_file_bytes": 500_000}
    tenant = {"name": "Plants", "limits": limits, "channels": {"web": {"main": {}}}}
    async with run_installation(request, fork_server, tmp_path, tenants={"plantstore": tenant}) as installation:
        yield installation


async def send_until_refused(client: ContractClient, kind: str, most: int) -> tuple[int, Answer]:
    """Send up to ``most`` times, each time as a new visitor. Returns how many were accepted, and the last answer."""
    answer = Answer(0, {}, b"", None)
    for number in range(most):
        visitor = await client.visitor()
        if kind == "texts":
            answer = await visitor.post(client_msg_id="m", text="\u65e5" * 7_990)
        else:
            form = aiohttp.FormData()
            form.add_field("file", b"a" * 24_000, filename="a.txt")
            answer = await visitor.call("POST", "attachments", data=form)
        if answer.status >= 400:
            return number, answer
    return most, answer


async def test_an_address_that_sends_until_it_is_refused_leaves_room_for_others(small: Installation) -> None:
    async with client_from_address(small, "127.0.0.2") as first, client_from_address(small, "127.0.0.4") as second:
        for kind in ("texts", "files"):
            accepted, refused = await send_until_refused(first, kind, 30)
            elsewhere, _ = await send_until_refused(second, kind, 3)
            wait = int(refused.headers.get("Retry-After", 0))
            print(f"{kind}: {accepted} accepted, then {refused.status}, wait {wait}; another address: {elsewhere} of 3")
            assert accepted == 5, "a quarter of the quota"
            assert (refused.status, refused.body["error"]["code"]) == (429, "rate_limited")
            assert wait > 60
            assert elsewhere == 3
