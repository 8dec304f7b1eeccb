"""Settings of a Slack account: one app, installed in one workspace."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import SecretStr, model_validator

from connectors.settings import Address, Settings, require_pattern

API = "https://slack.com/api/"


class SlackAccount(Settings):
    """With ``http`` Slack calls webhooks and signs them with ``signing_secret``; in ``socket`` mode we connect to Slack
    with ``app_token``. ``bot_token`` is used to send, look up and fetch."""

    mode: Literal["http", "socket"] = "http"
    bot_token: SecretStr
    signing_secret: SecretStr = SecretStr("")
    app_token: SecretStr = SecretStr("")
    api_base: Address = API

    @property
    def is_called(self) -> bool:
        """True if Slack calls webhooks of this account."""
        return self.mode == "http"

    @model_validator(mode="after")
    def _check_tokens(self) -> Self:
        needed = ("bot_token", "signing_secret" if self.mode == "http" else "app_token")
        for name in needed:
            if not getattr(self, name).get_secret_value().strip():
                raise ValueError(f"{name} must not be empty in mode {self.mode}")
        return self


def desk_place(text: str) -> str:
    """See ``connectors.registry.desk_place``."""
    return require_pattern(text, r"[CG][A-Z0-9]{2,20}", "must be the id of a Slack channel, such as C0123456789")


ACCOUNT = SlackAccount
