"""Settings of a web account."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, SecretStr

from connectors.settings import Color, Settings


class Theme(Settings):
    """The appearance of the chat on the site. ``logo``: an image beside the configuration file, or an https address."""

    name: str = ""
    color: Color = "#2f6f4f"
    logo: str = ""
    greeting: str = "Hello! How can we help?"
    position: Literal["left", "right"] = "right"


class WebAccount(Settings):
    """``origins`` may embed the chat ("*" means all). With ``identity_secret`` (HS256) or ``identity_public_key``
    (ES256, PEM) visitors can prove who they are; ``identity: required`` refuses those who do not."""

    is_called: ClassVar[bool] = False
    """There is no vendor that could call webhooks."""
    origins: list[str] = ["*"]
    identity: Literal["off", "optional", "required"] = "optional"
    identity_secret: SecretStr = SecretStr("")
    identity_public_key: str = ""
    identity_audience: str = ""
    """The required ``aud`` of an identity. If empty, an identity may come without ``aud``, and an ``aud`` must name
    this account as ``tenant/account``. If set, every identity must have it."""
    theme: Theme = Theme()
    demo: str = ""
    """A folder with an ``index.html`` that embeds the chat, shown at ``/`` in embedded mode."""
    messages_per_minute: int = Field(default=60, ge=1)
    """Per visitor; above it the answer is 429."""


ACCOUNT = WebAccount
