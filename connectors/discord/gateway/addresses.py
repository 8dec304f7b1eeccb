"""Configured addresses of one account, for discord.py, which knows only Discord's own.

discord.py has its addresses in class attributes, the same for all accounts of a process. But it takes a connector
from aiohttp for each client, and every request passes there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
from yarl import URL

from connectors.discord.settings import API_BASE, GATEWAY, DiscordAccount

if TYPE_CHECKING:
    from aiohttp.client import ClientTimeout
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace


class AccountConnector(aiohttp.TCPConnector):
    """Leads requests and WebSockets to the account's addresses, where those differ from Discord's. A configured gateway
    is also used for the addresses that Discord gives for resumptions."""

    def __init__(self, settings: DiscordAccount) -> None:
        super().__init__(limit=0)
        self._api_base = settings.api_base.rstrip("/")
        self._gateway = settings.gateway_url

    async def connect(self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: ClientTimeout) -> Connection:
        address = self.find_address(req.url)
        if address != req.url:
            req.url = address
            req.headers["Host"] = address.authority
        return await super().connect(req, traces, timeout)

    def find_address(self, url: URL) -> URL:
        """Return where a request to this address is sent."""
        if url.scheme in ("ws", "wss"):
            return url if self._gateway == GATEWAY else URL(self._gateway).with_query(url.query)
        return URL(str(url).replace(API_BASE, self._api_base, 1)) if str(url).startswith(API_BASE) else url
