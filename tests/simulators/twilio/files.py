"""Files of messages: told of, handed over by a CDN, deleted."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from tests.simulators.twilio.account_state import AccountState
from tests.simulators.twilio.errors import TwilioError
from tests.simulators.twilio.records import Record
from tests.simulators.vendor import Request


class Files(AccountState):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cdn_authorizations: list[str] = []
        """What the CDN was shown although it should see nothing."""

    def found(self, request: web.Request) -> Record:
        """The message that a path names. Raises TwilioError."""
        record = self.records.get(request.match_info["sid"])
        if record is None:
            raise TwilioError(20404, 404)
        return record

    async def _media_list(self, request: web.Request, noted: Request) -> web.Response:
        record = self.found(request)
        listed = [{"sid": sid, "content_type": file.type} for sid, file in record.media.items()]
        return web.json_response({"media_list": listed, "uri": request.path})

    async def _media(self, request: web.Request, noted: Request) -> web.Response:
        """To the CDN, which is another host: the client must not take its credentials there."""
        sid, media = request.match_info["sid"], request.match_info["media"]
        if media not in self.found(request).media:
            raise TwilioError(20404, 404)
        noted.did = True
        return web.Response(status=307, headers={"Location": f"http://127.0.0.1:{self.cdn_port}/cdn/{sid}/{media}"})

    async def _media_delete(self, request: web.Request, noted: Request) -> web.Response:
        if self.found(request).media.pop(request.match_info["media"], None) is None:
            raise TwilioError(20404, 404)
        noted.did = True
        return web.Response(status=204)

    async def _cdn(self, request: web.Request) -> web.Response:
        if "Authorization" in request.headers:
            self.cdn_authorizations.append(request.headers["Authorization"])
            return web.Response(status=400, text="<Error><Code>InvalidArgument</Code></Error>", content_type="text/xml")
        record = self.records.get(request.match_info["sid"])
        file = record.media.get(request.match_info["media"]) if record is not None else None
        if file is None or request.url.port != self.cdn_port:
            return web.Response(status=404)
        return web.Response(body=file.data, headers={"Content-Type": file.type})
