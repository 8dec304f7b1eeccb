"""Settings of a Discord account."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, SecretStr

from connectors.settings import Address, Settings

API_BASE = "https://discord.com/api/v10"
GATEWAY = "wss://gateway.discord.gg/"


ChannelId = Annotated[str, Field(pattern=r"^\d{15,20}$")]


class DiscordAccount(Settings):
    """``token`` is the bot's, from the Developer Portal; one bot in two accounts would answer every message twice.
    ``answer_in``: in a server, a question is answered in a thread that the first answer opens, or in the channel
    itself. ``answer_everything_in``: ids of channels, threads included, where every message is for the bot; elsewhere
    in a server it has to be mentioned."""

    is_called: ClassVar[bool] = False
    """Discord calls no webhooks: all events come over a socket that we open."""
    token: SecretStr
    api_base: Address = API_BASE
    gateway_url: Address = GATEWAY
    answer_in: Literal["thread", "channel"] = "thread"
    answer_everything_in: list[ChannelId] = []


ACCOUNT = DiscordAccount
