"""The section ``redis`` of the configuration: encryption and credentials, the same for every connection."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, SecretStr

from schemas.errors import ConfigInvalid


class RedisSettings(BaseModel):
    """How to connect to the server of ``state: redis://…``. ``rediss://`` encrypts the connection."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    username: str = ""
    """The user to log in as, if the address in ``state`` names none. Empty: the server's default user."""
    password: SecretStr = SecretStr("")
    """The user's password, if the address in ``state`` contains none. Empty: no login."""
    ca_file: str = ""
    """The certificate authority (PEM) of the server, if it is not a public one."""

    def client_settings(self, url: str) -> dict[str, Any]:
        """Settings for a client that connects to ``url``, which takes precedence. Raises ConfigInvalid."""
        named = {"username": self.username, "password": self.password.get_secret_value()}
        settings: dict[str, Any] = {name: text for name, text in named.items() if text}
        if self.ca_file and not url.startswith("rediss://"):
            raise ConfigInvalid(
                "redis.ca_file needs encryption", fix="write `state: rediss://…`, or remove redis.ca_file"
            )
        if self.ca_file:
            if not Path(self.ca_file).is_file():
                raise ConfigInvalid(f"redis.ca_file: there is no file {self.ca_file}", fix="name a PEM file")
            settings["ssl_ca_certs"] = self.ca_file
        return settings


OPEN = RedisSettings()
"""A server without credentials."""
