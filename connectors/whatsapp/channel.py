"""WhatsApp: each account names its provider, which handles everything.

A provider is a class with the methods of a channel. It is imported when the first account needs it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any

from connectors.channel_services import ChannelServices
from schemas.messages import OutboundMessage
from schemas.ports import (
    Account,
    BackfillChannel,
    BackfillContext,
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

PROVIDERS = {
    "meta": "connectors.whatsapp.meta.provider:MetaProvider",
    "twilio": "connectors.whatsapp.twilio.provider:TwilioProvider",
}


class WhatsAppChannel:
    """``parse_response`` gets no account, so a call's operation begins with its provider: ``meta.messages``."""

    name = "whatsapp"
    capabilities = Capabilities(max_text=4096, typing=True)
    policy = DeliveryPolicy(
        reconciliation="receipt",
        window=timedelta(hours=24),
        # WhatsApp allows one message in 6 seconds between two numbers, with a burst of 45; we stay a little below.
        contact_pace=RateLimit(1 / 6.2, 44),
        # Meta reports "sent" within seconds; after a crash of ours it has to repeat the webhook.
        settle_time=12.0,
        slow_settle_time=45.0,
        # There is no lookup, so the answer is waited for longer.
        attempt=15.0,
        deadline=17.0,
        renders_contact=True,
    )

    def __init__(self, tools: ChannelServices) -> None:
        self._tools = tools
        self._providers: dict[str, Any] = {}

    def policy_of(self, account: Account) -> DeliveryPolicy:
        policy: DeliveryPolicy = getattr(self._get_provider(account), "policy", self.policy)
        return policy

    def verify(self, request: RawRequest, account: Account) -> None:
        self._get_provider(account).verify(request, account)

    def parse(self, request: RawRequest, account: Account) -> list[ChannelEvent]:
        found: list[ChannelEvent] = self._get_provider(account).parse(request, account)
        return found

    def answer_handshake(self, request: RawRequest, account: Account) -> str | None:
        answer: str | None = self._get_provider(account).answer_handshake(request, account)
        return answer

    def render(self, message: OutboundMessage, sending: RenderContext) -> list[VendorCall]:
        calls: list[VendorCall] = self._get_provider(sending.account).render(message, sending)
        return calls

    def parse_response(self, call: VendorCall, reply: VendorResponse) -> str:
        external_id: str = self._load_provider(call.operation.partition(".")[0]).parse_response(call, reply)
        return external_id

    def connect(self, account: Account) -> Connection:
        connection: Connection = self._get_provider(account).connect(account)
        return connection

    def backfills(self, account: Account) -> bool:
        """Meta keeps no history; it repeats webhooks for days."""
        return isinstance(self._get_provider(account), BackfillChannel)

    def backfill(
        self, account: Account, since: datetime, context: BackfillContext
    ) -> AsyncIterator[list[ChannelEvent]]:
        found: AsyncIterator[list[ChannelEvent]] = self._get_provider(account).backfill(account, since, context)
        return found

    def _get_provider(self, account: Account) -> Any:
        return self._load_provider(account.settings.provider)

    def _load_provider(self, name: str) -> Any:
        known = self._providers.get(name)
        if known is None:
            module, _, kind = PROVIDERS[name].partition(":")
            known = self._providers[name] = getattr(import_module(module), kind)(self._tools)
        return known


def open_channel(tools: ChannelServices) -> WhatsAppChannel:
    return WhatsAppChannel(tools)
