"""Requests of one account to Twilio."""

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

from connectors.channel_services import ChannelServices
from connectors.http import CONNECTION_ERRORS, NOT_SENT_ERRORS
from connectors.whatsapp.settings import TwilioAccount
from connectors.whatsapp.twilio import files, history
from connectors.whatsapp.twilio.client import TwilioHttpClient, build_client
from connectors.whatsapp.twilio.outbound import CONTENT, build_numbered_text
from schemas.errors import RetryLater, SendRefused, SendUnknown
from schemas.messages import Attachment, RemoteFile
from schemas.ports import Account, AccountFinding, VendorCall, VendorResponse

log = structlog.get_logger("parley.whatsapp")

API_BASE = "https://api.twilio.com"
CONTENT_URL = "https://content.twilio.com/v1/Content"
TYPING_URL = "https://messaging.twilio.com/v2/Indicators/Typing.json"
CALLBACK_RETRIES = "#rc=5&rp=all"
"""Asks Twilio to retry a failed status callback five more times, whatever the failure."""
ANSWER_TIMEOUT = 14.0
"""Seconds for one answer."""
MAX_FILE = 16 * 1024 * 1024
CONTENT_DELETED = 21655
REFUSED_SECONDS = 600.0
"""Time for which choices are sent as numbered lines after Twilio has refused their content template."""
ACCOUNT_STATUSES = frozenset({401, 429})
"""Statuses that concern all requests, not one template."""
VARIABLE = re.compile(r"{{(\w+)}}")


