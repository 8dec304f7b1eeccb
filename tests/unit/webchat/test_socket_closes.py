"""Every way a chat socket is closed, and that others do not notice."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import aiohttp
import jwt
import pytest

from gateway.webchat import socket_sender, sockets
from tests.unit.webchat.conftest import Shop, message, open_socket, raw_socket
from tests.unit.webchat.test_sessions import identity


@pytest.mark.parametrize(
    "first",
    [
        '{"type":"hello","token":"forged"}',
        '{"type":"hello"}',
        '{"type":"hello","token":7}',
    ],
)
async def test_4401_when_the_first_frame_brings_no_valid_token(shop: Shop, first: str) -> None:
    socket = await raw_socket(shop)
    await socket.raw.send_str(first)
    assert await socket.closed() == 4401


@pytest.mark.parametrize(
    "first",
    ['{"type":"message","client_msg_id":"a","text":"x"}', "{", "{}", "7", "[" * 30_000],
    ids=lambda first: first[:40],
)
async def test_4408_when_the_first_frame_is_no_hello(shop: Shop, first: str) -> None:
    socket = await raw_socket(shop)
    await socket.raw.send_str(first)
    assert await socket.closed() == 4408


@pytest.mark.parametrize("last_seq", ["-1", "1e400", "9007199254740993", '"7"', "1.5"])
async def test_4408_when_the_hello_has_a_wrong_number(shop: Shop, last_seq: str) -> None:
    visitor, socket = await shop.visitor(), await raw_socket(shop)
    await socket.raw.send_str(f'{{"type":"hello","token":"{visitor.token}","last_seq":{last_seq}}}')
    frame = await socket.frame("error")
    assert frame["error"]["code"] == "invalid_request"
    assert frame["error"]["message"].startswith("last_seq: must be")
    assert await socket.closed() == 4408


async def test_4408_when_the_first_frame_is_binary(shop: Shop) -> None:
    socket = await raw_socket(shop)
    await socket.raw.send_bytes(b"hello")
    assert await socket.closed() == 4408


async def test_4401_when_the_token_expires_while_the_socket_is_open(shop: Shop) -> None:
    socket = await open_socket(await shop.visitor())
    shop.clock.tick(31 * 86_400)
    await socket.send(message("x"))
    assert await socket.closed() == 4401


async def test_4403_for_a_token_of_another_tenant_and_for_a_tenant_that_is_none(shop: Shop) -> None:
    visitor = await shop.visitor()
    socket = await raw_socket(shop, "other")
    await socket.send({"type": "hello", "token": visitor.token})
    assert await socket.closed() == 4403
    assert await (await raw_socket(shop, "nobody")).closed() == 4403


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "https://evil.example",
        "http://shop.example",
        "https://shop.example.evil.example",
        "https://evilshop.example",
        "https://sub.shop.example",
        "https://shop.example:444",
        "https://shop.example@evil.example",
    ],
)
async def test_4403_for_a_page_of_another_site(shop: Shop, origin: str) -> None:
    fenced = await raw_socket(shop, "fenced", headers={"Origin": origin})
    assert await fenced.closed() == 4403
    # Where another account of the tenant allows it, the token's own account decides.
    visitor = await shop.visitor(account="strict")
    socket = await visitor.socket(headers={"Origin": origin})
    assert await socket.closed() == 4403


async def test_the_listed_site_may_connect(shop: Shop) -> None:
    visitor = await shop.visitor(account="strict")
    for origin in ("https://shop.example", "https://SHOP.example:443"):
        await (await visitor.socket(headers={"Origin": origin})).frame("welcome")


async def test_4408_when_no_hello_comes(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "HELLO_TIMEOUT", 0.2)
    assert await (await raw_socket(shop)).closed() == 4408


async def test_1008_for_a_flood_and_others_are_not_disturbed(shop: Shop) -> None:
    flooding, calm = await open_socket(await shop.visitor()), await open_socket(await shop.visitor())
    for _ in range(200):
        await flooding.send({"type": "typing"})
    assert await flooding.closed() == 1008
    await calm.send(message("x"))
    await calm.frame("ack")


async def test_twenty_messages_in_a_second_are_no_flood(shop: Shop) -> None:
    socket = await open_socket(await shop.visitor())
    for n in range(20):
        await socket.send(message("x", f"m{n}"))
    assert [(await socket.frame("ack"))["seq"] for _ in range(20)] == list(range(1, 21))


async def test_1009_over_64_kib_and_not_at_it(shop: Shop) -> None:
    socket = await open_socket(await shop.visitor())
    frame = '{"type":"typing","x":"' + "y" * (65_536 - 24) + '"}'
    assert len(frame) == 65_536
    await socket.raw.send_str(frame)
    await socket.send(message("x"))
    await socket.frame("ack")
    await socket.raw.send_str(frame + " ")
    assert await socket.closed() == 1009


async def test_a_get_that_is_no_upgrade_is_refused(shop: Shop) -> None:
    answer = await shop.call("GET", "/v1/chat/shop/socket")
    assert (answer.status, answer.code) == (400, "invalid_request")


async def test_compression_is_not_offered(shop: Shop) -> None:
    socket = await open_socket(await shop.visitor(), compress=15)
    assert socket.raw.compress == 0


async def test_the_server_pings(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "PING_EVERY", 0.2)
    visitor = await shop.visitor()
    raw = await shop.http.ws_connect(f"{shop.address}/v1/chat/shop/socket", autoping=False)
    await raw.send_json({"type": "hello", "token": visitor.token})
    async with asyncio.timeout(30):
        while (await raw.receive()).type is not aiohttp.WSMsgType.PING:
            pass
    # No pong: a peer that is gone without a word is let go.
    async with asyncio.timeout(30):
        while (await raw.receive()).type not in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSE):
            pass


async def test_a_socket_closes_when_the_identity_of_its_visitor_expires(shop: Shop) -> None:
    """Without a frame from the client; what is said afterwards is not sent down it."""
    visitor = await shop.visitor(identity=identity(shop.clock))
    socket = await open_socket(visitor)
    shop.clock.tick(600)
    await shop.reply(visitor, "Your order is on its way.")
    assert await socket.closed() == 4401
    assert [frame["type"] for frame in socket.seen] == ["welcome"]


async def test_signing_out_closes_the_sockets_of_the_session_and_no_others(shop: Shop) -> None:
    visitor, elsewhere = [await shop.visitor(identity=identity(shop.clock)) for _ in range(2)]
    assert elsewhere.conversation == visitor.conversation
    sockets, other = [await open_socket(visitor) for _ in range(2)], await open_socket(elsewhere)
    assert (await visitor.call("DELETE", "sessions")).status == 204
    assert [await socket.closed() for socket in sockets] == [4401, 4401]
    await shop.reply(elsewhere, "Hello.")
    assert (await other.frame("message"))["message"]["text"] == "Hello."
    late = await visitor.socket()
    assert await late.closed() == 4401


async def test_a_socket_learns_of_a_sign_out_whose_signal_was_lost(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_sender, "SESSION_CHECK_EVERY", 0.0)
    monkeypatch.setattr(socket_sender, "POLL_EVERY", 0.05)
    visitor = await shop.visitor()
    socket = await open_socket(visitor)
    read = jwt.decode(visitor.token, options={"verify_signature": False})
    until = shop.clock() + timedelta(days=30)
    await shop.services.state.tokens.revoke(visitor.conversation, read["sid"], until=until, now=shop.clock())
    assert await socket.closed() == 4401
