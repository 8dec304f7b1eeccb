"""Settings of a Discord account."""

from __future__ import annotations

from typing import ClassVar

from pydantic import SecretStr

from connectors.settings import Address, Settings

GATEWAY = "wss://gateway.discord.gg/"


class DiscordAccount(Settings):
    """``token`` is the bot's, from the Developer Portal; with the same bot twice, every message would be answered
    twice."""

    is_called: ClassVar[bool] = False
    """By Discord: all comes over a socket that we open."""
    token: SecretStr
    api_base: Address = "https://discord.com/api/v10"
    gateway_url: Address = GATEWAY


ACCOUNT = DiscordAccount
