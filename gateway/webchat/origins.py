"""Which sites may embed the chat, and what browsers are told about it (CORS).

Callers without an ``Origin`` are not browsers; for them the token alone decides.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from connectors.web.settings import WebAccount
from gateway.config.settings import Config
from schemas.errors import Forbidden

_PORTS = {"http": 80, "https": 443}


def normal(origin: str) -> str:
    """``scheme://host[:port]`` in lower case without the default port; "" for what is no web origin."""
    try:
        parts = urlsplit(origin.strip())
        port = parts.port
    except ValueError:
        return ""
    if parts.scheme not in _PORTS or not parts.hostname or parts.username is not None:
        return ""
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        return ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + ("" if port in (None, _PORTS[parts.scheme]) else f":{port}")


class Origins:
    """The origins of one configuration."""

    def __init__(self, config: Config) -> None:
        own = {normal(config.public_url)}
        if config.embedded:
            # The chat page that this process serves itself.
            host, _, port = config.listen.rpartition(":")
            own |= {normal(f"http://{name}:{port}") for name in (host, "localhost", "127.0.0.1")}
        self._own = frozenset(own - {""})
        self._tenants = {tenant: list(section.channels.web.values()) for tenant, section in config.tenants.items()}

    def allows(self, origin: str, account: WebAccount) -> bool:
        """An exact match, never a suffix; ``null`` only where every origin may."""
        if not origin or "*" in account.origins:
            return True
        asked = normal(origin)
        return bool(asked) and (asked in self._own or asked in {normal(listed) for listed in account.origins})

    def check(self, request: web.Request, account: WebAccount) -> None:
        """Raises Forbidden when a page calls from a site that may not."""
        if not self.allows(request.headers.get(hdrs.ORIGIN, ""), account):
            raise Forbidden("this site may not use the chat: its origin is not listed")

    def allows_any(self, origin: str, tenant: str) -> bool:
        """Whether some account of the tenant allows it; all that is known before a token is read."""
        accounts: Iterable[WebAccount] = self._tenants.get(tenant, ())
        return any(self.allows(origin, account) for account in accounts)

    def knows(self, tenant: str) -> bool:
        return bool(self._tenants.get(tenant))

    def headers(self, origin: str, tenant: str) -> dict[str, str]:
        """CORS headers for an answer; no credentials, for tokens travel in a header of their own."""
        out = {"Vary": "Origin"}
        if origin and self.allows_any(origin, tenant):
            out["Access-Control-Allow-Origin"] = origin
            out["Access-Control-Expose-Headers"] = "Retry-After"
        return out


PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type",
    "Access-Control-Max-Age": "600",
}
