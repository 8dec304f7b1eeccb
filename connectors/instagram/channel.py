"""Instagram: everything that needs no socket, and the way to the part that does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from connectors.graph import webhooks
from connectors.graph.errors import failure, named
from connectors.instagram import rendering
from connectors.instagram.updates import OBJECT, Updates
from connectors.tools import Tools
from schemas.errors import CredentialsRevoked, SendRefused
from schemas.messages import Address, OutboundMessage
from schemas.ports import (
    Account,
    Call,
    Capabilities,
    Connection,
    Event,
    Pace,
    Policy,
    RawRequest,
    Reply,
    Sending,
)


class InstagramChannel:
    name = "instagram"
    capabilities = Capabilities(max_text=1000, max_choices=13, typing=True, attachments=True, receipts=True)
    policy = Policy(
        doubt="lookup",
        # The conversation is read from another place than the message was written to.
        settles=8.0,
        window=timedelta(hours=24),
        person_window=timedelta(days=7),
        # 300 a second are allowed.
        pace=Pace(250, 250),
    )

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def verify(self, request: RawRequest, account: Account) -> None:
        webhooks.verify(request, account)

    def answer(self, request: RawRequest, account: Account) -> str | None:
        return webhooks.answer(request, account)

    def parse(self, request: RawRequest, account: Account) -> list[Event]:
        updates = Updates(account, self._tools.clock())
        return [event for entry in webhooks.entries(request, account, OBJECT) for event in updates.of(entry)]

    def known_by(self, addresses: Sequence[Address]) -> Address | None:
        """By the scoped id, which is digits."""
        return next((each for each in addresses if each.channel == self.name and _is_digits(each.value)), None)

    def render(self, message: OutboundMessage, sending: Sending) -> list[Call]:
        return rendering.calls(message, sending)

    def judge(self, call: Call, reply: Reply) -> str:
        if reply.status != 200:
            error = failure(reply)
            if isinstance(error, CredentialsRevoked) and "tag" in call.arguments and reply.status == 403:
                # The account has not been given the longer window; all else it may do.
                raise SendRefused("window_closed")
            raise error
        return named(reply.body.get("message_id") if isinstance(reply.body, dict) else None)

    def connect(self, account: Account) -> Connection:
        from connectors.instagram.connection import InstagramConnection

        return InstagramConnection(account, self._tools)


def open_channel(tools: Tools) -> InstagramChannel:
    return InstagramChannel(tools)


def _is_digits(value: str) -> bool:
    return value.isascii() and value.isdigit()
