"""Every channel, one explicit line each; imported only when it is used."""

from __future__ import annotations

from importlib import import_module

from schemas.errors import NotFound
from schemas.ports import Channel, Signals, Transcript

CHANNELS: dict[str, str] = {
    "web": "connectors.web.channel:WebChannel",
}


def open_channel(name: str, *, transcript: Transcript, signals: Signals) -> Channel:
    """Import and build a channel. Raises NotFound for a name that is not listed here."""
    try:
        module, _, kind = CHANNELS[name].partition(":")
    except KeyError:
        raise NotFound(f"no such channel: {name}", fix=f"one of {', '.join(CHANNELS)}") from None
    channel: Channel = getattr(import_module(module), kind)(transcript=transcript, signals=signals)
    return channel
