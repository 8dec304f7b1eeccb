"""The client's address: only trusted proxies are believed."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from gateway.config.settings import Config
from gateway.http.client_address import ClientAddressResolver
from tests.harness.time_growth import assert_in_proportion

PROXIES = ["10.0.0.0/8", "fd00::/8"]
XFF, FORWARDED = "X-Forwarded-For", "Forwarded"


def address(peer: str, *headers: tuple[str, str], **settings: Any) -> str:
    config = Config.model_validate({"tenants": {"shop": {"name": "Shop"}}, **settings})
    request = make_mocked_request("GET", "/", headers=CIMultiDict(headers)).clone(remote=peer)
    return ClientAddressResolver(config).resolve(request)


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", "unknown"),
    ],
)
def test_a_client_is_its_address_or_the_network_of_one(peer: str, expected: str) -> None:
    assert address(peer) == expected
    assert address(peer, (XFF, "198.51.100.1")) == expected, "no proxy is trusted"


@pytest.mark.parametrize("peer", ["203.0.113.9", "11.0.0.1"])
def test_forwarded_headers_from_untrusted_peers_are_ignored(peer: str) -> None:
    assert address(peer, (XFF, "198.51.100.1"), trusted_proxies=PROXIES) == peer


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["198.51.100.1"], "198.51.100.1"),
        (["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
        (["1.1.1.1, 198.51.100.1, 10.1.2.3"], "198.51.100.1"),
        (["1.1.1.1", "198.51.100.1, 10.1.2.3"], "198.51.100.1"),
        (["10.7.7.7, 10.1.2.3"], "10.7.7.7"),
        (["1.1.1.1, nonsense, 10.1.2.3"], "10.1.2.3"),
        (["198.51.100.1:4711"], "198.51.100.1"),
        (["[2001:db8::7]:4711"], "2001:db8::/64"),
        (["fd00::1"], "fd00::/64"),
        ([""], "10.0.0.1"),
        ([], "10.0.0.1"),
    ],
)
def test_behind_proxies_it_is_the_rightmost_address_that_is_no_proxys(values: list[str], expected: str) -> None:
    assert address("10.0.0.1", *((XFF, value) for value in values), trusted_proxies=PROXIES) == expected


def test_the_standard_header_is_read_where_the_proxies_write_it() -> None:
    said = 'for=1.1.1.1, For="[2001:db8::7]:4711";proto=https;by=10.0.0.1, proto=http;for=10.1.2.3'
    settings = {"trusted_proxies": PROXIES, "forwarded_header": "forwarded"}
    assert address("10.0.0.1", (FORWARDED, said), (XFF, "198.51.100.1"), **settings) == "2001:db8::/64"
    assert address("10.0.0.1", (FORWARDED, "for=_hidden"), **settings) == "10.0.0.1"
    assert address("10.0.0.1", (XFF, "198.51.100.1"), **settings) == "10.0.0.1", "a client could have written it"


@pytest.mark.parametrize("network", ["10.0.0.0/33", "proxy.example", "10.0.0"])
def test_a_network_that_is_none_is_refused(network: str) -> None:
    with pytest.raises(ValueError, match="must be an address or a network"):
        address("10.0.0.1", trusted_proxies=[network])


@pytest.mark.parametrize("piece", ["10.0.0.1,", "for=", " ", ";", '"', "for=10.0.0.1;", "::", "["])
@pytest.mark.parametrize("header", [XFF, FORWARDED])
def test_a_long_header_takes_time_in_proportion_to_its_length(piece: str, header: str) -> None:
    settings = {"trusted_proxies": PROXIES, "forwarded_header": header.lower()}
    config = Config.model_validate({"tenants": {"shop": {"name": "Shop"}}, **settings})
    addresses = ClientAddressResolver(config)

    def request(size: int) -> Any:
        return make_mocked_request("GET", "/", headers={header: piece * (size // len(piece))}).clone(remote="10.0.0.1")

    assert_in_proportion(request, addresses.resolve, 64_000)
