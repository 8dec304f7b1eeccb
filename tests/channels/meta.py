"""One of Meta's channels as the tests drive it: the channel itself, its real client, and the simulated vendor."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import TypeAdapter

from connectors.channel_services import ChannelServices
from connectors.registry import load_settings_model, open_channel
from schemas.errors import NotFound
from schemas.messages import Attachment, OutboundMessage
from schemas.ports import Account, Channel, ChannelEvent, RawRequest, RenderContext, VendorCall, VendorResponse
from tests.channels.webhook_intake import parse_webhook
from tests.simulators.webhook_receiver import Receiver

MARKER = "0d1f2e3a-0000-5000-8000-000000000001"
OTHER_MARKER = "0d1f2e3a-0000-5000-8000-000000000002"


@dataclass
class MetaAccount:
    """An account at a vendor. ``files`` are those that ``read_file`` knows."""

    vendor: Any
    channel: Channel
    receiver: Receiver
    account: Account
    connection: Any
    files: dict[str, tuple[Attachment, bytes]] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    """The vendor's ids of other messages that are known as sent."""

    def attach(self, name: str, type_: str, data: bytes) -> Attachment:
        file = Attachment(id=f"{len(self.files):064x}", name=name, type=type_, size=len(data))
        self.files[file.id] = file, data
        return file

    def calls(
        self, text: str = "Hello", *, to: str = "anna", sending: dict[str, Any] | None = None, **more: Any
    ) -> list[VendorCall]:
        now = datetime.now(UTC)
        whole = {
            "id": MARKER,
            "author": {"kind": "agent", "name": "Fern"},
            "text": text,
            "place": self.vendor.place("anna"),
            "contact_id": "contact-1",
            "created_at": now,
            "expires_at": now + timedelta(days=1),
        }
        message = OutboundMessage.model_validate(whole | more)
        about: dict[str, Any] = {"conversation": "conversation-1", "account": self.account, **(sending or {})}
        return self.channel.render(message, RenderContext(**about))

    async def perform(self, call: VendorCall, marker: str = MARKER) -> str:
        """The vendor's id of what was shown. Raises DeliveryError."""
        reply: VendorResponse = await self.connection.perform(call, marker)
        return self.channel.parse_response(call, reply)

    async def send(self, text: str = "Hello", **more: Any) -> list[str]:
        return [await self.perform(call) for call in self.calls(text, **more)]

    async def events(self) -> list[ChannelEvent]:
        """Of every webhook so far, each verified and parsed as it came."""
        await self.vendor.settled()
        return [event for request in self.raw() for event in self._parsed(request)]

    def raw(self) -> Sequence[RawRequest]:
        return [
            RawRequest("POST", each.url, {name.lower(): value for name, value in each.headers.items()}, {}, each.body)
            for each in self.receiver.accepted
        ]

    def _parsed(self, request: RawRequest) -> list[ChannelEvent]:
        self.channel.verify(request, self.account)
        return parse_webhook(self.channel, request, self.account)


@asynccontextmanager
async def bench_of(vendor: Any, **settings: Any) -> AsyncIterator[MetaAccount]:
    """Anna has written once, and that is behind us."""
    async with AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(Receiver().serving())
        await stack.enter_async_context(vendor.serving())
        vendor.call(receiver.url)
        receiver.verify_token = vendor.app.verify_token
        files: dict[str, tuple[Attachment, bytes]] = {}
        known: set[str] = set()
        channel = open_channel(vendor.name, _tools(files, known, receiver))
        account = account_of(vendor.name, vendor.settings() | settings)
        connection = channel.connect(account)
        stack.push_async_callback(connection.close)
        await vendor.say("anna", "Hello")
        await vendor.settled()
        receiver.requests.clear()
        yield MetaAccount(vendor, channel, receiver, account, connection, files, known)


def account_of(channel: str, settings: dict[str, Any], name: str = "main") -> Account:
    return Account("shop", channel, name, TypeAdapter(load_settings_model(channel)).validate_python(settings))


def _tools(files: dict[str, tuple[Attachment, bytes]], known: set[str], receiver: Receiver) -> ChannelServices:
    async def read_file(tenant: str, attachment: str) -> tuple[Attachment, bytes]:
        if attachment not in files:
            raise NotFound(f"no file {attachment} of {tenant}")
        return files[attachment]

    def link(tenant: str, attachment: str) -> str:
        return f"{receiver.base}/{tenant}/{attachment}"

    async def is_known(tenant: str, channel: str, account: str, external_id: str) -> tuple[str, str] | None:
        return ("conversation-1", OTHER_MARKER) if external_id in known else None

    nothing: Any = None
    return ChannelServices(nothing, nothing, lambda: datetime.now(UTC), read_file, link, is_known)
