"""Slack: direct messages, threads in channels, and a command. Parsing and rendering are pure; see ``connection`` for
requests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from connectors.channel_services import ChannelServices
from connectors.slack import blocks, errors, live_replies
from connectors.slack.desk.parse_events import parse_desk_event
from connectors.slack.inbound import requests
from connectors.slack.inbound.events import parse_events_api
from connectors.slack.inbound.interactions import parse_command, parse_interactive
from connectors.slack.places import find_person
from connectors.slack.settings import SlackAccount
from schemas.conversation import Contact
from schemas.messages import Address, OutboundMessage, ReplyBegun
from schemas.ports import (
    Account,
    AppendEvents,
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
    WebhookAnswer,
)

if TYPE_CHECKING:
    from connectors.slack.desk.desk import SlackDesk
    from connectors.slack.webhooks import SlackWebhooks

PARSERS = {"events_api": parse_events_api, "interactive": parse_interactive, "slash_commands": parse_command}


class SlackChannel:
    """One account is one app in one workspace."""

    name = "slack"
    capabilities = Capabilities(
        max_text=blocks.MAX_TEXT,
        live_text=True,
        typing=True,
        edits=True,
    )
    policy = DeliveryPolicy(reconciliation="lookup", pace=RateLimit(5, 20), contact_pace=RateLimit(1, 3))
    """Slack accepts one message a second per channel, with short bursts, and some hundred a minute per workspace. Its
    answer gives the message's position in the history, which a lookup reads."""
    live_reply_limits = live_replies.RULES

    def __init__(self, tools: ChannelServices) -> None:
        self._tools = tools
        self._webhooks: SlackWebhooks | None = None

    def verify(self, request: RawRequest, account: Account) -> None:
        if not requests.is_ssl_check(request):
            self._open_webhooks().verify(request, account.settings)

    def answer_handshake(self, request: RawRequest, account: Account) -> str | None:
        return "" if requests.is_ssl_check(request) else None

    def prepare_webhooks(self, account: Account) -> None:
        settings: SlackAccount = account.settings
        if settings.is_called:
            self._open_webhooks().open_app(account)

    async def receive(self, request: RawRequest, account: Account, append: AppendEvents) -> WebhookAnswer | None:
        if requests.is_ssl_check(request):
            return WebhookAnswer("")  # not signed, so slack-bolt does not see it
        return await self._open_webhooks().receive(request, account, append)

    def _open_webhooks(self) -> SlackWebhooks:
        if self._webhooks is None:
            from connectors.slack.webhooks import SlackWebhooks

            self._webhooks = SlackWebhooks(self.parse_payload, self._tools.clock)
        return self._webhooks

    def parse_payload(self, kind: requests.PayloadKind, payload: requests.Json, account: Account) -> list[ChannelEvent]:
        """Parse a payload, whichever way it came. At the desk nobody is a contact. Raises InvalidRequest."""
        payload = requests.repair_payload(payload)
        at_desk = parse_desk_event(kind, payload, account)
        return list(PARSERS[kind](payload, account)) if at_desk is None else at_desk

    def select_profile_address(self, addresses: Sequence[Address]) -> Address | None:
        return find_person(addresses)

    def render(self, message: OutboundMessage, sending: RenderContext) -> list[VendorCall]:
        return blocks.build_calls(message, sending)

    def render_opening(self, begun: ReplyBegun, contact: Contact | None, text: str) -> VendorCall | None:
        return live_replies.build_opening(begun, contact, text)

    def render_update(self, opening: VendorCall, shown: str, text: str) -> VendorCall:
        return live_replies.build_addition(opening, shown, text)

    def render_final(self, call: VendorCall, opening: VendorCall, shown: str) -> VendorCall | None:
        return live_replies.build_final_call(call, opening, shown)

    def render_retraction(self, opening: VendorCall, shown: str) -> VendorCall:
        return live_replies.build_retraction(opening, shown)

    def render_edit(self, call: VendorCall, shown: str) -> VendorCall | None:
        return live_replies.build_edit(call, shown)

    def render_deletion(self, call: VendorCall, shown: str) -> VendorCall:
        return live_replies.build_deletion(call, shown)

    def parse_response(self, call: VendorCall, reply: VendorResponse) -> str:
        return errors.require_external_id(reply)

    def connect(self, account: Account) -> Connection:
        from connectors.slack.connection import SlackConnection

        return SlackConnection(account, self._tools.read_file)

    def streams(self, account: Account) -> bool:
        settings: SlackAccount = account.settings
        return settings.mode == "socket"

    async def stream(self, account: Account, context: EventStreamContext) -> None:
        from connectors.slack.socket_mode.stream import SlackStream

        await SlackStream(self, account, context, self._tools.clock).run()

    def backfills(self, account: Account) -> bool:
        return True

    def backfill(
        self, account: Account, since: datetime, context: BackfillContext
    ) -> AsyncIterator[list[ChannelEvent]]:
        from connectors.slack.backfill import read_history

        return read_history(account, since, context)

    def at_desk(self) -> SlackDesk:
        """The same workspace as people use it who work there."""
        from connectors.slack.desk.desk import SlackDesk

        return SlackDesk(self._tools.read_file)


def open_channel(tools: ChannelServices) -> SlackChannel:
    return SlackChannel(tools)
