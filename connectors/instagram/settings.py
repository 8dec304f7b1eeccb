"""Settings of an Instagram account."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from connectors.settings import Address, Secret, Settings, shaped

_ID = "must be the account's id (digits), not its name"


class InstagramAccount(Settings):
    """``ig_id``: the professional account's id, as it stands in webhooks. ``app_secret`` signs webhooks: the Instagram
    app's secret where the account logs in to Instagram, the Meta app's where it does by a Facebook page; then
    ``api_base`` is https://graph.facebook.com/v26.0. ``verify_token`` is of your own choosing."""

    ig_id: Annotated[str, AfterValidator(lambda text: shaped(text, r"\d{5,20}", _ID))]
    access_token: Secret
    app_secret: Secret
    verify_token: Secret
    api_base: Address = "https://graph.instagram.com/v26.0"


ACCOUNT = InstagramAccount
