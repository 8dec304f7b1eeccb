"""Settings of a Slack account: one app, installed in one workspace."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from connectors.settings import Address, Settings, require_pattern
from schemas.key_ring import KeyRing, Keys

API = "https://slack.com/api/"


class SlackAccount(Settings):
    """A Slack app that is installed in one workspace."""

    mode: Literal["http", "socket"] = "http"
    """``http``: Slack calls webhooks. ``socket``: Parley connects to Slack, for an installation that Slack cannot reach
    (*Socket Mode* must be on in the app)."""
    bot_token: Keys
    """The token ``xoxb-…`` (*OAuth & Permissions*, after the app was installed), with which messages are sent and
    looked up."""
    signing_secret: Keys = Field(default_factory=KeyRing)
    """The secret with which Slack signs webhooks (*Basic Information*, *Signing Secret*). Only for mode ``http``, which
    needs it."""
    app_token: Keys = Field(default_factory=KeyRing)
    """The token ``xapp-…`` with the scope ``connections:write`` (*Basic Information*, *App-Level Tokens*). Only for
    mode ``socket``, which needs it."""
    api_base: Address = API
    """The address of Slack's Web API. Change it only for a proxy or a simulator."""

    @property
    def is_called(self) -> bool:
        """True if Slack calls webhooks of this account."""
        return self.mode == "http"

    @model_validator(mode="after")
    def _check_tokens(self) -> Self:
        needed = ("bot_token", "signing_secret" if self.mode == "http" else "app_token")
        for name in needed:
            if not getattr(self, name).keys:
                raise ValueError(f"{name} must not be empty in mode {self.mode}")
        return self


def desk_place(text: str) -> str:
    """See ``connectors.registry.desk_place``."""
    return require_pattern(text, r"[CG][A-Z0-9]{2,20}", "must be the id of a Slack channel, such as C0123456789")


ACCOUNT = SlackAccount
