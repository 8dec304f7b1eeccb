"""The Content API's requests."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from tests.simulators.twilio.account_state import AccountState
from tests.simulators.twilio.content import check, without_nulls
from tests.simulators.twilio.errors import TwilioError
from tests.simulators.vendor import Request


class Contents(AccountState):
    async def _content_create(self, request: web.Request, noted: Request) -> web.Response:
        if request.content_type != "application/json":
            raise TwilioError(20001, 415, "Content-Type must be application/json")
        try:
            body = without_nulls(json.loads(await request.read()))
        except ValueError:
            raise TwilioError(20001, message="The body is no JSON") from None
        try:
            check(body)
        except (AttributeError, KeyError, TypeError):
            # A value of another type than it should have.
            raise TwilioError(20001) from None
        told = {"variables": {}, "friendly_name": None} | body
        noted.did = True
        return web.json_response(self._told_content(self.content(told).sid), status=201)

    async def _content_fetch(self, request: web.Request, noted: Request) -> web.Response:
        noted.did = True
        return web.json_response(self._told_content(request.match_info["sid"]))

    async def _content_delete(self, request: web.Request, noted: Request) -> web.Response:
        if self.contents.pop(request.match_info["sid"], None) is None:
            raise TwilioError(20404, 404)
        noted.did = True
        return web.Response(status=204)

    def _told_content(self, sid: str) -> dict[str, Any]:
        if sid not in self.contents:
            raise TwilioError(20404, 404)
        links = {"approval_fetch": f"https://content.twilio.com/v1/Content/{sid}/ApprovalRequests"}
        own = {"sid": sid, "account_sid": self.account_sid, "url": f"https://content.twilio.com/v1/Content/{sid}"}
        return {**self.contents[sid].told, **own, "links": links}
