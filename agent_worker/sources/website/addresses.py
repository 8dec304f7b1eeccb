"""Which addresses a crawl may connect to: those of the open internet, and hosts that the configuration allows."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection
from ipaddress import IPv4Address, IPv6Address

from aiohttp import ThreadedResolver
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from schemas.errors import Forbidden

_EMBEDS_V4 = ipaddress.ip_network("64:ff9b::/96")  # the well-known prefix of address translation
_NOT_OPEN = tuple(map(ipaddress.ip_network, ("::/96", "192.0.0.0/24", "192.88.99.0/24", "64:ff9b:1::/48", "2002::/16")))
"""Which ``is_global`` of some Pythons takes for open, and what tunnels to anywhere."""
_TOO_LONG = 2000


class PrivateAddress(OSError):
    """A name led to an address that is not of the open internet."""


def is_open(text: str) -> bool:
    """Whether it is an address of the open internet."""
    address = ipaddress.ip_address(text)
    if isinstance(address, IPv6Address) and (inside := _v4_in(address)) is not None:
        return is_open(str(inside))
    if any(address in network for network in _NOT_OPEN if network.version == address.version):
        return False
    return address.is_global and not address.is_multicast


def _v4_in(address: IPv6Address) -> IPv4Address | None:
    if address in _EMBEDS_V4:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped


class Guard:
    """``private_hosts``: ``host`` or ``host:port`` that may have any address."""

    def __init__(self, private_hosts: Collection[str] = ()) -> None:
        self._allowed = {each.lower() for each in private_hosts}

    def allows(self, host: str, port: int | None) -> bool:
        return bool({host.lower(), f"{host.lower()}:{port}"} & self._allowed)

    def check(self, url: URL) -> None:
        """Before anything is resolved. Raises Forbidden."""
        if url.scheme not in ("http", "https") or not url.host or url.user is not None or len(str(url)) > _TOO_LONG:
            raise Forbidden(f"{str(url)[:200]}: not an address of a page")
        try:
            is_private = not is_open(url.host)
        except ValueError:
            return  # a name: what it leads to is checked when it is resolved
        if is_private and not self.allows(url.host, url.port):
            raise Forbidden(f"{url}: a private address", fix=allow(url.host))


def allow(host: str) -> str:
    return f"when it is a host of yours, list {host!r} under `knowledge: {{private_hosts: [...]}}`"


class GuardedResolver(AbstractResolver):
    """The connection is made to what was checked here: nothing is resolved a second time."""

    def __init__(self, guard: Guard, inner: AbstractResolver | None = None) -> None:
        self._guard = guard
        self._inner = inner or ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        if not self._guard.allows(host, port):
            for each in found:
                if not is_open(each["host"]):
                    raise PrivateAddress(f"{host} has a private address")
        return found

    async def close(self) -> None:
        await self._inner.close()
