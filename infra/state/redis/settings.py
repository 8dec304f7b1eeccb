"""Access to the Redis server: encryption and credentials, the same for every connection."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from schemas.errors import ConfigInvalid


@dataclass(frozen=True, slots=True)
class RedisAccess:
    """The ``redis`` section of the configuration, field by field. The URL takes precedence."""

    username: str = ""
    password: str = field(default="", repr=False)
    ca_file: str = ""

    def client(self, url: str) -> dict[str, Any]:
        """Settings for a client that connects to ``url``. Raises ConfigInvalid."""
        named = {"username": self.username, "password": self.password}
        settings: dict[str, Any] = {name: text for name, text in named.items() if text}
        if self.ca_file and not url.startswith("rediss://"):
            raise ConfigInvalid(
                "redis.ca_file needs encryption", fix="write `state: rediss://…`, or drop redis.ca_file"
            )
        if self.ca_file:
            if not Path(self.ca_file).is_file():
                raise ConfigInvalid(f"redis.ca_file: there is no file {self.ca_file}", fix="name a PEM file")
            settings["ssl_ca_certs"] = self.ca_file
        return settings


OPEN = RedisAccess()
"""A server without credentials."""
