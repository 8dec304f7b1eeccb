"""One account's requests to Twilio."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import time
from typing import Any
from urllib.parse import quote

import structlog
from twilio.rest import Client

from connectors.http import BROKEN, NEVER_LEFT
from connectors.tools import Tools
from connectors.whatsapp.settings import TwilioAccount
from connectors.whatsapp.twilio import files, history
from connectors.whatsapp.twilio.client import Http, client
from connectors.whatsapp.twilio.outbound import CONTENT, numbered_body
from schemas.errors import SendDelayed, SendRefused, SendUnknown
from schemas.messages import Attachment, RemoteFile
from schemas.ports import Account, Call, Remark, Reply

log = structlog.get_logger("parley.whatsapp")

API = "https://api.twilio.com"
CONTENTS = "https://content.twilio.com/v1/Content"
TYPING = "https://messaging.twilio.com/v2/Indicators/Typing.json"
PERSISTENT = "#rc=5&rp=all"
"""What Twilio is asked to do with a status that it cannot tell us: try five times more, whatever went wrong."""
PATIENCE = 14.0
"""Seconds for one answer."""
LARGEST_FILE = 16 * 1024 * 1024
GONE_CONTENT = 21655
UNWANTED_FOR = 600.0
"""Seconds for which choices go out as numbered lines after Twilio has refused a form for them."""
OF_THE_ACCOUNT = frozenset({401, 429})
"""What Twilio says of all requests, not of a form."""
VARIABLE = re.compile(r"{{(\w+)}}")


class TwilioConnection:
    """See schemas.ports.Connection, Fetcher, Seer, Lookup."""

    def __init__(self, account: Account, tools: Tools) -> None:
        self._account = account
        self._settings: TwilioAccount = account.settings
        self._tools = tools
        self._messages = f"{API}/2010-04-01/Accounts/{self._settings.account_sid}/Messages.json"
        self._open: tuple[Http, Client] | None = None
        self._contents: dict[str, str] = {}
        """Hash of a content's form → its id."""
        self._unwanted: dict[str, float] = {}
        """Hash of a form that Twilio refused → until when it is not asked again, on ``time.monotonic``."""
        self._making = asyncio.Lock()

    async def perform(self, call: Call, marker: str) -> Reply:
        form = {name: value for name, value in call.arguments.items() if name not in ("since", "types")}
        if call.operation == CONTENT:
            made = await self._content(call.arguments["types"])
            if isinstance(made, Reply):
                return made
            if made:
                form["ContentSid"] = made
            else:
                del form["ContentVariables"]
                form["Body"] = numbered_body(call)
        for file in call.files:
            form["MediaUrl"] = self._url_of(file)
        if callback := self._tools.webhook(self._account):
            form["StatusCallback"] = f"{callback}?marker={quote(marker)}{PERSISTENT}"
        reply = await self._request("POST", self._messages, data=form)
        if "ContentSid" in form and call.operation == CONTENT and _told(reply, "code") == GONE_CONTENT:
            self._contents.clear()
            raise SendDelayed("somebody deleted the form at Twilio; it is made anew")
        return reply

    async def lookup(self, call: Call, marker: str) -> str | None:
        """By recipient, time and looks: Twilio keeps no mark of ours that could be asked for."""

        async def is_another(sid: str) -> bool:
            return await self._tools.is_another(self._account, sid, marker)

        return await history.find(call, self.page, is_another)

    @property
    def account_sid(self) -> str:
        return self._settings.account_sid

    async def page(self, uri: str, query: dict[str, str] | None) -> Reply:
        """Of the account's messages, or what is at ``uri``. Raises SendDelayed, SendUnknown."""
        return await self._request("GET", API + uri if uri else self._messages, params=query)

    async def fetch(self, file: RemoteFile, most: int) -> tuple[bytes, str, str]:
        http, _ = self._opened()
        return await files.fetch(http, file.ref, self._settings, most)

    async def seen(self, place: str, external_id: str) -> None:
        try:
            reply = await self._request("POST", TYPING, data={"channel": "whatsapp", "messageId": external_id})
        except (SendDelayed, SendUnknown):
            return
        if reply.status >= 400:
            log.info("typing_not_shown", account=self._account.name, external_id=external_id, status=reply.status)

    async def inspect(self) -> list[Remark]:
        reply = await self._request("GET", self._messages, params={"PageSize": "1"})
        if reply.status in (401, 403):
            return [Remark("fail", "Twilio refuses the credentials", "check account_sid, auth_token and the API key")]
        if reply.status != 200:
            return [Remark("warn", f"Twilio answers {reply.status} to a look at the messages")]
        return [Remark("ok", "the credentials work")]

    async def close(self) -> None:
        opened, self._open = self._open, None
        if opened is not None:
            await opened[0].close()

    async def _content(self, types: dict[str, Any]) -> str | Reply:
        """The id of a form of this shape; empty where Twilio does not want it, and its answer where that is about the
        account. Raises SendDelayed."""
        samples = {name: name for name in VARIABLE.findall(json.dumps(types))}
        form = {"friendly_name": "parley", "language": "en", "variables": samples, "types": types}
        text = json.dumps(form, sort_keys=True)
        key = hashlib.sha256(text.encode()).hexdigest()
        async with self._making:
            if key in self._contents:
                return self._contents[key]
            if time.monotonic() < self._unwanted.get(key, 0.0):
                return ""
            try:
                reply = await self._request("POST", CONTENTS, data=text, headers={"Content-Type": "application/json"})
            except SendUnknown as error:
                raise SendDelayed("a form may have been made, nothing was shown") from error
            sid = _told(reply, "sid")
            if reply.status == 201 and isinstance(sid, str):
                self._contents[key] = sid
                return sid
            if reply.status in OF_THE_ACCOUNT:
                return reply
            if 400 <= reply.status < 500:
                self._unwanted[key] = time.monotonic() + UNWANTED_FOR
                log.warning(
                    "content_refused", account=self._account.name, status=reply.status, code=_told(reply, "code")
                )
                return ""
            raise SendDelayed("no form could be made, nothing was shown")

    def _url_of(self, file: Attachment) -> str:
        """Where Twilio fetches it. Raises SendRefused."""
        if file.size > LARGEST_FILE:
            raise SendRefused("too_large")
        url = self._tools.link(self._account.tenant, file.id)
        if not url:
            raise SendRefused("no_public_url")
        return url

    async def _request(self, method: str, url: str, **given: Any) -> Reply:
        """Raises SendDelayed (it never left), SendUnknown."""
        _, sdk = self._opened()
        try:
            async with asyncio.timeout(PATIENCE):
                response = await sdk.request_async(method, url, **given)
        except NEVER_LEFT as error:
            raise SendDelayed("Twilio cannot be reached") from error
        except (*BROKEN, ValueError) as error:
            raise SendUnknown("no answer came from Twilio", slow=isinstance(error, TimeoutError)) from error
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Reply(response.status_code, _decoded(response.text), headers)

    def _opened(self) -> tuple[Http, Client]:
        if self._open is None:
            http = Http(self._settings)
            self._open = http, client(self._settings, http)
        return self._open


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _told(reply: Reply, name: str) -> Any:
    return reply.body.get(name) if isinstance(reply.body, dict) else None
