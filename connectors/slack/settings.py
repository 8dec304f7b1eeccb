"""Settings of a Slack account: one app, installed in one workspace."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import SecretStr, model_validator

from connectors.settings import Address, Settings, shaped

API = "https://slack.com/api/"


class SlackAccount(Settings):
    """Over ``http`` Slack calls us and signs with ``signing_secret``; in ``socket`` mode we call Slack, with
    ``app_token``. ``bot_token`` is what we write, look up and fetch with."""

    mode: Literal["http", "socket"] = "http"
    bot_token: SecretStr
    signing_secret: SecretStr = SecretStr("")
    app_token: SecretStr = SecretStr("")
    api_base: Address = API

    @property
    def is_called(self) -> bool:
        """By Slack, at an address of ours."""
        return self.mode == "http"

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        needed = ("bot_token", "signing_secret" if self.mode == "http" else "app_token")
        for name in needed:
            if not getattr(self, name).get_secret_value().strip():
                raise ValueError(f"{name} must not be empty in mode {self.mode}")
        return self


def desk_place(text: str) -> str:
    """See ``connectors.registry.desk_place``."""
    return shaped(text, r"[CG][A-Z0-9]{2,20}", "must be the id of a Slack channel, such as C0123456789")


ACCOUNT = SlackAccount
