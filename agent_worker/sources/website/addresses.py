"""The addresses that a crawl may connect to: public ones, and hosts that the configuration allows."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection
from ipaddress import IPv4Address, IPv6Address

from aiohttp import ThreadedResolver
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from schemas.errors import Forbidden

_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # contains an IPv4 address
_RESERVED_NETWORKS = tuple(
    map(ipaddress.ip_network, ("::/96", "192.0.0.0/24", "192.88.99.0/24", "64:ff9b:1::/48", "2002::/16"))
)
"""Networks that ``is_global`` of some Python versions accepts, and tunnel addresses."""
_MAX_URL_LENGTH = 2000


class PrivateAddress(OSError):
    """A host name resolved to an address that is not public."""


def is_public(text: str) -> bool:
    """Return whether it is an address of the public internet."""
    address = ipaddress.ip_address(text)
    if isinstance(address, IPv6Address) and (inside := _v4_in(address)) is not None:
        return is_public(str(inside))
    if any(address in network for network in _RESERVED_NETWORKS if network.version == address.version):
        return False
    return address.is_global and not address.is_multicast


def _v4_in(address: IPv6Address) -> IPv4Address | None:
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped


class AddressGuard:
    """``private_hosts``: ``host`` or ``host:port`` that may have any address."""

    def __init__(self, private_hosts: Collection[str] = ()) -> None:
        self._allowed = {each.lower() for each in private_hosts}

    def allows(self, host: str, port: int | None) -> bool:
        return bool({host.lower(), f"{host.lower()}:{port}"} & self._allowed)

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
    """Connections go to the addresses checked here; nothing is resolved a second time."""

    def __init__(self, guard: AddressGuard, inner: AbstractResolver | None = None) -> None:
        self._guard = guard
        self._inner = inner or ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        addresses = await self._inner.resolve(host, port, family)
        if not self._guard.allows(host, port):
            for address in addresses:
                if not is_public(address["host"]):
                    raise PrivateAddress(f"{host} has a private address")
        return addresses

    async def close(self) -> None:
        await self._inner.close()
