"""Settings of the console: its sessions, and the OpenID provider with which people sign in."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from connectors.settings import Settings, require_pattern
from gateway.config.field_types import WebAddress
from schemas.key_ring import KeyRing, Keys


def _check_issuer(text: str) -> str:
    # Whoever can change what the provider answers can sign in as anybody.
    return require_pattern(
        text,
        r"https://[^\s/?#]+[^\s?#]*|http://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?[^\s?#]*",
        "must begin with https:// (or be on this machine)",
    )


class OpenIdSettings(Settings):
    """An OpenID provider, such as Google, Microsoft Entra, Okta or Keycloak."""

    issuer: Annotated[str, AfterValidator(_check_issuer)]
    """The provider's address, exactly as it calls itself (``issuer`` in ``/.well-known/openid-configuration``)."""
    client_id: str = Field(min_length=1)
    """The id that the provider gave to Parley."""
    client_secret: Keys = Field(default_factory=KeyRing)
    """The secret that the provider gave to Parley. Empty: a public client, which PKCE alone protects."""
    scopes: list[str] = ["openid", "email"]
    """The scopes that are asked for."""
    claim: str = Field(default="email", min_length=1)
    """The claim of the provider's token that names a person: an operator's ``identity`` is its value."""
    title: str = Field(default="Single sign-on", min_length=1, max_length=60)
    """The provider's name on the button."""


class ConsoleSettings(Settings):
    """Sessions of the console, and how people sign in to it."""

    idle_minutes: int = Field(default=60, ge=5, le=720)
    """A session that nobody uses for so many minutes ends. Every session ends after twelve hours."""
    url: WebAddress = ""
    """The address at which people open the console, if it is another one than ``public_url``. The OpenID provider leads
    them back there."""
    openid: OpenIdSettings | None = None
    """The OpenID provider with which operators sign in. Passwords and the admin token go on working."""
