"""Every channel, one explicit line each; imported only when it is used.

A channel is a package with two modules: ``settings``, whose ``ACCOUNT`` is the model of one account's settings (or a
union of models that one of their fields tells apart), and which imports no vendor's library; and ``channel``, whose
``open_channel`` makes the channel from what it may use. One in which people can work has a function ``desk_place`` in
its ``settings``, and its channel is a ``connectors.desk.port.DeskHost``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from connectors.tools import Tools
from schemas.errors import MissingDependency, NotFound
from schemas.extras import install_command
from schemas.ports import Channel

CHANNELS: dict[str, str] = {
    "web": "connectors.web",
    "slack": "connectors.slack",
    "discord": "connectors.discord",
    "whatsapp": "connectors.whatsapp",
    "instagram": "connectors.instagram",
}


EXTRAS = {"slack_sdk": "slack", "slack_bolt": "slack", "discord": "discord", "twilio": "twilio"}
"""Vendors' libraries, and the extra that installs each."""


def settings_of(name: str) -> Any:
    """What pydantic checks the settings of one account by. Raises NotFound for a name that is not listed here."""
    return import_module(f"{_package(name)}.settings").ACCOUNT


def desk_place(name: str) -> Callable[[str], str]:
    """What checks the id of a place where people work in this channel; raises ValueError. Raises NotFound for a channel
    in which they cannot."""
    check: Callable[[str], str] | None = getattr(import_module(f"{_package(name)}.settings"), "desk_place", None)
    if check is None:
        raise NotFound(f"people cannot work in the channel {name}")
    return check


def open_channel(name: str, tools: Tools) -> Channel:
    """Import and build a channel. Raises NotFound for a name that is not listed here, MissingDependency."""
    with installed():
        channel: Channel = import_module(f"{_package(name)}.channel").open_channel(tools)
    return channel


@contextmanager
def installed() -> Iterator[None]:
    """What channels import when they need it: raises MissingDependency when a vendor's library is not there."""
    try:
        yield
    except ModuleNotFoundError as error:
        extra = EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        fix = install_command(extra)
        raise MissingDependency(f"the vendor's library {error.name} is not installed", fix=fix) from error


def _package(name: str) -> str:
    try:
        return CHANNELS[name]
    except KeyError:
        raise NotFound(f"no such channel: {name}", fix=f"one of {', '.join(CHANNELS)}") from None
