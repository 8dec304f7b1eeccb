"""The section ``redis`` of the configuration: encryption and credentials, the same for every connection."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, SecretStr

from schemas.errors import ConfigInvalid


class RedisSettings(BaseModel):
    """How to connect to the server of ``state: redis://…``, to the primary that Sentinel names
    (``redis+sentinel://host1:26379,host2:26379,host3:26379/NAME/0``), or to the nodes of a Redis Cluster
    (``redis+cluster://host1:6379,host2:6379,host3:6379``). ``rediss://``, ``rediss+sentinel://`` and
    ``rediss+cluster://`` encrypt the connections."""

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

    def check_address(self, url: str) -> None:
        """Raises ConfigInvalid for an address that cannot be read."""
        split_sentinel_address(url)
        split_cluster_address(url)

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
_SENTINEL_PORT = 26379
CLUSTER_SCHEMES = {"redis+cluster": "redis", "rediss+cluster": "rediss"}
"""Schemes of addresses that name nodes of a cluster, with the scheme of a server."""
_SERVER_PORT = 6379
_CLUSTER_FORM = "write redis+cluster://host1:6379,host2:6379,host3:6379, naming some of the nodes, and no database"
_SENTINEL_FORM = (
    "write redis+sentinel://host1:26379,host2:26379,host3:26379/NAME/0, where NAME is the group in sentinel.conf"
)
Address = tuple[str, int]
_FILE_SETTINGS = {"ca_file": "ssl_ca_certs", "cert_file": "ssl_certfile", "key_file": "ssl_keyfile"}


class SentinelParts(NamedTuple):
    """The parts of ``redis+sentinel://user:password@host:port,…/group/db?options``. ``login`` is as written."""

    login: str
    sentinels: tuple[Address, ...]
    group: str
    database: int
    options: str


def split_sentinel_address(url: str) -> SentinelParts | None:
    """None for the address of a server. Raises ConfigInvalid."""
    try:
        parts = urlsplit(url)
        if parts.scheme not in SENTINEL_SCHEMES:
            return None
        login, _, hosts = parts.netloc.rpartition("@")
        group, _, database = parts.path.strip("/").partition("/")
        sentinels = _parse_hosts(hosts, _SENTINEL_PORT)
        found = SentinelParts(login, sentinels, group, int(database or 0), parts.query)
    except ValueError as error:
        raise ConfigInvalid("the address of `state` cannot be read", fix=_SENTINEL_FORM) from error
    if not sentinels or not group:
        raise ConfigInvalid("the address of `state` names no Sentinel, or no group", fix=_SENTINEL_FORM)
    return found


class ClusterParts(NamedTuple):
    """The parts of ``redis+cluster://user:password@host:port,…?options``. ``login`` is as written."""

    login: str
    nodes: tuple[Address, ...]
    options: str


def split_cluster_address(url: str) -> ClusterParts | None:
    """None for another kind of address. Raises ConfigInvalid."""
    try:
        parts = urlsplit(url)
        if parts.scheme not in CLUSTER_SCHEMES:
            return None
        login, _, hosts = parts.netloc.rpartition("@")
        found = ClusterParts(login, _parse_hosts(hosts, _SERVER_PORT), parts.query)
    except ValueError as error:
        raise ConfigInvalid("the address of `state` cannot be read", fix=_CLUSTER_FORM) from error
    if not found.nodes:
        raise ConfigInvalid("the address of `state` names no node", fix=_CLUSTER_FORM)
    if parts.path.strip("/") not in ("", "0"):
        raise ConfigInvalid("a cluster has only the database 0", fix=_CLUSTER_FORM)
    return found


def _parse_hosts(text: str, port: int) -> tuple[Address, ...]:
    return tuple(_parse_host(each, port) for each in text.split(",") if each)


def _parse_host(text: str, port: int) -> Address:
    """Read ``host``, ``host:port`` or ``[IPv6]:port``; ``port``: the usual one."""
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError(text)
    return parts.hostname, parts.port or port


def _check_file(setting: str, path: str, url: str) -> str:
    if not url.startswith(("rediss://", "rediss+sentinel://", "rediss+cluster://")):
        raise ConfigInvalid(f"{setting} needs encryption", fix=f"write `state: rediss://…`, or remove {setting}")
    if not Path(path).is_file():
        raise ConfigInvalid(f"{setting}: there is no file {path}", fix="name a PEM file")
    return path


OPEN = RedisSettings()
"""A server without credentials."""
