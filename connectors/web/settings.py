"""Settings of a web account."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from connectors.settings import Color, Settings


class Theme(Settings):
    """How the chat looks on the site. ``logo``: an image beside the configuration file, or an https address."""

    name: str = ""
    color: Color = "#2f6f4f"
    logo: str = ""
    greeting: str = "Hello! How can we help?"
    position: Literal["left", "right"] = "right"


class WebAccount(Settings):
    """``origins`` may embed the chat ("*" is all). With ``identity_secret`` (HS256) or ``identity_public_key`` (ES256,
    PEM) visitors may prove who they are; ``identity: required`` refuses those who do not."""

    origins: list[str] = ["*"]
    identity: Literal["off", "optional", "required"] = "optional"
    identity_secret: SecretStr = SecretStr("")
    identity_public_key: str = ""
    identity_audience: str = ""
    """What ``aud`` of an identity must be. Empty: an identity may come without ``aud``, and one that has it must name
    this account as ``tenant/account``. When set, every identity must have it."""
    theme: Theme = Theme()
    demo: str = ""
    """A folder with an ``index.html`` that embeds the chat, shown at ``/`` in embedded mode."""
    messages_per_minute: int = Field(default=60, ge=1)
    """Per visitor; over it the answer is 429."""


ACCOUNT = WebAccount
