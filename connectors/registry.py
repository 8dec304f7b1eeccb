"""Every channel, one explicit line each; imported only when it is used.

A channel is a package with two modules: ``settings``, whose ``ACCOUNT`` is the model of one account's settings, and
which imports no vendor's library; and ``channel``, whose ``open_channel`` makes the channel from what it may use.
"""

from __future__ import annotations

from importlib import import_module

from connectors.settings import Settings
from connectors.tools import Tools
from schemas.errors import NotFound
from schemas.ports import Channel

CHANNELS: dict[str, str] = {
    "web": "connectors.web",
    "slack": "connectors.slack",
    "discord": "connectors.discord",
}


def settings_of(name: str) -> type[Settings]:
    """The model of one account. Raises NotFound for a name that is not listed here."""
    model: type[Settings] = import_module(f"{_package(name)}.settings").ACCOUNT
    return model


def open_channel(name: str, tools: Tools) -> Channel:
    """Import and build a channel. Raises NotFound for a name that is not listed here."""
    channel: Channel = import_module(f"{_package(name)}.channel").open_channel(tools)
    return channel


def _package(name: str) -> str:
    try:
        return CHANNELS[name]
    except KeyError:
        raise NotFound(f"no such channel: {name}", fix=f"one of {', '.join(CHANNELS)}") from None
