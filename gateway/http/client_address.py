"""The client address of a request, as reported by the proxies that the configuration trusts."""

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
"""Bits of an IPv6 address that identify a client: everybody can use any number of addresses within a /64 network."""
MAX_HOPS = 32
_FORWARDED_FOR = re.compile(r'(?:^|;)[ \t]*for=(?:"([^"]*)"|([^;"]*))', re.IGNORECASE)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class ClientAddressResolver:
    def __init__(self, config: Config) -> None:
        self._trusted = [ipaddress.ip_network(network) for network in config.trusted_proxies]
        self._header = config.forwarded_header
        self._warned = False

    def resolve(self, request: web.Request) -> str:
        """Return the IPv4 address or the /64 network of IPv6 by which rate limits count this client."""
        peer = request.remote or ""
        if not self._trusted:
            if not self._warned and self._header in request.headers:
                self._warn_once(peer)
            return parse_client(peer)
        address = parse_address(peer)
        if address is None or not self._is_trusted(address):
            return parse_client(peer)
        return format_network(self._find_client(address, self._read_hops(request)))

    def _find_client(self, nearest: Address, hops: Iterable[str]) -> Address:
        """Return the first address from the right that is no trusted proxy: a client can forge all those before it."""
        for hop in hops:
            address = parse_address(hop)
            if address is None:
                break
            nearest = address
            if not self._is_trusted(address):
                break
        return nearest

    def _read_hops(self, request: web.Request) -> list[str]:
        values = ",".join(request.headers.getall(self._header, ())).rsplit(",", MAX_HOPS)[-MAX_HOPS:]
        if self._header == "forwarded":
            matches = [_FORWARDED_FOR.search(value) for value in values]
            values = ["" if match is None else match[1] or match[2] or "" for match in matches]
        return values[::-1]

    def _is_trusted(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)

    def _warn_once(self, peer: str) -> None:
        address = parse_address(peer)
        if address is not None and address.is_private:
            # Most likely a proxy, so all visitors would share its address and its rate limit.
            self._warned = True
            fix = "set trusted_proxies to the networks of your proxies"
            log.warning("forwarded_address_ignored", peer=peer, fix=fix)


def parse_address(text: str) -> Address | None:
    """Parse an address as proxies write it, with or without a port or brackets. None if it is no address."""
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


def format_network(address: Address) -> str:
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((address, IPV6_PREFIX), strict=False))


@functools.lru_cache(maxsize=4096)
def parse_client(peer: str) -> str:
    address = parse_address(peer)
    return UNKNOWN if address is None else format_network(address)
