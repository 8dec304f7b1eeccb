"""The list of all channels: one line each, imported on first use.

A channel is a package with two modules. ``settings`` has ``ACCOUNT``, the model of one account's settings (or a union
that one field discriminates), and imports no vendor's library. ``channel`` has ``open_channel``, which builds the
channel from the services that it may use. One in which people can work has a function ``desk_place`` in
its ``settings``, and its channel is a ``connectors.desk.port.DeskHost``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from connectors.channel_services import ChannelServices
from schemas.errors import MissingDependency, NotFound
from schemas.ports import Channel
from schemas.runtime.optional_dependencies import install_command

CHANNELS: dict[str, str] = {
    "web": "connectors.web",
    "slack": "connectors.slack",
    "discord": "connectors.discord",
    "whatsapp": "connectors.whatsapp",
    "instagram": "connectors.instagram",
}


EXTRAS = {"slack_sdk": "slack", "slack_bolt": "slack", "discord": "discord", "twilio": "twilio"}
"""Vendors' libraries, and the extra that installs each."""


def load_settings_model(name: str) -> Any:
    """Return the type that validates one account's settings. Raises NotFound for an unknown channel."""
    return import_module(f"{_find_package(name)}.settings").ACCOUNT


def desk_place(name: str) -> Callable[[str], str]:
    """Return the check of the id of a place where people work in this channel. The check raises ValueError.

    Raises NotFound for a channel that cannot be a desk."""
    check: Callable[[str], str] | None = getattr(import_module(f"{_find_package(name)}.settings"), "desk_place", None)
    if check is None:
        raise NotFound(f"people cannot work in the channel {name}")
    return check


def open_channel(name: str, tools: ChannelServices) -> Channel:
    """Import and build a channel. Raises NotFound for an unknown channel, MissingDependency."""
    with explain_missing_library():
        channel: Channel = import_module(f"{_find_package(name)}.channel").open_channel(tools)
    return channel


@contextmanager
def explain_missing_library() -> Iterator[None]:
    """Raise MissingDependency, which names the extra, when a vendor's library is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        extra = EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        fix = install_command(extra)
        raise MissingDependency(f"the vendor's library {error.name} is not installed", fix=fix) from error


def _find_package(name: str) -> str:
    try:
        return CHANNELS[name]
    except KeyError:
        raise NotFound(f"no such channel: {name}", fix=f"one of {', '.join(CHANNELS)}") from None
