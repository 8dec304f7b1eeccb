"""Instagram: everything that needs no socket."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from connectors.channel_services import ChannelServices
from connectors.instagram import rendering
from connectors.instagram.updates import OBJECT, UpdateParser
from connectors.meta_graph import webhooks
from connectors.meta_graph.errors import build_delivery_error, require_external_id
from schemas.errors import CredentialsRevoked, SendRefused
from schemas.messages import Address, OutboundMessage
from schemas.ports import (
    Account,
    Capabilities,
    ChannelEvent,
    Connection,
    DeliveryPolicy,
    RateLimit,
    RawRequest,
    RenderContext,
    VendorCall,
    VendorResponse,
)


class InstagramChannel:
    name = "instagram"
    capabilities = Capabilities(max_text=1000, typing=True)
    policy = DeliveryPolicy(
        reconciliation="lookup",
        # The conversation is read from another server than the message was written to.
        settle_time=8.0,
        window=timedelta(hours=24),
        person_window=timedelta(days=7),
        # Instagram allows 300 a second.
        pace=RateLimit(250, 250),
    )

    def __init__(self, tools: ChannelServices) -> None:
        self._tools = tools

    def verify(self, request: RawRequest, account: Account) -> None:
        webhooks.verify(request, account)

    def answer_handshake(self, request: RawRequest, account: Account) -> str | None:
        return webhooks.answer_challenge(request, account)

    def parse(self, request: RawRequest, account: Account) -> list[ChannelEvent]:
        updates = UpdateParser(account, self._tools.clock())
        return [
            event
            for entry in webhooks.iterate_entries(request, account, OBJECT)
            for event in updates.parse_entry(entry)
        ]

    def select_profile_address(self, addresses: Sequence[Address]) -> Address | None:
        """The scoped id, which is digits."""
        return next((each for each in addresses if each.channel == self.name and _is_digits(each.value)), None)

    def render(self, message: OutboundMessage, sending: RenderContext) -> list[VendorCall]:
        return rendering.build_calls(message, sending)

    def parse_response(self, call: VendorCall, reply: VendorResponse) -> str:
        if reply.status != 200:
            error = build_delivery_error(reply)
            if isinstance(error, CredentialsRevoked) and "tag" in call.arguments and reply.status == 403:
                # The account lacks the permission for the longer window; other messages work.
                raise SendRefused("window_closed")
            raise error
        return require_external_id(reply.body.get("message_id") if isinstance(reply.body, dict) else None)

    def connect(self, account: Account) -> Connection:
        from connectors.instagram.connection import InstagramConnection

        return InstagramConnection(account, self._tools)


def open_channel(tools: ChannelServices) -> InstagramChannel:
    return InstagramChannel(tools)


def _is_digits(value: str) -> bool:
    return value.isascii() and value.isdigit()
