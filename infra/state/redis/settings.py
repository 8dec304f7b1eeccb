"""The section ``redis`` of the configuration: encryption and credentials, the same for every connection."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, SecretStr

from schemas.errors import ConfigInvalid


class RedisSettings(BaseModel):
    """How to connect to the server of ``state: redis://…``, or to the primary that Sentinel names
    (``redis+sentinel://host1:26379,host2:26379,host3:26379/NAME/0``). ``rediss://`` and ``rediss+sentinel://`` encrypt
    the connections."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    username: str = ""
    """The user to log in as, if the address in ``state`` names none. Empty: the server's default user."""
    password: SecretStr = SecretStr("")
    """The user's password, if the address in ``state`` contains none. Empty: no login."""
    ca_file: str = ""
    """The certificate authority (PEM) of the server, if it is not a public one."""
    cert_file: str = ""
    """The client certificate (PEM), if the server requires one."""
    key_file: str = ""
    """The private key (PEM) that belongs to ``cert_file``."""
    sentinel_username: str = ""
    """The user to log in as at the Sentinels. Empty: their default user."""
    sentinel_password: SecretStr = SecretStr("")
    """The password of that user. Empty: no login. The Sentinels are never shown ``password``."""

    def client_settings(self, url: str) -> dict[str, Any]:
        """Settings for a client that connects to ``url``, which takes precedence. Raises ConfigInvalid."""
        named = {"username": self.username, "password": self.password.get_secret_value()}
        settings: dict[str, Any] = {name: text for name, text in named.items() if text}
        if bool(self.cert_file) != bool(self.key_file):
            raise ConfigInvalid("redis.cert_file and redis.key_file go together", fix="set both or neither")
        files = {"ca_file": self.ca_file, "cert_file": self.cert_file, "key_file": self.key_file}
        for name, path in files.items():
            if path:
                settings[_FILE_SETTINGS[name]] = _check_file(f"redis.{name}", path, url)
        return settings

    def sentinel_credentials(self) -> dict[str, Any]:
        named = {"username": self.sentinel_username, "password": self.sentinel_password.get_secret_value()}
        return {name: text for name, text in named.items() if text}


SENTINEL_SCHEMES = {"redis+sentinel": "redis", "rediss+sentinel": "rediss"}
"""Schemes of addresses that name Sentinels, with the scheme of the servers that these watch."""
_FILE_SETTINGS = {"ca_file": "ssl_ca_certs", "cert_file": "ssl_certfile", "key_file": "ssl_keyfile"}


def _check_file(setting: str, path: str, url: str) -> str:
    if not url.startswith(("rediss://", "rediss+sentinel://")):
        raise ConfigInvalid(f"{setting} needs encryption", fix=f"write `state: rediss://…`, or remove {setting}")
    if not Path(path).is_file():
        raise ConfigInvalid(f"{setting}: there is no file {path}", fix="name a PEM file")
    return path


OPEN = RedisSettings()
"""A server without credentials."""
