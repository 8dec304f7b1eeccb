"""The client address of a request, as the proxies that the configuration trusts report it."""

from __future__ import annotations

import functools
import ipaddress
import re
from collections.abc import Iterable

import structlog
from aiohttp import web

from gateway.config.settings import Config

log = structlog.get_logger("parley.gateway")

UNKNOWN = "unknown"
IPV6_PREFIX = 64
"""Bits of an IPv6 address that stand for one client: within them anybody has as many addresses as they like."""
MOST_HOPS = 32
_FORWARDED_FOR = re.compile(r'(?:^|;)[ \t]*for=(?:"([^"]*)"|([^;"]*))', re.IGNORECASE)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class ClientAddresses:
    """Built once for the app."""

    def __init__(self, config: Config) -> None:
        self._trusted = [ipaddress.ip_network(network) for network in config.trusted_proxies]
        self._header = config.forwarded_header
        self._warned = False

    def of(self, request: web.Request) -> str:
        """An IPv4 address or a /64 network of IPv6, as text: what a budget is counted by."""
        peer = request.remote or ""
        if not self._trusted:
            if not self._warned and self._header in request.headers:
                self._warn(peer)
            return client_of(peer)
        address = parsed(peer)
        if address is None or not self._trusts(address):
            return client_of(peer)
        return network_of(self._walk(address, self._hops(request)))

    def _walk(self, nearest: Address, hops: Iterable[str]) -> Address:
        """From the right to the first that is no proxy of ours: all to its left a client may have written."""
        for hop in hops:
            address = parsed(hop)
            if address is None:
                break
            nearest = address
            if not self._trusts(address):
                break
        return nearest

    def _hops(self, request: web.Request) -> list[str]:
        values = ",".join(request.headers.getall(self._header, ())).rsplit(",", MOST_HOPS)[-MOST_HOPS:]
        if self._header == "forwarded":
            found = [_FORWARDED_FOR.search(value) for value in values]
            values = ["" if each is None else each[1] or each[2] or "" for each in found]
        return values[::-1]

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)

    def _warn(self, peer: str) -> None:
        address = parsed(peer)
        if address is not None and address.is_private:
            # Most likely a proxy: then all visitors share its address, and its budget.
            self._warned = True
            fix = "set trusted_proxies to the networks of your proxies"
            log.warning("forwarded_address_ignored", peer=peer, fix=fix)


def parsed(text: str) -> Address | None:
    """An address as proxies write it: perhaps with a port, perhaps in brackets. None for what is none."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def network_of(address: Address) -> str:
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((address, IPV6_PREFIX), strict=False))


@functools.lru_cache(maxsize=4096)
def client_of(peer: str) -> str:
    address = parsed(peer)
    return UNKNOWN if address is None else network_of(address)
