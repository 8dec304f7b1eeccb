"""The fault proxy breaks what it says, only that, and counts it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

import pytest

from tests.harness.proxy import Proxy

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


DIALLED: list[asyncio.StreamWriter] = []
"""What the running test has opened, to be closed at its end."""


class Echo:
    """A server that answers with what it got, and remembers it."""

    def __init__(self) -> None:
        self.heard = b""
        self.endings: list[str] = []
        self.news = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                self.heard += data
                self.news.set()
                writer.write(data)
            self.endings.append("end")
        except ConnectionError:
            self.endings.append("reset")
        finally:
            self.news.set()
            writer.close()

    async def until(self, text: bytes) -> None:
        async with asyncio.timeout(30):
            while self.heard != text:
                self.news.clear()
                await self.news.wait()

    async def ended(self) -> str:
        async with asyncio.timeout(30):
            while not self.endings:
                self.news.clear()
                await self.news.wait()
        return self.endings[0]


@asynccontextmanager
async def proxied() -> AsyncIterator[tuple[Echo, Proxy]]:
    echo = Echo()
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    async with Proxy(server.sockets[0].getsockname()[1]) as proxy:
        yield echo, proxy
        for writer in DIALLED:
            writer.close()
        DIALLED.clear()
    server.close()


async def dial(proxy: Proxy) -> Streams:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    DIALLED.append(writer)
    return reader, writer


async def ask(streams: Streams, text: bytes, deadline: float = 30) -> bytes:
    streams[1].write(text)
    return await asyncio.wait_for(streams[0].readexactly(len(text)), deadline)


async def silent(waiting: Awaitable[object], seconds: float = 0.15) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(waiting, seconds)


async def test_in_fair_weather_bytes_pass_both_ways_and_an_end_is_passed_on() -> None:
    async with proxied() as (echo, proxy):
        one, two = await dial(proxy), await dial(proxy)
        big = bytes(range(256)) * 8192
        assert await ask(one, big) == big
        assert await ask(two, b"second") == b"second"
        one[1].write_eof()
        assert await asyncio.wait_for(one[0].read(), 30) == b""
        assert await echo.ended() == "end"
        assert not proxy.fired


async def test_latency_makes_each_answer_late_by_twice_the_delay_in_order() -> None:
    async with proxied() as (_echo, proxy):
        streams = await dial(proxy)
        await ask(streams, b"warm")
        proxy.delay(0.1, jitter=0.05)
        begun = asyncio.get_running_loop().time()
        assert await ask(streams, b"first") == b"first"
        assert asyncio.get_running_loop().time() - begun >= 0.1
        for piece in (b"a", b"b", b"c"):
            streams[1].write(piece)
            await streams[1].drain()
        assert await asyncio.wait_for(streams[0].readexactly(3), 30) == b"abc"
        assert proxy.fired["latency"] >= 2


async def test_a_throttled_connection_takes_its_time() -> None:
    async with proxied() as (_echo, proxy):
        streams = await dial(proxy)
        proxy.throttle(20_000)
        begun = asyncio.get_running_loop().time()
        await ask(streams, b"x" * 2000)
        assert asyncio.get_running_loop().time() - begun >= 0.2
        assert proxy.fired["bandwidth"] >= 2


async def test_a_stall_delivers_everything_once_healed() -> None:
    async with proxied() as (echo, proxy):
        streams = await dial(proxy)
        await ask(streams, b"warm")
        proxy.stall()
        streams[1].write(b"late")
        await silent(echo.until(b"warmlate"))
        await proxy.heal()
        assert await asyncio.wait_for(streams[0].readexactly(4), 30) == b"late"
        assert proxy.fired["stall"] == 1


async def test_a_blackhole_towards_the_client_lets_requests_take_effect_and_loses_answers() -> None:
    async with proxied() as (echo, proxy):
        streams = await dial(proxy)
        proxy.blackhole("client")
        streams[1].write(b"done")
        await echo.until(b"done")
        await silent(streams[0].read(1))
        await proxy.heal()
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(streams[0].readexactly(4), 30)
        assert await ask(await dial(proxy), b"new") == b"new"
        assert proxy.fired["blackhole"] == 1


async def test_a_blackhole_both_ways_lets_nothing_arrive() -> None:
    async with proxied() as (echo, proxy):
        streams = await dial(proxy)
        await ask(streams, b"warm")
        proxy.blackhole()
        streams[1].write(b"lost")
        await silent(streams[0].read(1))
        assert echo.heard == b"warm"


async def test_of_a_half_open_connection_the_server_knows_the_end_and_the_client_does_not() -> None:
    async with proxied() as (echo, proxy):
        streams = await dial(proxy)
        await ask(streams, b"warm")
        assert proxy.half_open() == 1
        assert await echo.ended() == "reset"
        streams[1].write(b"into the void")
        await silent(streams[0].read(1))
        assert await ask(await dial(proxy), b"new") == b"new"
        await proxy.heal()
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(streams[0].readexactly(1), 30)
        assert proxy.fired["half_open"] == 1


async def test_a_reset_is_felt_on_both_sides_and_a_new_connection_works() -> None:
    async with proxied() as (echo, proxy):
        streams = await dial(proxy)
        await ask(streams, b"warm")
        assert proxy.reset() == 1
        assert await echo.ended() == "reset"
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(streams[0].readexactly(1), 30)
        assert await ask(await dial(proxy), b"new") == b"new"


async def test_a_refusing_proxy_lets_nobody_in_until_healed() -> None:
    async with proxied() as (_echo, proxy):
        proxy.refuse()
        with pytest.raises(ConnectionRefusedError):
            await dial(proxy)
        await proxy.heal()
        assert await ask(await dial(proxy), b"new") == b"new"


async def test_a_client_whose_server_is_unreachable_is_reset() -> None:
    async with Proxy(target_port=1) as proxy:
        streams = await dial(proxy)
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(streams[0].readexactly(1), 30)
