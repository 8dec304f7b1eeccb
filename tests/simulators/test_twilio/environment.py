"""A Twilio account, Twilio's own SDK pointed at it, and a receiver of its webhooks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client
from twilio.rest.api.v2010.account.message import MessageInstance
from twilio.rest.content.v1.content import ContentList

from tests.simulators.twilio import Twilio
from tests.simulators.webhook_receiver import Receiver


class ReroutedHttpClient(AsyncTwilioHttpClient):  # type: ignore[misc]  # the SDK has no marker for its types
    """Twilio's client, at another host. Headers of the last answer are kept: its exceptions have none. Credentials go
    by header, because aiohttp warns of the other way, and a warning is an error here. ``mends_json``: a JSON body is
    written as JSON, which Twilio's client (9.13) fails to do."""

    mends_json = True

    def __init__(self, base: str) -> None:
        super().__init__(timeout=5)
        self._base = urlsplit(base)
        self.headers: Any = {}

    async def request(self, method: str, url: str, **kwargs: Any) -> Response:
        there = urlsplit(url)._replace(scheme=self._base.scheme, netloc=self._base.netloc)
        if (auth := kwargs.pop("auth", None)) is not None:
            kwargs["headers"] = {**(kwargs.get("headers") or {}), "Authorization": aiohttp.encode_basic_auth(*auth)}
        if self.mends_json and kwargs["headers"].get("Content-Type") == "application/json":
            kwargs["data"] = json.dumps(kwargs["data"])
        response = await super().request(method, urlunsplit(there), **kwargs)
        self.headers = response.headers
        return response


@dataclass
class Setting:
    """A vendor, Twilio's SDK, and a receiver of webhooks. Anna has written once."""

    vendor: Twilio
    sdk: Client
    http: ReroutedHttpClient
    receiver: Receiver

    async def send(self, **given: Any) -> MessageInstance:
        given = {"from_": self.vendor.sender, "to": self.vendor.place("anna")} | given
        return await self.sdk.messages.create_async(**given)

    async def refused(self, **given: Any) -> tuple[int, int]:
        """Status and code of a send that is not taken."""
        with pytest.raises(TwilioRestException) as caught:
            await self.send(**given)
        assert caught.value.code is not None
        return caught.value.status, caught.value.code

    async def content(self, **types: Any) -> str:
        """The sid of a new content with one type, whose name has an underscore for the hyphen."""
        named = {f"twilio/{name.replace('_', '-')}": what for name, what in types.items()}
        request = ContentList.ContentCreateRequest({"language": "en", "friendly_name": "x", "types": named})
        made = await self.sdk.content.v1.contents.create_async(request)
        return str(made.sid)

    async def callbacks(self) -> list[dict[str, str]]:
        await self.vendor.settled()
        return [each.form for each in self.receiver.accepted if each.url.endswith("/status")]
