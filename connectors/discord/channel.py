"""Discord: a bot's direct messages, channels and threads.

Discord calls nobody here: what happens comes over the gateway's socket. ``parse`` takes one such event as a RawRequest
whose method is ``DISPATCH`` and whose body is the frame as it came, ``{"t": …, "s": …, "d": …}``. No HTTP request can
have that method, so ``verify`` refuses all that come by webhook.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime

from connectors.discord import errors, events, messages
from connectors.discord.components import OPTIONS
from connectors.discord.models import Dispatch, dispatch
from connectors.tools import Tools
from schemas.errors import Unauthorized
from schemas.messages import OutboundMessage
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

DISPATCH = "DISPATCH"


class DiscordChannel:
    name = "discord"
    capabilities = Capabilities(
        max_text=messages.MAX_TEXT, max_choices=OPTIONS, markdown=True, typing=True, attachments=True, revises=True
    )
    policy = Policy(
        # A nonce is known again for minutes, and later the place's history tells what is there.
        repeats=True,
        doubt="lookup",
        deadline=60.0,
        # Discord allows 50 requests a second for everything, and mostly five messages in five seconds at one place.
        pace=Pace(40, 40),
        contact_pace=Pace(1, 5),
    )

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def verify(self, request: RawRequest, account: Account) -> None:
        if request.method != DISPATCH:
            raise Unauthorized("Discord sends no webhooks here")

    def parse(self, request: RawRequest, account: Account) -> list[Event]:
        return self.events(dispatch(request.body), account)

    def events(self, told: Dispatch, account: Account) -> list[Event]:
        return events.events(told, account, self._tools.clock())

    def render(self, message: OutboundMessage, sending: Sending) -> list[Call]:
        return messages.calls(message, sending)

    def revised(self, call: Call, shown: str) -> Call | None:
        return messages.revised(call, shown)

    def removed(self, call: Call, shown: str) -> Call:
        return messages.removed(call, shown)

    def judge(self, call: Call, reply: Reply) -> str:
        return errors.judge(reply)

    def connect(self, account: Account) -> Connection:
        from connectors.discord.connection import DiscordConnection

        return DiscordConnection(account, self._tools.read_file)

    def streams(self, account: Account) -> bool:
        return True

    async def stream(self, account: Account, line: Line) -> None:
        from connectors.discord.gateway.stream import DiscordStream

        await DiscordStream(self, account, line, self._tools.clock).run()

    def backfills(self, account: Account) -> bool:
        return True

    def backfill(self, account: Account, since: datetime, known: Acquaintance) -> AsyncIterator[list[Event]]:
        from connectors.discord.gateway.backfill import History

        return History(self, account, since).messages(known)


def open_channel(tools: Tools) -> DiscordChannel:
    return DiscordChannel(tools)
