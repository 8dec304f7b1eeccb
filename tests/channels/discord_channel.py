"""A Discord channel with its connection to a simulated Discord, for tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.channel_services import ChannelServices
from connectors.discord.channel import DiscordChannel
from connectors.discord.connection import DiscordConnection
from connectors.discord.settings import ACCOUNT
from schemas.errors import NotFound
from schemas.messages import Attachment, Author, OutboundMessage
from schemas.ports import Account, RenderContext, VendorCall
from tests.simulators.discord import Discord
from tests.simulators.discord.raw_client import Clock
from tests.simulators.vendor import ShownMessage

SEND = "Create Message"
LEAF = Attachment(id="a" * 64, name="leaf one.png", type="image/png", size=4)


def now() -> datetime:
    return datetime.now(UTC)


async def read_attachment(tenant: str, attachment: str) -> tuple[Attachment, bytes]:
    if (tenant, attachment) != ("shop", LEAF.id):
        raise NotFound("no such file")
    return LEAF, b"leaf"


@dataclass
class Desk:
    """A channel with a connection to a Discord where mia writes."""

    server: Discord
    clock: Clock
    channel: DiscordChannel
    account: Account
    connection: DiscordConnection

    @property
    def place(self) -> str:
        return self.server.place("mia")

    def calls(self, text: str = "Less water.", *, answers: str = "", **fields: Any) -> list[VendorCall]:
        whole: dict[str, Any] = {
            "id": "0d1f2e3a-0000-5000-8000-000000000001",
            "author": Author(kind="agent"),
            "text": text,
            "place": self.place,
            "contact_id": "c",
            "created_at": now(),
            "expires_at": now() + timedelta(days=1),
        }
        return self.channel.render(
            OutboundMessage(**whole | fields), RenderContext("c1", self.account, answers=answers)
        )

    async def send(self, call: VendorCall, marker: str = "r1") -> str:
        return self.channel.parse_response(call, await self.connection.perform(call, marker))

    @property
    def shown(self) -> list[ShownMessage]:
        return self.server.ledger.at(self.place)

    def asked(self, operation: str = SEND) -> int:
        return sum(request.operation == operation for request in self.server.ledger.requests)


@asynccontextmanager
async def desk_at_discord() -> AsyncIterator[Desk]:
    clock = Clock()
    server = Discord(now=clock, pace=0)
    nothing: Any = None
    async with server.serving():
        account = Account("shop", "discord", "main", ACCOUNT.model_validate(server.settings()))
        channel = DiscordChannel(
            ChannelServices(transcript=nothing, signals=nothing, clock=now, read_file=read_attachment)
        )
        connection = channel.connect(account)
        assert isinstance(connection, DiscordConnection)
        yield Desk(server, clock, channel, account, connection)
        await connection.close()
