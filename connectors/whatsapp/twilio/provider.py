"""Twilio as a provider of WhatsApp."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import structlog

from connectors.channel_services import ChannelServices
from connectors.whatsapp.twilio import errors, inbound, outbound, signature
from schemas.messages import OutboundMessage
from schemas.ports import (
    Account,
    BackfillContext,
    ChannelEvent,
    Connection,
    DeliveryPolicy,
    RateLimit,
    RawRequest,
    RenderContext,
    VendorCall,
    VendorResponse,
)

log = structlog.get_logger("parley.whatsapp")

MARKER = re.compile(r"[0-9a-f-]{36}(\.\d{1,4})?")


class TwilioProvider:
    """See ``connectors.whatsapp.channel``."""

    policy = DeliveryPolicy(
        # Statuses carry the marker in their address, but Twilio soon stops repeating them, and its list is complete.
        reconciliation="lookup",
        window=timedelta(hours=24),
        # WhatsApp's limit between two numbers, with any provider: 1 in 6 seconds, with a burst of 45.
        contact_pace=RateLimit(1 / 6.2, 44),
        # A message is listed before its request is answered, but the list is read from another server.
        settle_time=10.0,
        slow_settle_time=60.0,
        renders_contact=True,
    )

    def __init__(self, tools: ChannelServices) -> None:
        self._tools = tools

    def verify(self, request: RawRequest, account: Account) -> None:
        signature.verify(request, account.settings)

    def answer_handshake(self, request: RawRequest, account: Account) -> None:
        """Twilio never asks, and the answer to a message would be shown to the contact, so there is none."""

    def parse(self, request: RawRequest, account: Account) -> list[ChannelEvent]:
        if signature.is_json(request):
            log.info("update_left_out", tenant=account.tenant, account=account.name, reason="event_stream")
            return []
        given = request.query.get("marker", "")
        marker = given if MARKER.fullmatch(given) else ""
        return inbound.parse_form(signature.parse_parameters(request), account, marker, self._tools.clock())

    def render(self, message: OutboundMessage, sending: RenderContext) -> list[VendorCall]:
        return outbound.build_calls(message, sending)

    def parse_response(self, call: VendorCall, reply: VendorResponse) -> str:
        return errors.require_external_id(reply)

    def connect(self, account: Account) -> Connection:
        # Twilio's library is large, and only sending needs it.
        from connectors.whatsapp.twilio.connection import TwilioConnection

        return TwilioConnection(account, self._tools)

    def backfills(self, account: Account) -> bool:
        return True

    def backfill(
        self, account: Account, since: datetime, context: BackfillContext
    ) -> AsyncIterator[list[ChannelEvent]]:
        from connectors.whatsapp.twilio.backfill import read_history

        return read_history(account, since, context, self._tools)
