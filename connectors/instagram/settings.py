"""Settings of an Instagram account."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from connectors.settings import Address, Secret, Settings, require_pattern

_ID = "must be the account's id of 5-20 digits, not its name"


class InstagramAccount(Settings):
    """A professional Instagram account. If it logs in to Instagram, ``app_secret`` is the secret of the Instagram app.
    If it logs in through a Facebook page, ``app_secret`` is the secret of the Meta app, and ``api_base`` is
    https://graph.facebook.com/v26.0."""

    ig_id: Annotated[str, AfterValidator(lambda text: require_pattern(text, r"\d{5,20}", _ID))]
    """The id of the professional account in webhooks: ``user_id``, not ``id``."""
    access_token: Secret
    """The token that sends messages."""
    app_secret: Secret
    """The secret with which Meta signs webhooks."""
    verify_token: Secret
    """A text of your choice, which Meta sends when the webhook is set up."""
    api_base: Address = "https://graph.instagram.com/v26.0"
    """Host and version of the API."""


ACCOUNT = InstagramAccount
