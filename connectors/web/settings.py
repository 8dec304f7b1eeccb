"""Settings of a web account."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from connectors.settings import Color, Settings, require_pattern
from schemas.key_ring import KeyRing, Keys


def _check_origin(text: str) -> str:
    return require_pattern(
        text, r"\*|https?://[^\s/?#@*]+/?", "must be * or the address of a site, such as https://shop.example.com"
    )


Origin = Annotated[str, AfterValidator(_check_origin)]


class Theme(Settings):
    """The appearance of the chat on the site."""

    name: str = ""
    """The name at the top of the chat. Empty: the tenant's ``name``."""
    color: Color = "#2f6f4f"
    """The colour of the button, the header and visitors' messages. Text on it is black or white, whichever is easier to
    read."""
    logo: str = ""
    """An image: a file, relative to the configuration file, or an https address. Empty: none."""
    greeting: str = "Hello! How can we help?"
    """The text above a conversation that has no messages yet. The default is said in the visitor's language; your own
    words stay as they are."""
    position: Literal["left", "right"] = "right"
    """The side of the page on which the chat opens. It is mirrored in languages that run from right to left."""


class WebAccount(Settings):
    """A chat that the tenant's own sites embed."""

    is_called: ClassVar[bool] = False
    """There is no vendor that could call webhooks."""
    origins: list[Origin] = ["*"]
    """The sites that may embed the chat, such as ``https://shop.example.com``. ``*``: all."""
    identity: Literal["off", "optional", "required"] = "optional"
    """Whether visitors can prove who they are. ``off`` refuses signed identities, ``required`` refuses visitors without
    one."""
    identity_secret: Keys = Field(default_factory=KeyRing)
    """The secret with which your server signs identities (HS256), at least 32 bytes. Empty: HS256 is refused."""
    identity_public_key: str = ""
    """The public key (PEM) of the private key with which your server signs identities (ES256). Empty: ES256 is refused.
    """
    identity_audience: str = ""
    """The required ``aud`` of an identity. If empty, ``aud`` is optional, and must name this account as
    ``tenant/account`` if present. If set, every identity must have this ``aud``."""
    theme: Theme = Theme()
    """The appearance of the chat."""
    demo: str = ""
    """A folder with an ``index.html`` that embeds the chat, shown at ``/`` in embedded mode."""
    messages_per_minute: int = Field(default=60, ge=1)
    """Messages that one visitor may send in a minute. Above that the answer is 429."""


ACCOUNT = WebAccount
