"""Twilio's REST API. One address stands for all its hosts; files are handed over on a second port, as by a CDN."""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal

import aiohttp
from aiohttp import web
from multidict import MultiDict

from tests.simulators.http_faults import FaultResponses, carried_out
from tests.simulators.twilio.account_state import Person
from tests.simulators.twilio.checks import Draft, check_message
from tests.simulators.twilio.content_api import Contents
from tests.simulators.twilio.errors import TwilioError
from tests.simulators.twilio.files import Files
from tests.simulators.twilio.records import Record, page
from tests.simulators.vendor import Fault, File, Request, ShownMessage

Handler = Callable[[web.Request, Request], Awaitable[web.Response]]
LARGEST_FILE = 16 * 1024 * 1024
ACCOUNT = "/2010-04-01/Accounts/{account}"


class Api(Files, Contents):
    """``statuses``: what is told of a message that reached its person, in this order, repeats included; one may carry a
    code (``undelivered:63024``). ``status_first``: the first callback is delivered before the send is answered.
    ``window_errors``: how a send after 24 hours fails; ``failed_at_once``: 201 with status failed."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.statuses: Sequence[str] = ("sent", "delivered")
        self.status_first = False
        self.window_errors: Literal["status", "failed_at_once"] = "status"
        self.typing: list[str] = []
        """Messages whose senders were shown that we type."""

    @asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator[Any]:
        app = web.Application(client_max_size=32 * 1024**2)
        for method, path, operation, handler in self._routes():
            app.router.add_route(method, path, self._meet(operation, handler))
        app.router.add_get("/cdn/{sid}/{media}", self._cdn)
        app.router.add_route("*", "/{path:.*}", self._meet("unknown", self._unknown))
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        for each in (port, 0):
            await web.TCPSite(runner, "127.0.0.1", each).start()
        self.port, self.cdn_port = (int(address[1]) for address in runner.addresses)
        await self.webhooks.webhook_sender.open()
        try:
            yield self
        finally:
            await self.webhooks.webhook_sender.close()
            await runner.cleanup()

    def _routes(self) -> list[tuple[str, str, str, Handler]]:
        message = ACCOUNT + "/Messages/{sid}"
        return [
            ("POST", ACCOUNT + "/Messages.json", "messages.create", self._create),
            ("GET", ACCOUNT + "/Messages.json", "messages.list", self._list),
            ("GET", message + ".json", "messages.fetch", self._fetch),
            ("DELETE", message + ".json", "messages.delete", self._delete),
            ("GET", message + "/Media.json", "media.list", self._media_list),
            ("GET", message + "/Media/{media}", "media.get", self._media),
            ("DELETE", message + "/Media/{media}.json", "media.delete", self._media_delete),
            ("POST", "/v1/Content", "content.create", self._content_create),
            ("GET", "/v1/Content/{sid}", "content.fetch", self._content_fetch),
            ("DELETE", "/v1/Content/{sid}", "content.delete", self._content_delete),
            ("POST", "/v2/Indicators/Typing.json", "typing", self._typing),
        ]

    def _meet(self, operation: str, handler: Handler) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def meet(request: web.Request) -> web.Response:
            noted = Request(operation, self.account_sid, await _params(request))
            self.ledger.note(noted)

            async def do() -> web.Response:
                try:
                    self._admit(request)
                    return await handler(request, noted)
                except TwilioError as error:
                    return _refused(error)

            try:
                return await carried_out(request, noted, self.faults, FaultResponses(_refusal, _limit), do)
            finally:
                self.ledger.changed()

        return meet

    def _admit(self, request: web.Request) -> None:
        """Basic, with the account's token or an API key. Raises TwilioError."""
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        try:
            user, _, secret = base64.b64decode(given, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            user, secret = "", ""
        tokens = [token for token in (self.auth_token, self.secondary_token) if token]
        good = (user, secret) in (*((self.account_sid, token) for token in tokens), self.api_key)
        if scheme != "Basic" or not good or request.match_info.get("account", self.account_sid) != self.account_sid:
            raise TwilioError(20003, 401)
        if secret in tokens:
            self.secondary_in_a_row = self.secondary_in_a_row + 1 if secret == self.secondary_token else 0

    async def _create(self, request: web.Request, noted: Request) -> web.Response:
        if not self.api_calls.take():
            raise TwilioError(20429, 429)
        draft = check_message(MultiDict((name, str(value)) for name, value in (await request.post()).items()), self)
        person = self.at_address(draft.recipient)
        code = draft.failure or await self._failure(draft, person)
        sid = "MM" if draft.media else "SM"
        record = self.record(
            self.sender, draft.recipient, draft.body, direction="outbound-api", status="queued", sid=sid
        )
        record.callback, record.choices = draft.callback, draft.choices
        noted.did = True
        files = [] if code else await self._attached(record, draft)
        if files is None:
            code, files = 63019, []
        if not code and person is not None:
            self._show(record, person, files, noted.body)
        answer = record.told()
        if code == 63016 and self.window_errors == "failed_at_once":
            record.reach("failed", code)
            answer = record.told()
        await self._follow(record, [f"undelivered:{code}"] if code else self.statuses)
        return web.json_response(answer, status=201)

    async def _failure(self, draft: Draft, person: Person | None) -> int:
        if person is None:
            return 63024
        if draft.is_free and not self.window_open(person):
            return 63016
        return 0 if self.channel.take() else 63018

    async def _attached(self, record: Record, draft: Draft) -> list[File] | None:
        """None when the file cannot be had."""
        files = []
        for url in draft.media:
            try:
                async with aiohttp.ClientSession() as session, session.get(url) as response:
                    data = await response.read()
                    if response.status != 200 or len(data) > LARGEST_FILE:
                        return None
                    files.append(File(response.url.name, response.content_type, data))
            except (aiohttp.ClientError, TimeoutError):
                return None
        for file in files:
            self.attach(record, file)
        return files

    def _show(self, record: Record, person: Person, files: list[File], native: Any) -> None:
        self.ledger.show(
            ShownMessage(
                record.sid, self.account_sid, person.place, record.body, list(record.choices), files, native=native
            )
        )

    async def _follow(self, record: Record, statuses: Sequence[str]) -> None:
        for index, status in enumerate(statuses):
            parcel = self.tell(record, status)
            if parcel is not None and index == 0 and self.status_first:
                await parcel.tried.wait()

    def tell(self, record: Record, status: str) -> Any:
        """One status of a message of ours; None when nobody asked for callbacks."""
        name, _, code = status.partition(":")
        record.reach(name, int(code) if code else None)
        if not record.callback:
            return None
        pairs = [
            ("ChannelPrefix", "whatsapp"),
            ("ApiVersion", "2010-04-01"),
            ("MessageStatus", name),
            ("SmsStatus", name),
            ("SmsSid", record.sid),
            ("MessageSid", record.sid),
            ("AccountSid", self.account_sid),
            ("From", record.sender),
            ("To", record.recipient),
        ]
        pairs += [("EventType", name.upper())] if name in ("delivered", "read") else []
        pairs += [("ErrorCode", code)] if code else []
        return self.webhooks.post(record.callback, pairs, lane=record.recipient)

    async def _list(self, request: web.Request, noted: Request) -> web.Response:
        noted.did = True
        return web.json_response(page(list(self.records.values()), request.path, request.query))

    async def _fetch(self, request: web.Request, noted: Request) -> web.Response:
        noted.did = True
        return web.json_response(self.found(request).told())

    async def _delete(self, request: web.Request, noted: Request) -> web.Response:
        del self.records[self.found(request).sid]
        noted.did = True
        return web.Response(status=204)

    async def _typing(self, request: web.Request, noted: Request) -> web.Response:
        form = await request.post()
        record = self.records.get(str(form.get("messageId")))
        if form.get("channel") != "whatsapp":
            raise TwilioError(20001, message="channel must be whatsapp")
        if record is None or record.direction != "inbound":
            raise TwilioError(20404, 404)
        noted.did = True
        self.typing.append(record.sid)
        return web.json_response({"success": True})

    async def _unknown(self, request: web.Request, noted: Request) -> web.Response:
        raise TwilioError(20404, 404, f"The requested resource {request.path} was not found")


async def _params(request: web.Request) -> Any:
    """What was asked, for the ledger."""
    if request.content_type == "application/json":
        return (await request.read()).decode(errors="replace")
    return {**(await request.post()), **request.query}


def _refused(error: TwilioError) -> web.Response:
    return web.json_response(error.body(), status=error.status)


def _refusal(fault: Fault) -> web.Response:
    return _refused(TwilioError(int(fault.code or 20500), fault.status))


def _limit(fault: Fault) -> web.Response:
    """Twilio says nothing about when to come back."""
    return _refused(TwilioError(int(fault.code or 20429), 429))
