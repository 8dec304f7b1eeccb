"""Settings of an account. ``secret`` goes along with what we ask, and signs what we are told."""

from __future__ import annotations

from connectors.settings import Address, Secret, Settings, require_pattern


class WebhookAccount(Settings):
    url: Address
    secret: Secret


def desk_place(text: str) -> str:
    return require_pattern(text, r"[a-z-]{1,40}", "must be the name of a queue, such as support")


ACCOUNT = WebhookAccount