class TwilioConnection:
    """See schemas.ports.Connection, FileFetcher, TypingIndicator, DeliveryLookup."""

    def __init__(self, account: Account, tools: ChannelServices) -> None:
        self._account = account
        self._settings: TwilioAccount = account.settings
        self._tools = tools
        self._messages_url = f"{API_BASE}/2010-04-01/Accounts/{self._settings.account_sid}/Messages.json"
        self._open: tuple[TwilioHttpClient, Client] | None = None
        self._contents: dict[str, str] = {}
        """Hash of a content template → its id."""
        self._refused_until: dict[str, float] = {}
        """Hash of a refused template → when it may be tried again, on ``time.monotonic``."""
        self._content_lock = asyncio.Lock()

    async def perform(self, call: VendorCall, marker: str) -> VendorResponse:
        form = {name: value for name, value in call.arguments.items() if name not in ("since", "types")}
        if call.operation == CONTENT:
            content = await self._find_content(call.arguments["types"])
            if isinstance(content, VendorResponse):
                return content
            if content:
                form["ContentSid"] = content
            else:
                del form["ContentVariables"]
                form["Body"] = build_numbered_text(call)
        for file in call.files:
            form["MediaUrl"] = self._get_file_url(file)
        if callback := self._tools.webhook_url(self._account):
            form["StatusCallback"] = f"{callback}?marker={quote(marker)}{CALLBACK_RETRIES}"
        reply = await self._request("POST", self._messages_url, data=form)
        if "ContentSid" in form and call.operation == CONTENT and _get_field(reply, "code") == CONTENT_DELETED:
            self._contents.clear()
            raise RetryLater("somebody deleted the form at Twilio; it is created again")
        return reply

    async def lookup(self, call: VendorCall, marker: str) -> str | None:
        """Search by recipient, time and content: Twilio keeps no marker of ours."""

        async def is_another(sid: str) -> bool:
            return await self._tools.is_other_message(self._account, sid, marker)

        return await history.find_message(call, self.read_page, is_another)

    @property
    def account_sid(self) -> str:
        return self._settings.account_sid

    async def read_page(self, uri: str, query: dict[str, str] | None) -> VendorResponse:
        """Read a page of the account's messages, or what is at ``uri``. Raises RetryLater, SendUnknown."""
        return await self._request("GET", API_BASE + uri if uri else self._messages_url, params=query)

    async def fetch(self, file: RemoteFile, most: int) -> tuple[bytes, str, str]:
        http, _ = self._get_client()
        return await files.fetch(http, file.ref, self._settings, most)

    async def show_typing(self, place: str, external_id: str) -> None:
        try:
            reply = await self._request("POST", TYPING_URL, data={"channel": "whatsapp", "messageId": external_id})
        except (RetryLater, SendUnknown):
            return
        if reply.status >= 400:
            log.info("typing_not_shown", account=self._account.name, external_id=external_id, status=reply.status)

    async def inspect(self) -> list[AccountFinding]:
        reply = await self._request("GET", self._messages_url, params={"PageSize": "1"})
        if reply.status in (401, 403):
            return [
                AccountFinding(
                    "fail", "Twilio refuses the credentials", "check account_sid, auth_token and the API key"
                )
            ]
        if reply.status != 200:
            return [AccountFinding("warn", f"Twilio answers {reply.status} to a request for the list of messages")]
        return [AccountFinding("ok", "the credentials work")]

    async def close(self) -> None:
        opened, self._open = self._open, None
        if opened is not None:
            await opened[0].close()

    async def _find_content(self, types: dict[str, Any]) -> str | VendorResponse:
        """Return the id of a content template of this shape, creating it if needed; empty if Twilio refuses it, and
        Twilio's answer if that concerns the account. Raises RetryLater."""
        samples = {name: name for name in VARIABLE.findall(json.dumps(types))}
        form = {"friendly_name": "parley", "language": "en", "variables": samples, "types": types}
        text = json.dumps(form, sort_keys=True)
        key = hashlib.sha256(text.encode()).hexdigest()
        async with self._content_lock:
            if key in self._contents:
                return self._contents[key]
            if time.monotonic() < self._refused_until.get(key, 0.0):
                return ""
            try:
                reply = await self._request(
                    "POST", CONTENT_URL, data=text, headers={"Content-Type": "application/json"}
                )
            except SendUnknown as error:
                raise RetryLater("a form may have been created; nothing was sent") from error
            sid = _get_field(reply, "sid")
            if reply.status == 201 and isinstance(sid, str):
                self._contents[key] = sid
                return sid
            if reply.status in ACCOUNT_STATUSES:
                return reply
            if 400 <= reply.status < 500:
                self._refused_until[key] = time.monotonic() + REFUSED_SECONDS
                log.warning(
                    "content_refused", account=self._account.name, status=reply.status, code=_get_field(reply, "code")
                )
                return ""
            raise RetryLater("no form could be created; nothing was sent")

    def _get_file_url(self, file: Attachment) -> str:
        """Return the address from which Twilio fetches the file. Raises SendRefused."""
        if file.size > MAX_FILE:
            raise SendRefused("too_large")
        url = self._tools.file_link(self._account.tenant, file.id)
        if not url:
            raise SendRefused("no_public_url")
        return url

    async def _request(self, method: str, url: str, **given: Any) -> VendorResponse:
        """Raises RetryLater (never sent), SendUnknown."""
        _, sdk = self._get_client()
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                response = await sdk.request_async(method, url, **given)
        except NOT_SENT_ERRORS as error:
            raise RetryLater("Twilio cannot be reached") from error
        except (*CONNECTION_ERRORS, ValueError) as error:
            raise SendUnknown("no answer was received from Twilio", slow=isinstance(error, TimeoutError)) from error
        headers = {name.lower(): value for name, value in response.headers.items()}
        return VendorResponse(response.status_code, _decode(response.text), headers)

    def _get_client(self) -> tuple[TwilioHttpClient, Client]:
        if self._open is None:
            http = TwilioHttpClient(self._settings)
            self._open = http, build_client(self._settings, http)
        return self._open


def _decode(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _get_field(reply: VendorResponse, name: str) -> Any:
    return reply.body.get(name) if isinstance(reply.body, dict) else None
