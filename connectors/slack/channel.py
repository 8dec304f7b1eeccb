"""Slack: direct messages, threads in channels, and a command. Pure translation; see ``connection`` for the rest."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from connectors.slack import blocks, errors, requests, streaming
from connectors.slack.desk.parse_events import parse_desk_event
from connectors.slack.events import from_events_api
from connectors.slack.interactions import from_command, from_interactive
from connectors.slack.places import person_of
from connectors.slack.settings import SlackAccount
from connectors.tools import Tools
from schemas.conversation import Contact
from schemas.errors import Unauthorized
from schemas.messages import Address, OutboundMessage, ReplyBegun
from schemas.ports import (
    Account,
    Acquaintance,
    Call,
    Capabilities,
    Connection,
    Event,
    Line,
    Pace,
    Policy,
    RawRequest,
    Reply,
    Sending,
)

if TYPE_CHECKING:
    from connectors.slack.desk.desk import SlackDesk

PARSERS = {"events_api": from_events_api, "interactive": from_interactive, "slash_commands": from_command}


class SlackChannel:
    """One account is one app in one workspace."""

    name = "slack"
    capabilities = Capabilities(
        max_text=blocks.MOST_TEXT,
        max_choices=blocks.MOST_OPTIONS,
        markdown=True,
        streaming=True,
        typing=True,
        attachments=True,
        revises=True,
    )
    policy = Policy(doubt="lookup", pace=Pace(5, 20), contact_pace=Pace(1, 3))
    """Slack takes a message a second in a channel, with short bursts, and some hundred a minute in a workspace. Its
    answer tells the message's place in the history, which a look-up reads."""
    stream_rules = streaming.RULES

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def verify(self, request: RawRequest, account: Account) -> None:
        if requests.is_ssl_check(request):
            return  # not signed, and never more than an empty answer: see ``answer``
        settings: SlackAccount = account.settings
        check(request, settings.signing_secret.get_secret_value(), self._tools.clock())

    def answer(self, request: RawRequest, account: Account) -> str | None:
        if requests.is_ssl_check(request):
            return ""
        return requests.challenge(request) or requests.usage(request)

    def parse(self, request: RawRequest, account: Account) -> list[Event]:
        return self.events(*requests.payload_of(request), account)

    def events(self, what: requests.What, payload: requests.Json, account: Account) -> list[Event]:
        """What a payload tells, however it came. At the desk nobody is a contact."""
        at_desk = parse_desk_event(what, payload, account)
        return list(PARSERS[what](payload, account)) if at_desk is None else at_desk

    def known_by(self, addresses: Sequence[Address]) -> Address | None:
        return person_of(addresses)

    def render(self, message: OutboundMessage, sending: Sending) -> list[Call]:
        return blocks.calls(message, sending)

    def opening(self, begun: ReplyBegun, contact: Contact | None, text: str) -> Call | None:
        return streaming.opening(begun, contact, text)

    def more(self, opening: Call, shown: str, text: str) -> Call:
        return streaming.more(opening, shown, text)

    def whole(self, call: Call, opening: Call, shown: str) -> Call | None:
        return streaming.whole(call, opening, shown)

    def retraction(self, opening: Call, shown: str) -> Call:
        return streaming.retraction(opening, shown)

    def revised(self, call: Call, shown: str) -> Call | None:
        return streaming.revised(call, shown)

    def removed(self, call: Call, shown: str) -> Call:
        return streaming.removed(call, shown)

    def judge(self, call: Call, reply: Reply) -> str:
        return errors.shown_id(reply)

    def connect(self, account: Account) -> Connection:
        from connectors.slack.connection import SlackConnection

        return SlackConnection(account, self._tools.read_file)

    def streams(self, account: Account) -> bool:
        settings: SlackAccount = account.settings
        return settings.mode == "socket"

    async def stream(self, account: Account, line: Line) -> None:
        from connectors.slack.socket_mode.stream import SlackStream

        await SlackStream(self, account, line).run()

    def backfills(self, account: Account) -> bool:
        return True

    def backfill(self, account: Account, since: datetime, known: Acquaintance) -> AsyncIterator[list[Event]]:
        from connectors.slack.backfill import messages

        return messages(account, since, known)

    def at_desk(self) -> SlackDesk:
        """The same workspace as people use it who work there."""
        from connectors.slack.desk.desk import SlackDesk

        return SlackDesk(self._tools.read_file)


def open_channel(tools: Tools) -> SlackChannel:
    return SlackChannel(tools)


# Whether a request is really Slack's.
#
# https://docs.slack.dev/authentication/verifying-requests-from-slack
TOLERANCE = 300
"""Seconds that a request may be old, or ahead of us."""
_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)


def check(request: RawRequest, secret: str, now: datetime) -> None:
    """Raises Unauthorized."""
    stamp = request.headers.get("x-slack-request-timestamp", "")
    # Without a secret (socket mode) anybody could compute the signature.
    if not secret or not _SECONDS.fullmatch(stamp) or abs(now.timestamp() - int(stamp)) > TOLERANCE:
        raise Unauthorized("the signature is missing or too old")
    made = hmac.new(secret.encode(), b"v0:" + stamp.encode() + b":" + request.body, hashlib.sha256).hexdigest()
    sent = request.headers.get("x-slack-signature", "")
    if not hmac.compare_digest(f"v0={made}".encode(), sent.encode("utf-8", "surrogateescape")):
        raise Unauthorized("the signature does not fit")
