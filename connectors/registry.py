"""Every channel, one explicit line each; imported only when it is used.

A channel is a package with two modules: ``settings``, whose ``ACCOUNT`` is the model of one account's settings (or a
union of models that one of their fields tells apart), and which imports no vendor's library; and ``channel``, whose
``open_channel`` makes the channel from what it may use.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from connectors.tools import Tools
from schemas.errors import NotFound
from schemas.ports import Channel

CHANNELS: dict[str, str] = {
    "web": "connectors.web",
    "slack": "connectors.slack",
    "discord": "connectors.discord",
    "whatsapp": "connectors.whatsapp",
    "instagram": "connectors.instagram",
}


def settings_of(name: str) -> Any:
    """What pydantic checks the settings of one account by. Raises NotFound for a name that is not listed here."""
    return import_module(f"{_package(name)}.settings").ACCOUNT


def open_channel(name: str, tools: Tools) -> Channel:
    """Import and build a channel. Raises NotFound for a name that is not listed here."""
    channel: Channel = import_module(f"{_package(name)}.channel").open_channel(tools)
    return channel


def _package(name: str) -> str:
    try:
        return CHANNELS[name]
    except KeyError:
        raise NotFound(f"no such channel: {name}", fix=f"one of {', '.join(CHANNELS)}") from None
