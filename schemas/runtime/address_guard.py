"""The addresses to which requests may go where a document, a vendor or a stranger names them: public ones, and hosts
that the configuration allows."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection, Mapping
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import urlsplit
from urllib.request import getproxies

import aiohttp
from aiohttp import ThreadedResolver
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from schemas.errors import Forbidden

_PUBLIC_V6 = ipaddress.ip_network("2000::/3")
"""All public addresses of IPv6. Outside are loopback, link-local, site-local, unique local and multicast addresses,
tunnels, and whatever will be reserved next."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # contains an IPv4 address
_RESERVED_NETWORKS = tuple(
    map(
        ipaddress.ip_network, ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
    )
)
"""Networks that ``is_global`` of some Python versions accepts, and tunnel addresses (Teredo, 6to4)."""
_MAX_URL_LENGTH = 2000


def is_public(text: str) -> bool:
    """Return whether it is an address of the public internet."""
    address = ipaddress.ip_address(text)
    if isinstance(address, IPv6Address):
        inside = IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else address.ipv4_mapped
        if inside is not None:
            return is_public(str(inside))
        if address not in _PUBLIC_V6:
            return False
    if any(address in network for network in _RESERVED_NETWORKS if network.version == address.version):
        return False
    return address.is_global and not address.is_multicast


class AddressGuard:
    """``private_hosts``: ``host`` or ``host:port`` that may have any address."""

    def __init__(self, private_hosts: Collection[str] = ()) -> None:
        self.allowed = {each.lower() for each in private_hosts}

    def allows(self, host: str, port: int | None) -> bool:
        return bool({host.lower(), f"{host.lower()}:{port}"} & self.allowed)

    def check(self, url: URL) -> None:
        """Checks before resolving. Raises Forbidden."""
        if (
            url.scheme not in ("http", "https")
            or not url.host
            or url.user is not None
            or len(str(url)) > _MAX_URL_LENGTH
        ):
            raise Forbidden(f"{str(url)[:200]}: not an address of a page")
        try:
            is_private = not is_public(url.host)
        except ValueError:
            return  # a host name: its addresses are checked when it is resolved
        if is_private and not self.allows(url.host, url.port):
            raise Forbidden(f"{url}: a private address", fix=allow_hint(url.host))


def allow_hint(host: str) -> str:
    return f"if it is your own host, list {host!r} under `knowledge: {{private_hosts: [...]}}`"


class GuardResolver(AbstractResolver):
    """Connections go to the addresses checked here; nothing is resolved a second time. Raises Forbidden."""

    def __init__(self, guard: AddressGuard, inner: AbstractResolver | None = None) -> None:
        self._guard = guard
        self._inner = inner or ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        addresses = await self._inner.resolve(host, port, family)
        if not self._guard.allows(host, port) and not all(is_public(address["host"]) for address in addresses):
            raise Forbidden(f"{host}: a private address", fix=allow_hint(host))
        return addresses

    async def close(self) -> None:
        await self._inner.close()


def open_session(
    guard: AddressGuard,
    *,
    resolver: AbstractResolver | None = None,
    proxies: bool = False,
    timeout: aiohttp.ClientTimeout,
    headers: Mapping[str, str] | None = None,
) -> aiohttp.ClientSession:
    """Open a session that connects only to addresses which the guard allows. An address in a URL has no name to
    resolve: ``guard.check`` it before each request, and follow no redirect unchecked.

    With ``proxies``, requests go through those that the environment names, which may be private. They resolve the
    names themselves, so use it only for addresses from the configuration."""
    if proxies:
        guard = AddressGuard([*guard.allowed, *(urlsplit(each).hostname or "" for each in getproxies().values())])
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(resolver=resolver or GuardResolver(guard), limit=4),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=headers,
        timeout=timeout,
        trust_env=proxies,
    )
