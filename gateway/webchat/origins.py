"""The sites that may embed the chat, and the CORS headers for browsers.

Callers without an ``Origin`` header are not browsers; for them the token alone decides.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from connectors.web.settings import WebAccount
from gateway.config.settings import Config
from schemas.errors import Forbidden

_DEFAULT_PORTS = {"http": 80, "https": 443}


def normalize_origin(origin: str) -> str:
    """Return ``scheme://host[:port]`` in lower case without the default port; empty if it is no web origin."""
    try:
        parts = urlsplit(origin.strip())
        port = parts.port
    except ValueError:
        return ""
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or parts.username is not None:
        return ""
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        return ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + ("" if port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{port}")


class OriginPolicy:
    """The allowed origins of a configuration."""

    def __init__(self, config: Config) -> None:
        own = {normalize_origin(config.public_url)}
        if config.embedded:
            # The demo page of this process.
            host, _, port = config.listen.rpartition(":")
            own |= {normalize_origin(f"http://{name}:{port}") for name in (host, "localhost", "127.0.0.1")}
        self._own = frozenset(own - {""})
        self._tenants = {tenant: list(section.channels.web.values()) for tenant, section in config.tenants.items()}

    def allows(self, origin: str, account: WebAccount) -> bool:
        """Whether the origin is listed exactly. ``null`` is allowed only if every origin is."""
        if not origin or "*" in account.origins:
            return True
        caller = normalize_origin(origin)
        return bool(caller) and (caller in self._own or caller in {normalize_origin(each) for each in account.origins})

    def check(self, request: web.Request, account: WebAccount) -> None:
        """Raise Forbidden if the request comes from a page of a site that is not listed."""
        if not self.allows(request.headers.get(hdrs.ORIGIN, ""), account):
            raise Forbidden("this site may not use the chat: its origin is not listed")

    def allows_for_tenant(self, origin: str, tenant: str) -> bool:
        """Whether any account of the tenant allows the origin: before a token is read, the account is not known."""
        accounts: Iterable[WebAccount] = self._tenants.get(tenant, ())
        return any(self.allows(origin, account) for account in accounts)

    def has_web_account(self, tenant: str) -> bool:
        return bool(self._tenants.get(tenant))

    def build_headers(self, origin: str, tenant: str) -> dict[str, str]:
        """Build the CORS headers of a response. Credentials are not allowed: tokens have a header of their own."""
        out = {"Vary": "Origin"}
        if origin and self.allows_for_tenant(origin, tenant):
            out["Access-Control-Allow-Origin"] = origin
            out["Access-Control-Expose-Headers"] = "Retry-After"
        return out


PREFLIGHT_HEADERS = {
    "Access-Control-Allow-Methods": "GET, POST, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type",
    "Access-Control-Max-Age": "600",
}
