"""A crawl connects to the open internet and to what is allowed: however an address is written, whatever a name says."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Sequence

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from agent_worker.sources.website.fetcher import Fetcher
from schemas.errors import Forbidden, ParleyError
from schemas.runtime.address_guard import AddressGuard, GuardResolver, is_public
from tests.simulators.website import Site, page, serve

PRIVATE = [
    *("127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"),
    *("169.254.169.254", "100.64.0.1", "192.0.0.8", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1"),
    *("224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "192.88.99.1", "::", "::1", "fe80::1", "fc00::1"),
    *("fd12:3456::1", "ff02::1", "ff0e::1", "2001:db8::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1"),
    *("64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2002:a00:1::", "100::1", "fe80::1%eth0", "::127.0.0.1"),
    *(
        "::ffff:0:7f00:1",
        "fec0::1",
        "feff::1",
        "2001::7f00:1",
        "2001:2::1",
        "2001:10::1",
        "3fff::1",
        "5f00::1",
        "4000::1",
    ),
]
OPEN = ["1.1.1.1", "93.184.216.34", "172.15.0.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:1.1.1.1"]
SPELLED = [
    *("2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "017700000001", "127.1", "127.0.1", "0", "127.0.0.1."),
    *("localhost", "LOCALHOST", "localhost.", "%6cocalhost", "①②⑦.⓪.⓪.①", "127。0。0。1", "[::ffff:7f00:1]", "[::1]"),
    *("[0:0:0:0:0:ffff:127.0.0.1]", "[::]", "0.0.0.0", "0000.0.0.0", "127.000.000.001"),
]


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_outside_the_public_internet_are_refused(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", OPEN)
def test_the_open_internet_is_open(address: str) -> None:
    assert is_public(address)


async def _is_refused(url: str, fetcher: Fetcher) -> bool:
    try:
        async with fetcher.open(URL(url)):
            return False
    except (ParleyError, ValueError):
        return True


async def test_no_spelling_of_a_private_address_reaches_it() -> None:
    """Numbers in any base, names, other scripts, credentials and ports: our trap is never asked."""
    async with serve({"/": page("Trap")}) as trap:
        hosts = [*SPELLED, *(f"[{each}]" if ":" in each else each for each in PRIVATE)]
        forms = ("http://{}:{}/", "http://good.example@{}:{}/", "http://{}:{}/?x=http://good.example", "https://{}:{}/")
        urls = [form.format(host, trap.port) for form, host in itertools.product(forms, hosts)]
        urls += [
            f"ftp://127.0.0.1:{trap.port}/",
            "file:///etc/passwd",
            "gopher://127.0.0.1/",
            "http:///",
            "//127.0.0.1/",
        ]
        async with Fetcher(AddressGuard()) as fetcher:
            reached = [url for url in urls if not await _is_refused(url, fetcher)]
        assert len(urls) >= 240
        assert reached == []
        assert trap.asked == []


class ScriptedResolver(AbstractResolver):
    """Says for each look-up what comes next, as a name server of somebody else's may."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        self.asked += 1
        addresses = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return [
            ResolveResult(hostname=host, host=each, port=port, family=socket.AF_INET, proto=0, flags=0)
            for each in addresses
        ]

    async def close(self) -> None:
        """Nothing is held."""


async def test_a_name_with_any_private_address_is_refused(site_with_trap: Site) -> None:
    port = site_with_trap.port
    for addresses in (["127.0.0.1"], ["1.1.1.1", "127.0.0.1"], ["::ffff:127.0.0.1"]):
        guard = AddressGuard()
        with pytest.raises(Forbidden, match="private address") as caught:
            async with (
                Fetcher(guard, GuardResolver(guard, ScriptedResolver(addresses))) as fetcher,
                fetcher.open(URL(f"http://shop.example:{port}/")),
            ):
                pass
        assert "private_hosts" in caught.value.fix
    assert site_with_trap.asked == []


async def test_a_connection_goes_to_the_address_that_was_checked(site_with_trap: Site) -> None:
    """A name server that answers otherwise the second time is not asked a second time."""
    guard = AddressGuard(["shop.example"])
    told = ScriptedResolver(["127.0.0.1"], ["127.0.0.2"])
    url = URL(f"http://shop.example:{site_with_trap.port}/")
    async with Fetcher(guard, GuardResolver(guard, told)) as fetcher:
        for _ in range(2):
            async with fetcher.open(url) as answer:
                assert b"Trap" in await answer.body(10_000)
    assert told.asked == 1


async def test_allowed_hosts_are_allowed_by_host_or_with_their_port(site_with_trap: Site) -> None:
    port = site_with_trap.port
    cases = {f"127.0.0.1:{port}": True, "127.0.0.1": True, "127.0.0.1:1": False, "127.0.0.2": False}
    for allowed, is_allowed in cases.items():
        async with Fetcher(AddressGuard([allowed])) as fetcher:
            assert await _is_refused(f"http://127.0.0.1:{port}/", fetcher) is not is_allowed
