"""Discord: a bot's direct messages, channels and threads.

Discord calls no webhooks here; its events come over the gateway's socket. ``parse`` takes one of them as a RawRequest
with the method ``DISPATCH`` and the frame as its body, ``{"t": …, "s": …, "d": …}``. No HTTP request can have that
method, so ``verify`` refuses all webhooks.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime

from connectors.channel_services import ChannelServices
from connectors.discord import errors, events, messages
from connectors.discord.models import Dispatch, parse_frame
from schemas.errors import Unauthorized
from schemas.messages import OutboundMessage
from schemas.ports import (
    Account,
    BackfillContext,
    Capabilities,
    ChannelEvent,
    Connection,
    DeliveryPolicy,
    EventStreamContext,
    RateLimit,
    RawRequest,
    RenderContext,
    VendorCall,
    VendorResponse,
)

DISPATCH = "DISPATCH"


class DiscordChannel:
    name = "discord"
    capabilities = Capabilities(max_text=messages.MAX_TEXT, typing=True, edits=True)
    policy = DeliveryPolicy(
        # Discord recognizes a nonce for some minutes; later the place's history tells what was shown.
        repeats=True,
        reconciliation="lookup",
        deadline=60.0,
        # Discord allows 50 requests a second in total, and mostly five messages in five seconds per place.
        pace=RateLimit(40, 40),
        contact_pace=RateLimit(1, 5),
    )

    def __init__(self, tools: ChannelServices) -> None:
        self._tools = tools

    def verify(self, request: RawRequest, account: Account) -> None:
        if request.method != DISPATCH:
            raise Unauthorized("Discord does not send webhooks")

    def parse(self, request: RawRequest, account: Account) -> list[ChannelEvent]:
        return self.parse_dispatch(parse_frame(request.body), account)

    def parse_dispatch(self, dispatched: Dispatch, account: Account) -> list[ChannelEvent]:
        return events.parse_dispatch(dispatched, account, self._tools.clock())

    def render(self, message: OutboundMessage, sending: RenderContext) -> list[VendorCall]:
        return messages.build_calls(message, sending)

    def render_edit(self, call: VendorCall, shown: str) -> VendorCall | None:
        return messages.build_edit(call, shown)

    def render_deletion(self, call: VendorCall, shown: str) -> VendorCall:
        return messages.build_deletion(call, shown)

    def parse_response(self, call: VendorCall, reply: VendorResponse) -> str:
        return errors.require_external_id(reply)

    def connect(self, account: Account) -> Connection:
        from connectors.discord.connection import DiscordConnection

        return DiscordConnection(account, self._tools.read_file)

    def streams(self, account: Account) -> bool:
        return True

    async def stream(self, account: Account, context: EventStreamContext) -> None:
        from connectors.discord.gateway.stream import DiscordStream

        await DiscordStream(self, account, context, self._tools.clock).run()

    def backfills(self, account: Account) -> bool:
        return True

    def backfill(
        self, account: Account, since: datetime, context: BackfillContext
    ) -> AsyncIterator[list[ChannelEvent]]:
        from connectors.discord.gateway.backfill import History

        return History(self, account, since).read(context)


def open_channel(tools: ChannelServices) -> DiscordChannel:
    return DiscordChannel(tools)
