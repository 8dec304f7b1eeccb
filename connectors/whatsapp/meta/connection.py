"""Connection of one number to the Cloud API."""

from __future__ import annotations

import hashlib
from typing import Any

import structlog

from connectors.channel_services import ChannelServices
from connectors.meta_graph.client import GraphClient
from connectors.meta_graph.errors import build_delivery_error
from connectors.meta_graph.models import get_file_name
from connectors.meta_graph.token_check import check_token
from connectors.whatsapp.meta.files import get_media_type
from schemas.errors import DeliveryError, NotFound, RetryLater, SendRefused, SendUnknown, TooLarge
from schemas.messages import Attachment, RemoteFile
from schemas.ports import Account, AccountFinding, VendorCall, VendorResponse

log = structlog.get_logger("parley.whatsapp")
SCOPES = frozenset({"whatsapp_business_messaging"})


class CloudConnection:
    def __init__(self, account: Account, tools: ChannelServices) -> None:
        settings = account.settings
        self._account = account
        self._tools = tools
        self._number = settings.phone_number_id
        self._graph = GraphClient(settings.api_base, settings.access_token)

    async def perform(self, call: VendorCall, marker: str) -> VendorResponse:
        body = {**call.arguments, "biz_opaque_callback_data": marker}
        for file in call.files:
            body[body["type"]] = {**body[body["type"]], "id": await self._upload(file)}
        return await self._graph.post(f"{self._number}/messages", body)

    async def request_report(self, call: VendorCall, answers: str, marker: str) -> None:
        """Take back a reaction of ours that was never made: Meta reports it as sent, and nobody sees anything."""
        frame = {name: value for name, value in call.arguments.items() if name not in ("type", call.arguments["type"])}
        reaction = {"type": "reaction", "reaction": {"message_id": answers, "emoji": ""}}
        body = {**frame, **reaction, "biz_opaque_callback_data": marker}
        reply = await self._graph.post(f"{self._number}/messages", body)
        if reply.status != 200:
            raise build_delivery_error(reply)

    async def fetch(self, file: RemoteFile, most: int) -> tuple[bytes, str, str]:
        """Asks for the address a second time when the first has expired or gives wrong bytes."""
        for _ in range(2):
            info = await self._read_file_info(file)
            if int(info["file_size"]) > most:
                raise TooLarge(f"the file has more than {most} bytes")
            try:
                data, type_ = await self._graph.download(info["url"], most, with_token=True)
            except NotFound:
                continue
            if hashlib.sha256(data).hexdigest() == info["sha256"]:
                return data, type_, get_file_name(file, type_)
        raise NotFound("the file no longer exists, or has changed")

    async def show_typing(self, place: str, external_id: str) -> None:
        """Marks everything up to this message as read, and shows a typing indicator for 25 seconds."""
        body = {
            "messaging_product": "whatsapp",
            "status": "read",
            "message_id": external_id,
            "typing_indicator": {"type": "text"},
        }
        try:
            reply = await self._graph.post(f"{self._number}/messages", body)
            if reply.status != 200:
                raise build_delivery_error(reply)
        except DeliveryError as error:
            log.info("seen_failed", tenant=self._account.tenant, account=self._account.name, code=error.code)

    async def inspect(self) -> list[AccountFinding]:
        token = self._account.settings.access_token.get_secret_value()
        return await check_token(self._graph, token, self._number, SCOPES, self._tools.clock())

    async def close(self) -> None:
        await self._graph.close()

    async def _upload(self, file: Attachment) -> str:
        """Return the vendor's id of the file. A failure here has shown nothing."""
        try:
            _, data = await self._tools.read_file(self._account.tenant, file.id)
        except NotFound:
            raise SendRefused("file_gone") from None
        fields = {"messaging_product": "whatsapp", "type": get_media_type(file)}
        reply = await self._graph.upload(f"{self._number}/media", fields, file, data)
        if reply.status == 200 and isinstance(reply.body, dict) and isinstance(reply.body.get("id"), str):
            return str(reply.body["id"])
        raise _build_delay(reply)

    async def _read_file_info(self, file: RemoteFile) -> dict[str, Any]:
        reply = await self._graph.get(file.ref)
        if reply.status != 200:
            error = _build_delay(reply)
            raise NotFound("the file no longer exists") if isinstance(error, SendRefused) else error
        if not isinstance(reply.body, dict) or not reply.body.keys() >= {"url", "sha256", "file_size"}:
            raise RetryLater("Meta's answer cannot be understood")
        return reply.body


def _build_delay(reply: VendorResponse) -> DeliveryError:
    """Return the error. Doubt becomes a delay, because reading and uploading may be repeated."""
    error = build_delivery_error(reply)
    return RetryLater(error.message) if isinstance(error, SendUnknown) else error
