"""Slack: direct messages, threads in channels, and a command. Parsing and rendering are pure; see ``connection`` for
requests."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from connectors.channel_services import ChannelServices
from connectors.slack import blocks, errors, streaming
from connectors.slack.desk.parse_events import parse_desk_event
from connectors.slack.inbound import requests
from connectors.slack.inbound.events import parse_events_api
from connectors.slack.inbound.interactions import parse_command, parse_interactive
from connectors.slack.places import find_person
from connectors.slack.settings import SlackAccount
from schemas.conversation import Contact
from schemas.errors import Unauthorized
from schemas.messages import Address, OutboundMessage, ReplyBegun
from schemas.ports import (
    Account,
    BackfillContext,
    Capabilities,
    Connection,
    DeliveryPolicy,
    Event,
    RateLimit,
    RawRequest,
    RenderContext,
    StreamContext,
    VendorCall,
    VendorResponse,
)

if TYPE_CHECKING:
    from connectors.slack.desk.desk import SlackDesk

PARSERS = {"events_api": parse_events_api, "interactive": parse_interactive, "slash_commands": parse_command}


class SlackChannel:
    """One account is one app in one workspace."""

    name = "slack"
    capabilities = Capabilities(
        max_text=blocks.MAX_TEXT,
        max_choices=blocks.MAX_OPTIONS,
        markdown=True,
        live_text=True,
        typing=True,
        attachments=True,
        edits=True,
    )
    policy = DeliveryPolicy(reconciliation="lookup", pace=RateLimit(5, 20), contact_pace=RateLimit(1, 3))
    """Slack accepts one message a second per channel, with short bursts, and some hundred a minute per workspace. Its
    answer gives the message's position in the history, which a lookup reads."""
    live_reply_limits = streaming.RULES

    def __init__(self, tools: ChannelServices) -> None:
        self._tools = tools

    def verify(self, request: RawRequest, account: Account) -> None:
        if requests.is_ssl_check(request):
            return  # not signed; answered with an empty body, see ``answer``
        settings: SlackAccount = account.settings
        verify_signature(request, settings.signing_secret.get_secret_value(), self._tools.clock())

    def answer_handshake(self, request: RawRequest, account: Account) -> str | None:
        if requests.is_ssl_check(request):
            return ""
        return requests.answer_challenge(request) or requests.answer_usage(request)

    def parse(self, request: RawRequest, account: Account) -> list[Event]:
        return self.parse_payload(*requests.read_payload(request), account)

    def parse_payload(self, kind: requests.PayloadKind, payload: requests.Json, account: Account) -> list[Event]:
        """Parse a payload, whichever way it came. At the desk nobody is a contact."""
        at_desk = parse_desk_event(kind, payload, account)
        return list(PARSERS[kind](payload, account)) if at_desk is None else at_desk

    def select_profile_address(self, addresses: Sequence[Address]) -> Address | None:
        return find_person(addresses)

    def render(self, message: OutboundMessage, sending: RenderContext) -> list[VendorCall]:
        return blocks.build_calls(message, sending)

    def render_opening(self, begun: ReplyBegun, contact: Contact | None, text: str) -> VendorCall | None:
        return streaming.build_opening(begun, contact, text)

    def render_update(self, opening: VendorCall, shown: str, text: str) -> VendorCall:
        return streaming.build_addition(opening, shown, text)

    def render_final(self, call: VendorCall, opening: VendorCall, shown: str) -> VendorCall | None:
        return streaming.build_final_call(call, opening, shown)

    def render_retraction(self, opening: VendorCall, shown: str) -> VendorCall:
        return streaming.build_retraction(opening, shown)

    def render_edit(self, call: VendorCall, shown: str) -> VendorCall | None:
        return streaming.build_edit(call, shown)

    def render_deletion(self, call: VendorCall, shown: str) -> VendorCall:
        return streaming.build_deletion(call, shown)

    def parse_response(self, call: VendorCall, reply: VendorResponse) -> str:
        return errors.require_external_id(reply)

    def connect(self, account: Account) -> Connection:
        from connectors.slack.connection import SlackConnection

        return SlackConnection(account, self._tools.read_file)

    def streams(self, account: Account) -> bool:
        settings: SlackAccount = account.settings
        return settings.mode == "socket"

    async def stream(self, account: Account, line: StreamContext) -> None:
        from connectors.slack.socket_mode.stream import SlackStream

        await SlackStream(self, account, line).run()

    def backfills(self, account: Account) -> bool:
        return True

    def backfill(self, account: Account, since: datetime, context: BackfillContext) -> AsyncIterator[list[Event]]:
        from connectors.slack.backfill import read_history

        return read_history(account, since, context)

    def at_desk(self) -> SlackDesk:
        """The same workspace as people use it who work there."""
        from connectors.slack.desk.desk import SlackDesk

        return SlackDesk(self._tools.read_file)


def open_channel(tools: ChannelServices) -> SlackChannel:
    return SlackChannel(tools)


# Verification of Slack's signature.
#
# https://docs.slack.dev/authentication/verifying-requests-from-slack
TOLERANCE = 300
"""Seconds that a request's timestamp may differ from our clock."""
_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)


def verify_signature(request: RawRequest, secret: str, now: datetime) -> None:
    """Raises Unauthorized."""
    timestamp = request.headers.get("x-slack-request-timestamp", "")
    # Without a secret (socket mode) anybody could compute the signature.
    if not secret or not _SECONDS.fullmatch(timestamp) or abs(now.timestamp() - int(timestamp)) > TOLERANCE:
        raise Unauthorized("the signature is missing or too old")
    expected = hmac.new(secret.encode(), b"v0:" + timestamp.encode() + b":" + request.body, hashlib.sha256).hexdigest()
    given = request.headers.get("x-slack-signature", "")
    if not hmac.compare_digest(f"v0={expected}".encode(), given.encode("utf-8", "surrogateescape")):
        raise Unauthorized("the signature does not fit")
