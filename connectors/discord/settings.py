"""Settings of a Discord account."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from connectors.settings import Address, Settings
from schemas.key_ring import Keys

API_BASE = "https://discord.com/api/v10"
GATEWAY = "wss://gateway.discord.gg/"


ChannelId = Annotated[str, Field(pattern=r"^\d{15,20}$")]


class DiscordAccount(Settings):
    """A Discord bot."""

    is_called: ClassVar[bool] = False
    """Discord calls no webhooks: all events come over a socket that we open."""
    token: Keys
    """The bot's token (Developer Portal, *Bot*, *Reset Token*). Use a bot in one account only; two would answer every
    message twice."""
    api_base: Address = API_BASE
    """The address of Discord's REST API. Change it only for a proxy or a simulator."""
    gateway_url: Address = GATEWAY
    """The address of Discord's gateway, from which events come. Change it only for a proxy or a simulator."""
    answer_in: Literal["thread", "channel"] = "thread"
    """The place for answers to a question in a server's channel: a ``thread`` that the first answer opens, or the
    ``channel`` itself."""
    answer_everything_in: list[ChannelId] = []
    """Ids of channels, forums and threads in which every message is for the bot. Elsewhere in a server people have to
    mention it."""


ACCOUNT = DiscordAccount
